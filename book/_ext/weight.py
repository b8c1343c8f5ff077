"""Keep pages light: pictures are files, fetched when they come into view.

A notebook holds its pictures as text, which a browser must read before it
shows anything.  The theme's icons come from a font that its style sheets
load anyway, so the script that draws them once more is emptied.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import partial
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

PICTURE = re.compile(r'="data:image/(svg\+xml|webp);base64,([A-Za-z0-9+/=]+)"')
SIZE = re.compile(rb'<svg[^>]* width="([\d.]+)pt" height="([\d.]+)pt"')
SMALL = 2_000  # characters of a picture that may stay on the page
STATIC = "_static/vendor/fontawesome/webfonts/fa-solid-900.woff2"
# From within a style sheet: a font's file opened from a folder is refused by
# some browsers.
ICONS = """@font-face {{
  font-family: "Font Awesome 6 Free";
  font-style: normal;
  font-weight: 900;
  src: url(data:font/woff2;base64,{}) format("woff2");
}}
"""


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_css_file("icons.css")
    app.connect("html-page-context", take_out)
    app.connect("build-finished", icons, priority=400)  # before links' check
    return {"parallel_read_safe": True}


def take_out(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object
) -> None:
    """Write a page's pictures as files and refer to them."""
    if body := context.get("body"):
        write = partial(_written, Path(app.outdir), context["pathto"])
        context["body"] = PICTURE.sub(write, body).replace(
            '<img class="figure" ', '<img class="figure" loading="lazy" '
        )


def icons(app: Sphinx, error: Exception | None) -> None:
    """Put the icons' font into a style sheet, instead of the theme's script."""
    folder = Path(app.outdir)
    if error is None and (font := folder / STATIC).is_file():
        code = base64.b64encode(font.read_bytes()).decode()
        (folder / "_static/icons.css").write_text(ICONS.format(code))
        script = folder / "_static/scripts/fontawesome.js"
        script.write_text("// The icons come from icons.css.\n")


def _written(folder: Path, pathto: Any, picture: re.Match[str]) -> str:
    if len(picture[2]) < SMALL:
        return picture[0]
    content = base64.b64decode(picture[2])
    name = hashlib.sha256(content).hexdigest()[:16]
    file = f"_images/{name}.{picture[1].partition('+')[0]}"
    (folder / "_images").mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(content)
    return f'="{pathto(file, 1)}"{_size(content)}'


def _size(content: bytes) -> str:
    """Say a drawing's size in pixels, so that its place is kept for it."""
    found = SIZE.search(content)
    if found is None:
        return ""
    width, height = (round(float(points) * 4 / 3) for points in found.groups())
    return f' width="{width}" height="{height}"'
