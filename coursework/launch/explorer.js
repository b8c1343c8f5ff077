// The run explorer. Whatever a run or a person named becomes text, never
// HTML; what is chosen is kept in the address, so that it can be linked to.
"use strict";
(async () => {
  const { make, draw, look, picture } = charts;
  const ROWS = 100; // shown at once; the button brings more
  const ARMS = 16; // eight colours, whole and dashed
  const MAIN = ["mAP", "accuracy", "label accuracy"]; // the score that a row shows, if there
  const DEFAULTS = {
    q: "", grid: "", profile: "", data: "", sort: "", runs: "",
    first: "validation loss", second: "", mean: "1", seeds: "1", log: "0",
  };
  const COLUMNS = {
    grid: (run) => run.grid,
    variant: (run) => run.variant,
    seed: (run) => run.seed,
    "test score": (run) => run.scores[run.main],
    seconds: (run) => run.seconds,
    parameters: (run) => run.parameters,
    "multiply-adds": (run) => run["multiply-adds"],
    profile: (run) => run.profile,
    data: (run) => run.data,
    date: (run) => run.date,
    commit: (run) => run.commit,
    device: (run) => run.device,
  };

  const root = document.getElementById("explorer");
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const [head, body] = root.querySelectorAll("thead, tbody");
  const controls = [...root.querySelectorAll("[name]")];

  // Data -------------------------------------------------------------------
  const packed = document.getElementById("explorer-data").textContent;
  const stored = await new Response(
    new Blob([Uint8Array.from(atob(packed), (c) => c.charCodeAt(0))])
      .stream()
      .pipeThrough(new DecompressionStream("gzip")),
  ).json();
  const measures = Object.keys(stored.curves);
  const written = new Map(); // specification, as text: many runs share one

  function read(_, index) {
    const run = { curves: {} };
    for (const [name, { values, at }] of Object.entries(stored.repeated))
      run[name] = values[at[index]];
    for (const [name, column] of Object.entries(stored.own))
      run[name] = column[index];
    for (const name of measures) run.curves[name] = stored.curves[name][index];
    const scores = Object.keys(run.scores);
    run.main = MAIN.find((name) => scores.includes(name)) ?? scores[0];
    run.name = `${run.key}-${run.seed}`;
    run.id = `${run.grid}/${run.profile}/${run.name}`;
    if (!written.has(run.spec)) written.set(run.spec, call(run.spec));
    run.text = [
      run.id, run.variant, run.data, run.date, run.commit, run.device,
      `seed ${run.seed}`, run.diverged ? "diverged" : "", written.get(run.spec),
    ].join("\n").toLowerCase();
    return run;
  }

  function call(spec, indent = "") {
    if (Array.isArray(spec))
      return `[${spec.map((item) => call(item, indent)).join(", ")}]`;
    if (spec === null || typeof spec !== "object") return JSON.stringify(spec);
    const inner = `${indent}  `;
    const lines = Object.entries(spec.args).map(
      ([name, value]) => `\n${inner}${name}=${call(value, inner)},`,
    );
    const target = spec.partial ?? spec.value;
    return lines.length ? `${target}(${lines.join("")}\n${indent})` : target;
  }

  const runs = stored.own.seed.map(read);

  // State ------------------------------------------------------------------
  let state = { ...DEFAULTS };
  let ticked = new Set();
  let opened = new Set();
  let limit = ROWS;
  let pinned = null; // label of the arm brought out

  function fromAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    state = { ...DEFAULTS };
    for (const name of Object.keys(DEFAULTS))
      if (asked.has(name)) state[name] = asked.get(name);
    const there = new Set(runs.map((run) => run.id));
    ticked = new Set(state.runs.split(",").filter((id) => there.has(id)));
    opened = new Set();
    for (const control of controls) {
      if (control.type === "checkbox")
        control.checked = state[control.name] === "1";
      else control.value = state[control.name];
      if (control.tagName === "SELECT" && control.selectedIndex < 0)
        control.value = DEFAULTS[control.name]; // there is no such choice
    }
    fromControls();
  }

  function fromControls() {
    for (const control of controls)
      state[control.name] = control.type === "checkbox"
        ? String(Number(control.checked))
        : control.value;
  }

  const bare = () => location.pathname + location.search;

  function toAddress() {
    state.runs = [...ticked].join(",");
    const kept = new URLSearchParams();
    for (const [name, value] of Object.entries(state))
      if (value !== DEFAULTS[name]) kept.set(name, value);
    const hash = kept.toString();
    history.replaceState(null, "", hash ? `#${hash}` : bare());
  }

  // Table ------------------------------------------------------------------
  function matching() {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const found = runs.filter(
      (run) =>
        ["grid", "profile", "data"].every(
          (name) => !state[name] || run[name] === state[name],
        ) && words.every((word) => run.text.includes(word)),
    );
    const name = state.sort.replace(/^-/, "");
    if (!(name in COLUMNS)) return found;
    const sign = state.sort.startsWith("-") ? -1 : 1;
    const value = COLUMNS[name];
    return found.sort((a, b) => compare(value(a), value(b), sign));
  }

  function compare(a, b, sign) {
    if (a == null || b == null) return (a == null) - (b == null); // last
    if (typeof a === "number") return sign * (a - b);
    return sign * a.localeCompare(b, "en", { numeric: true });
  }

  const shown = (value) =>
    Number.isInteger(value) ? value.toLocaleString("en")
    : typeof value === "number" ? value.toPrecision(4)
    : value ?? "–";

  function drawHead() {
    const cells = Object.keys(COLUMNS).map((name) => {
      const way = { [name]: "ascending", [`-${name}`]: "descending" };
      const button = make("button", { type: "button" }, name);
      button.addEventListener("click", () => {
        state.sort = state.sort === name ? `-${name}` : name;
        render();
        head.querySelector(`[data-column="${name}"] button`).focus();
      });
      const sorted = way[state.sort] ?? "none";
      return make(
        "th",
        { scope: "col", "aria-sort": sorted, "data-column": name },
        button,
      );
    });
    const first = make("th", { scope: "col" }, "curve");
    head.replaceChildren(make("tr", {}, first, ...cells));
  }

  function row(run) {
    const box = make("input", {
      type: "checkbox",
      "aria-label": `Draw ${run.variant}, seed ${run.seed}, of ${run.grid}`,
    });
    box.checked = ticked.has(run.id);
    box.addEventListener("change", () => {
      ticked[box.checked ? "add" : "delete"](run.id);
      toAddress();
      drawCurves();
    });
    const cells = Object.entries(COLUMNS).map(([name, value]) =>
      make("td", typeof value(run) === "number" ? { class: "number" } : {},
        name === "variant" ? "" : shown(value(run))));
    const names = Object.keys(COLUMNS);
    const button = make(
      "button", { type: "button", "aria-expanded": "false" }, run.variant,
    );
    cells[names.indexOf("variant")].append(button);
    cells[names.indexOf("test score")].append(
      " ", make("small", {}, run.diverged ? "diverged" : run.main ?? ""),
    );
    const line = make("tr", {}, make("td", {}, box), ...cells);
    line.addEventListener("click", (event) => {
      const inside = event.target.closest("input, button");
      if (!inside || inside === button) toggle(run, line, button);
    });
    return [line, button];
  }

  function toggle(run, line, button) {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    opened[open ? "add" : "delete"](run.id);
    if (open) line.after(details(run));
    else line.nextElementSibling.remove();
  }

  function details(run) {
    const facts = {
      run: run.name,
      ...Object.fromEntries(Object.entries(run.scores).map(
        ([name, value]) => [`test ${name}`, shown(value)])),
      ...(run.diverged ? { diverged: run.diverged } : {}),
      device: run.device,
      commit: run.commit,
    };
    const list = Object.entries(facts).flatMap(([name, value]) => [
      make("dt", {}, name), make("dd", {}, value),
    ]);
    const link = make(
      "a", { href: `evidence.html#${run.anchor}` }, `evidence of ${run.grid}`,
    );
    return make("tr", { class: "details" }, make(
      "td", { colspan: String(Object.keys(COLUMNS).length + 1) },
      make("dl", {}, ...list), make("p", {}, link),
      make("pre", {
        tabindex: "0", role: "region", "aria-label": "Specification",
      }, written.get(run.spec)),
    ));
  }

  function drawTable(found) {
    drawHead();
    body.replaceChildren();
    for (const run of found.slice(0, limit)) {
      const [line, button] = row(run);
      body.append(line);
      if (opened.has(run.id)) toggle(run, line, button);
    }
    const there = Math.min(limit, found.length);
    part("count").textContent =
      `${found.length} of ${runs.length} runs match` +
      (there < found.length ? `; the first ${there} are shown.` : ".");
    part("more").hidden = there === found.length;
  }

  // Curves -----------------------------------------------------------------
  function chosen() {
    if (ticked.size) return runs.filter((run) => ticked.has(run.id));
    return matching();
  }

  function arms(drawn) {
    const varying = ["grid", "profile", "data"].filter(
      (name) => new Set(drawn.map((run) => run[name])).size > 1,
    );
    const found = new Map();
    for (const run of drawn) {
      const label = [run.variant, ...varying.map((name) => run[name])];
      const key = JSON.stringify(label);
      if (!found.has(key))
        found.set(key, { label: label.join(" · "), runs: [] });
      found.get(key).runs.push(run);
    }
    return [...found.values()];
  }

  function drawCurves() {
    const every = arms(chosen());
    const ready = ticked.size || state.grid || every.length <= ARMS;
    const some = ready ? every.slice(0, ARMS) : [];
    const second = state.second || common(some);
    part("note").textContent = said(every, some);
    part("charts").replaceChildren(
      ...(some.length ? [state.first, second] : []).map(
        (measure) => chart(measure, some)),
    );
    if (!some.some((arm) => arm.label === pinned)) pinned = null;
    part("legend").replaceChildren(...some.map(entry));
    bringOut(pinned);
  }

  const several = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

  function said(every, some) {
    if (!every.length) return "No run matches.";
    if (!some.length)
      return "Choose a grid, narrow the search or tick rows to see curves.";
    const left = every.length - some.length;
    return (ticked.size ? "Ticked runs: " : "All runs that match: ") +
      several(every.length, "arm") +
      (left ? `, of which the first ${ARMS} are drawn; tick rows to see ` +
        "others" : "") + ".";
  }

  function common(some) {
    const has = (name) =>
      some.some((arm) => arm.runs.some((run) => run.curves[name].length));
    const scores = measures.filter((name) => !name.endsWith(" loss"));
    return MAIN.map((name) => `validation ${name}`).find(
      (name) => scores.includes(name) && has(name),
    ) ?? scores.find(has) ?? "train loss";
  }

  function points(run, measure, log) {
    return run.epochs
      .map((epoch, i) => [epoch, run.curves[measure][i]])
      .filter(([, y]) => y != null && !(log && y <= 0));
  }

  // Only where all runs have a value: survivors' mean would flatter an arm.
  function mean(each) {
    const sums = new Map();
    for (const [x, y] of each.flat()) {
      const [n, sum] = sums.get(x) ?? [0, 0];
      sums.set(x, [n + 1, sum + y]);
    }
    return [...sums]
      .filter(([, [n]]) => n === each.length)
      .map(([x, [n, sum]]) => [x, sum / n]);
  }

  function chart(measure, some) {
    const log = state.log === "1" && measure.endsWith(" loss");
    const series = some.map((arm) => {
      const each = arm.runs
        .filter((run) => run.curves[measure].length)
        .map((run) => points(run, measure, log));
      return {
        label: arm.label,
        seeds: state.seeds === "1" ? each : [],
        mean: state.mean === "1" ? [mean(each)] : [],
      };
    });
    return picture(series, `${measure}${log ? ", log scale" : ""}`, log);
  }

  function entry(arm, i) {
    const swatch = draw(
      "svg", { viewBox: "0 0 28 10", "aria-hidden": "true", class: look(i) },
      draw("path", { class: "mean", d: "M1 5H27" }),
    );
    const button = make("button", { type: "button", value: arm.label });
    button.append(
      swatch, `${arm.label} `,
      make("small", {}, several(arm.runs.length, "run")),
    );
    button.addEventListener("click", () => {
      pinned = pinned === arm.label ? null : arm.label;
      bringOut(pinned);
    });
    button.addEventListener("pointerenter", () => bringOut(arm.label));
    button.addEventListener("pointerleave", () => bringOut(pinned));
    return make("li", {}, button);
  }

  function bringOut(label) {
    for (const group of part("charts").querySelectorAll("[data-arm]"))
      group.classList.toggle(
        "faded", label !== null && group.dataset.arm !== label,
      );
    for (const button of part("legend").querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(pinned === button.value));
  }

  // Start ------------------------------------------------------------------
  function options(name, values, all) {
    const select = root.querySelector(`select[name="${name}"]`);
    if (all) select.append(make("option", { value: "" }, all));
    select.append(...values.map((v) => make("option", { value: v }, v)));
  }

  function render() {
    const found = matching();
    toAddress();
    drawTable(found);
    drawCurves();
  }

  function changed() {
    fromControls();
    limit = ROWS;
    render();
  }

  for (const name of ["grid", "profile", "data"])
    options(name, stored.repeated[name].values, "all");
  options("first", measures);
  options("second", measures, "main score");
  for (const form of root.querySelectorAll("form")) {
    form.addEventListener("input", changed);
    form.addEventListener("submit", (event) => event.preventDefault());
  }
  part("filters").addEventListener("reset", (event) => {
    event.preventDefault();
    history.replaceState(null, "", bare());
    fromAddress();
    render();
  });
  part("more").addEventListener("click", () => {
    limit += 2 * ROWS;
    drawTable(matching());
  });
  window.addEventListener("hashchange", () => {
    fromAddress();
    render();
  });
  root.hidden = false;
  fromAddress();
  render();
})();
