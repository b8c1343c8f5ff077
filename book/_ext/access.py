"""Make a page usable by keyboard and by a screen reader.

Wide tables, code and formulas scroll inside the page.  Which of them do
depends on the window, so a script finds out; those that fit get no stop.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

SCRIPT = """
addEventListener("DOMContentLoaded", () => {
  const watch = new ResizeObserver((seen) => {
    for (const { target } of seen)
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
  });
  document.querySelectorAll(
    "article :is(.scroll, .output, pre, .math, .pst-scrollable-table-container)"
  ).forEach((part) => part.hasAttribute("tabindex") || watch.observe(part));
});
"""


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_js_file(None, body=SCRIPT)
    app.connect("html-page-context", name_roles)
    return {"parallel_read_safe": True}


def name_roles(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object
) -> None:
    """Call no list what holds entries of a bibliography: they are no items."""
    if body := context.get("body"):
        context["body"] = body.replace('role="list" class="citation-list"', "")
