"""Write the pages that are made from evidence, before Sphinx reads the book.

With ``COURSEWORK_PAGES=ready`` in the environment nothing is written: the
book is then a copied tree which has its pages already.
"""

from __future__ import annotations

import os
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx_external_toc.parsing import parse_toc_yaml


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the pages, and refuse a book that lacks one of its pages.

    Sphinx itself only warns of a missing page and publishes the rest.
    """
    book = Path(app.srcdir)
    if os.environ.get("COURSEWORK_PAGES") != "ready":
        write(book)
    missing = [
        name
        for name in parse_toc_yaml(book / "_toc.yml")
        if not any(book.glob(f"{name}.*"))
    ]
    if missing:
        raise ExtensionError(
            f"_toc.yml names {', '.join(missing)}, and there is no such page "
            f"in {book}: add it there, or as notebooks/<name>.py"
        )
    return {"parallel_read_safe": True}


def write(book: Path) -> None:
    """Write the executed notebooks and the two overviews into ``book``."""
    # Only here, so that a copied tree needs neither package nor evidence.
    from coursework.launch import pages  # noqa: PLC0415

    try:
        pages.publish(book / "practicals")
    except RuntimeError as error:  # a run is missing: no fault of Sphinx's
        raise ExtensionError(str(error)) from error
    pages.overviews(book)
