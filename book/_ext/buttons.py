"""Buttons of a practical's page: its source, and services that run it.

Binder and Colab need to know where the project is public:
``COURSEWORK_REPOSITORY=https://github.com/OWNER/NAME`` in the environment of
the build.  Without it no page has a button that leads out of the book.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+)")
BINDER = "https://mybinder.org/v2/gh/{name}/{branch}?urlpath={path}"
# Colab opens .ipynb only: those of the published book, on its own branch.
COLAB = (
    "https://colab.research.google.com/github/{name}/blob/gh-pages/"
    "_sources/{page}.ipynb"
)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", name_repository)
    app.connect("html-page-context", add, priority=502)  # the theme's: 501
    return {"parallel_read_safe": True}


def repository() -> str:
    """Return the address where the project is public, or nothing.

    Raises ExtensionError if it is not of the form that Binder and Colab take.
    """
    address = os.environ.get("COURSEWORK_REPOSITORY", "").rstrip("/")
    if address and not GITHUB.fullmatch(address):
        raise ExtensionError(
            f"COURSEWORK_REPOSITORY is {address}; expected "
            "https://github.com/OWNER/NAME, or nothing"
        )
    return address


def name_repository(app: Sphinx, config: Config) -> None:
    """Let the theme link to the repository, if there is one."""
    if address := repository():
        config.html_theme_options |= {
            "repository_url": address,
            "use_repository_button": True,
        }


def add(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object
) -> None:
    """Offer a practical's source beside its notebook, and where to run it."""
    source = NOTEBOOKS / f"{Path(page).name}.py"
    practical = page.startswith("practicals/") and source.is_file()
    if app.builder.name != "html" or not practical:
        return
    copy = Path(app.outdir, "_sources", f"{page}.py")
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, copy)
    buttons = context["header_buttons"]
    (downloads,) = [b for b in buttons if b["label"] == "download-buttons"]
    address = context["pathto"](f"_sources/{page}.py", 1)
    downloads["buttons"].insert(
        1, _link(".py", address, "Download the notebook's source", "file-code")
    )
    if address := repository():
        buttons.insert(0, _launch(address, page, source.name))


def _launch(address: str, page: str, source: str) -> dict[str, Any]:
    name = address.removeprefix("https://github.com/")
    branch = os.environ.get("COURSEWORK_BRANCH", "main")
    path = quote(f"lab/tree/notebooks/{source}", safe="")
    binder = BINDER.format(name=name, branch=branch, path=path)
    colab = COLAB.format(name=name, page=page)
    code = f"{address}/blob/{branch}/notebooks/{source}"
    return {
        "type": "group",
        "tooltip": "Run this page",
        "icon": "fas fa-rocket",
        "label": "launch-buttons",
        "buttons": [
            _link("Binder", binder, "Run the source on Binder", "rocket"),
            _link("Colab", colab, "Open the notebook on Colab", "rocket"),
            _link("Source", code, "See the source in the repository", "code"),
        ],
    }


def _link(text: str, url: str, tooltip: str, icon: str) -> dict[str, str]:
    return {
        "type": "link",
        "url": url,
        "text": text,
        "tooltip": tooltip,
        "icon": f"fas fa-{icon}",
        "label": f"{text.strip('.').lower()}-button",
    }
