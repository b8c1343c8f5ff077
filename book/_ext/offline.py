"""Keep every page from asking another host for anything."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

# Formulas become SVG paths, so no font is loaded, not even from a file.
SCRIPT = "static/mathjax/tex-svg-full.js"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", local_mathjax)
    app.connect("html-page-context", drop_thebe)
    return {"parallel_read_safe": True}


def local_mathjax(app: Sphinx, config: Config) -> None:
    """Take MathJax from the installed wheel instead of a CDN.

    Raises ExtensionError if the wheel is missing.
    """
    wheel = find_spec("sphinx-mathjax-offline")
    if wheel is None or wheel.origin is None:
        raise ExtensionError(
            "sphinx-mathjax-offline is not installed; install the project "
            "with its dependencies: pip install -e ."
        )
    script = Path(wheel.origin).parent / SCRIPT
    config.html_static_path.append(str(script))
    config.mathjax_path = script.name


def drop_thebe(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object
) -> None:
    """Remove the live-code scripts: no page has a kernel to talk to."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes}".lower()
    ]
