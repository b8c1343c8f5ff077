"""Print the book, built as a single page: ``python pdf.py PAGE PDF``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, PdfMargins, sync_playwright

# Links between pages become links within the PDF; those to files are undone.
INWARD = r"""() => {
  for (const link of document.querySelectorAll("a[href]")) {
    const address = link.getAttribute("href");
    if (address.startsWith("#") || !link.href.startsWith("file:")) continue;
    const [path, place] = address.split("#");
    const name = path.split("/").at(-1).replace(/\.html$/, "");
    const part = document.querySelector(
      `[id="document-${name}"], [id^="document-"][id$="/${name}"]`);
    const inside = part?.parentElement.querySelector(
      `[id="${CSS.escape(place ?? "")}"]`);
    if (part) link.setAttribute("href", `#${inside?.id || part.id}`);
    else link.removeAttribute("href");
  }
}"""
READY = """async () => {
  if (window.MathJax?.startup) await MathJax.startup.promise;
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map((image) => image.decode()));
}"""
MARGIN: PdfMargins = {
    "top": "18mm",
    "right": "15mm",
    "bottom": "18mm",
    "left": "15mm",
}
PATIENCE = 600_000  # milliseconds
FOOTER = (
    '<p style="width: 100%; font-size: 8px; text-align: center">'
    '<span class="pageNumber"></span></p>'
)


def print_book(tab: Page, page: Path, pdf: Path) -> None:
    """Print a built page, with bookmarks, tags and page numbers."""
    tab.set_default_timeout(PATIENCE)
    tab.goto(page.resolve().as_uri())
    tab.evaluate(READY)
    tab.evaluate(INWARD)
    tab.pdf(
        path=pdf,
        format="A4",
        scale=0.75,  # about as wide as a window that code and tables fit in
        outline=True,
        tagged=True,
        print_background=True,
        display_header_footer=True,
        header_template="<p></p>",
        footer_template=FOOTER,
        margin=MARGIN,
    )


def main(page: Path, pdf: Path) -> None:
    """Print with the browser that is on the path.

    Raises RuntimeError if there is none.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise RuntimeError(
            "no chromium on the PATH; install it (Debian: apt install chromium)"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        print_book(browser.new_page(reduced_motion="reduce"), page, pdf)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
