// The filter of the claims page. Without it the page shows all rows.
(() => {
  const form = document.querySelector(".claims-filter");
  const shown = form.querySelector("output");
  const rows = [...document.querySelectorAll("table.claims tbody tr")].map(
    (row) => ({
      row,
      text: row.textContent.toLowerCase(),
      report: row.cells[1].textContent,
      verdict: row.cells[3].textContent,
      practical: [...row.querySelectorAll(".pages a")].map((link) =>
        link.getAttribute("href"),
      ),
    }),
  );
  const fields = [...form.querySelectorAll("[name]")];

  function matches(entry, { q, report, verdict, practical }) {
    const words = q.toLowerCase().split(/\s+/);
    const page = `practicals/${practical}.html`;
    return (
      words.every((word) => entry.text.includes(word)) &&
      (!report || entry.report === report) &&
      (!verdict || entry.verdict === verdict) &&
      (!practical ||
        (practical === "none"
          ? !entry.practical.length
          : entry.practical.includes(page)))
    );
  }

  function show() {
    const wanted = Object.fromEntries(fields.map((f) => [f.name, f.value]));
    for (const entry of rows) entry.row.hidden = !matches(entry, wanted);
    const count = rows.filter((entry) => !entry.row.hidden).length;
    shown.textContent = `${count} of ${rows.length} claims shown`;
  }

  function remember() {
    const set = fields.filter((field) => field.value.trim());
    const state = new URLSearchParams(set.map((f) => [f.name, f.value]));
    history.replaceState(null, "", `#${state}`);
  }

  // A hash is either a filter's state or the name of a claim to jump to.
  function restore() {
    const hash = location.hash.slice(1);
    const state = new URLSearchParams(hash);
    for (const field of fields) {
      field.value = state.get(field.name) ?? "";
      if (field.selectedIndex < 0) field.value = "";
    }
    show();
    if (/^claim-\d+$/.test(hash))
      document.getElementById(hash)?.scrollIntoView();
  }

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    show();
    remember();
  });
  form.addEventListener("reset", () =>
    setTimeout(() => {
      show();
      remember();
    }),
  );
  window.addEventListener("hashchange", restore);
  restore();
})();
