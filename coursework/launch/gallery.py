"""The front page's gallery: one figure of each practical, made small."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import resvg_py
from PIL import Image

from coursework import paths
from coursework.launch import claimed

WIDTH = 560  # pixels: twice what a card shows
FIGURE = re.compile(
    r'<img class="figure" src="data:image/svg\+xml;base64,([^"]+)" '
    r'alt="([^"]*)">'
)


def page(folder: Path, practicals: Sequence[str]) -> str:
    """Write a list of cards; ``folder`` holds the executed notebooks."""
    cards = "".join(_card(folder, name) for name in practicals)
    return f'\n<ul class="gallery">{cards}</ul>\n'


def figure(notebook: dict[str, Any]) -> tuple[str, str] | None:
    """Return the first figure of the results, else the page's first.

    It comes as SVG with its alternative text, as it stands in HTML.
    """
    found = list(_figures(notebook))
    chosen = next((each for each in found if each[0]), None)
    chosen = chosen or next(iter(found), None)
    return chosen and (base64.b64decode(chosen[1]).decode(), chosen[2])


def _figures(notebook: dict[str, Any]) -> Iterator[tuple[bool, str, str]]:
    results = False
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        results = results or bool(re.search("^## Results", text, re.M))
        for output in cell.get("outputs", ()):
            html = "".join(output.get("data", {}).get("text/html", ""))
            for match in FIGURE.finditer(html):
                yield results, match[1], match[2]


def _card(folder: Path, name: str) -> str:
    source = (paths.PROJECT / f"notebooks/{name}.py").read_text("utf-8")
    picture = ""
    if found := figure(json.loads((folder / f"{name}.ipynb").read_text())):
        svg, alt = found
        picture = f'<img src="{_small(svg)}" alt="{alt}" loading="lazy">'
    title = escape(claimed.title(name, source))
    return (
        f'<li><a href="practicals/{name}.html">{picture}'
        f"<span>{title}</span></a></li>"
    )


def _small(svg: str) -> str:
    """Draw an SVG as a small WebP, as a data address."""
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=WIDTH, dpi=96, skip_system_fonts=True
    )
    file = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(file, "WEBP", quality=75)
    code = base64.b64encode(file.getvalue()).decode()
    return f"data:image/webp;base64,{code}"
