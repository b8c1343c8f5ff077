// Learning curves as SVG, and the making of nodes; names become text only.
"use strict";
const charts = (() => {
  const SVG = "http://www.w3.org/2000/svg";

  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes))
      node.setAttribute(name, value);
    node.append(...children);
    return node;
  }
  const make = (tag, attributes = {}, ...children) =>
    fill(document.createElement(tag), attributes, children);
  const draw = (tag, attributes = {}, ...children) =>
    fill(document.createElementNS(SVG, tag), attributes, children);

  const look = (i) => `arm colour-${i % 8}${i >= 8 ? " dashed" : ""}`;
  const text = (x, y, words, anchor) =>
    draw("text", { x, y, "text-anchor": anchor }, words);

  function scales(all, log) {
    const bend = log ? Math.log10 : (y) => y;
    const ys = all.map(([, y]) => bend(y));
    const xs = all.map(([x]) => x);
    const low = (v) => v.reduce((a, b) => Math.min(a, b));
    const high = (v) => v.reduce((a, b) => Math.max(a, b));
    const [left, right] = [low(xs), high(xs)];
    const room = (high(ys) - low(ys)) * 0.05 || Math.abs(ys[0]) * 0.05 || 1;
    const [bottom, top] = [low(ys) - room, high(ys) + room];
    return {
      left, right, bottom, top, log,
      x: (x) => 66 + (342 * (x - left)) / (right - left || 1),
      y: (y) => 222 - (206 * (bend(y) - bottom)) / (top - bottom),
    };
  }

  function steps(low, high, count) {
    const raw = (high - low) / count;
    const ten = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].find((f) => f * ten >= raw) * ten;
    const first = Math.ceil(low / step);
    const many = Math.floor(high / step) - first + 1;
    return Array.from({ length: many }, (_, i) => (first + i) * step);
  }

  function ticks(at) {
    if (!at.log) return steps(at.bottom, at.top, 5);
    const [low, high] = [Math.floor(at.bottom), Math.ceil(at.top)];
    const every = Math.ceil((high - low) / 6); // decades between two ticks
    const inner = high - low > 3 ? [1] : [1, 2, 5];
    return Array.from({ length: high - low + 1 }, (_, i) => low + i)
      .filter((decade) => decade % every === 0)
      .flatMap((decade) => inner.map((f) => f * 10 ** decade))
      .filter((y) => Math.log10(y) >= at.bottom && Math.log10(y) <= at.top);
  }

  function number(value) {
    const rough = Number(value.toPrecision(3));
    return rough && (Math.abs(rough) >= 1e5 || Math.abs(rough) < 1e-3)
      ? rough.toExponential().replace("+", "")
      : String(rough);
  }

  function axes(at, label) {
    const across = at.right > at.left
      ? [...new Set(steps(at.left, at.right, 6).map(Math.round))]
      : [at.left];
    const name = text(0, 0, label, "middle");
    name.setAttribute("transform", "translate(12 119) rotate(-90)");
    return [
      ...ticks(at).flatMap((y) => [
        draw("path", { class: "grid", d: `M66 ${at.y(y)}H408` }),
        text(61, at.y(y) + 4, number(y), "end"),
      ]),
      ...across.map((x) => text(at.x(x), 240, String(x), "middle")),
      draw("path", { class: "axis", d: "M66 16V222H408" }),
      text(237, 260, "epoch", "middle"),
      name,
    ];
  }

  function trace(line, at, kind) {
    const places = line.map(([x, y]) =>
      `${at.x(x).toFixed(1)} ${at.y(y).toFixed(1)}`);
    if (places.length === 1) {
      const [cx, cy] = places[0].split(" ");
      return draw("circle", { class: kind, cx, cy, r: "4" });
    }
    return draw("path", {
      class: kind, d: places.length ? `M${places.join("L")}` : "",
    });
  }

  // ``series``: a label, and lines of points [x, y] for seeds and for means.
  function picture(series, label, log) {
    const all = series.flatMap((s) => [...s.seeds, ...s.mean]).flat();
    const svg = draw("svg", {
      viewBox: "0 0 420 270", role: "img",
      "aria-label": `${label} over epochs, ${series.length} arms`,
    });
    if (!all.length) {
      svg.append(text(210, 130, `nothing to draw: ${label}`, "middle"));
      return svg;
    }
    const at = scales(all, log);
    svg.append(...axes(at, label));
    series.forEach((s, i) => svg.append(draw(
      "g", { class: look(i), "data-arm": s.label },
      draw("title", {}, s.label),
      ...s.seeds.map((line) => trace(line, at, "seed")),
      ...s.mean.map((line) => trace(line, at, "mean")),
    )));
    return svg;
  }

  return { make, draw, look, picture };
})();
