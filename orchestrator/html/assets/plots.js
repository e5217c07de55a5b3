// Plots are drawn at the width of their place and drawn again when it changes.
const USES = [["kept", "kept"], ["wasted", "wasted on rejected steps"], ["judge", "judging"], ["answer", "answers"], ["read", "read, not from cache"]];

const PURPOSES = new Map([["think", "kept"], ["wasted", "wasted"], ["answer", "answer"]]);

function use(purpose) {
  return PURPOSES.get(purpose) || "judge";
}

function plot(caption, label, draw, legend) {
  const place = el("div");
  const figure = el("figure", {}, el("figcaption", {}, caption), place, legend || null);
  let width = 0;
  new ResizeObserver(() => {
    const now = Math.floor(place.clientWidth);
    if (!now || now === width) return;
    width = now;
    const made = draw(width);
    filled(made, { role: "img", "aria-label": label }, []);
    place.replaceChildren(made);
  }).observe(place);
  return figure;
}

function canvas(width, height) {
  const hatch = svg("pattern", { id: "hatch-" + ++canvas.made, width: 8, height: 8, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  hatch.append(svg("line", { x1: 0, y1: 0, x2: 0, y2: 8, class: "hatch" }));
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, height }, svg("defs", {}, hatch));
}
canvas.made = 0;

function title(node, text) {
  node.append(svg("title", {}, plain(text)));
  return node;
}

// What each model wrote, by use, and what it read: one row a model.
function tokensPlot(bill) {
  const models = [...new Set(bill.map((line) => line.model))];
  const parts = new Map(models.map((model) => [model, { kept: 0, wasted: 0, judge: 0, answer: 0, read: 0 }]));
  for (const line of bill) {
    const spent = cost(line.cost);
    parts.get(line.model)[use(line.purpose)] += spent.output;
    parts.get(line.model).read += spent.input;
  }
  const sums = models.map((model) => Object.values(parts.get(model)).reduce((a, b) => a + b, 0));
  const most = Math.max(1, ...sums);
  const said = models.map((model, i) => `${model} ${count(sums[i])}`).join(", ");
  const draw = (width) => {
    const made = canvas(width, 30 * models.length + 4);
    const left = Math.min(110, width / 4);
    models.forEach((model, row) => tokensRow(made, model, parts.get(model), { row, left, scale: (width - left - 60) / most, sum: sums[row] }));
    return made;
  };
  return plot("New tokens by model and by use", `New tokens by model: ${said}. The table beside it has the figures.`, draw, usesLegend());
}

function tokensRow(made, model, parts, { row, left, scale, sum }) {
  const y = 30 * row + 4;
  made.append(svg("text", { x: 0, y: y + 16 }, plain(model).slice(0, 14)));
  let x = left;
  for (const [name, words] of USES) {
    const width = parts[name] * scale;
    if (!width) continue;
    const at = { x, y, width, height: 22 };
    made.append(title(svg("rect", { ...at, class: `f${colour(model)} ${name}` }), `${model}: ${count(parts[name])} tok ${words}`));
    if (name === "wasted") made.append(svg("rect", { ...at, fill: `url(#hatch-${canvas.made})`, "pointer-events": "none" }));
    x += width;
  }
  made.append(svg("text", { x: x + 6, y: y + 16, class: "small" }, count(sum)));
}

function usesLegend() {
  const list = el("ul", { class: "legend", "aria-hidden": "true" });
  for (const [name, words] of USES) {
    const sample = canvas(14, 14);
    sample.append(svg("rect", { width: 14, height: 14, class: `f0 ${name}` }));
    if (name === "wasted") sample.append(svg("rect", { width: 14, height: 14, fill: `url(#hatch-${canvas.made})` }));
    list.append(el("li", {}, sample, words));
  }
  return list;
}

function verdictOf(problem) {
  return problem.correct === undefined ? "other" : problem.correct ? "right" : "wrong";
}

// A bar for each problem, the dearest first; where there are more than fit, those next to each other share a bar.
function costPlot(problems, goTo) {
  const priced = problems.some((problem) => spent(problem).nanodollars);
  const unit = priced ? "nanodollars" : "tokens";
  const say = priced ? dollars : (n) => count(n) + " tok";
  const sorted = problems.map((problem) => [spent(problem)[unit], problem]).sort((a, b) => b[0] - a[0]);
  const most = Math.max(1, sorted[0][0]);
  const middle = sorted[Math.floor(sorted.length / 2)][0];
  const draw = (width) => {
    const made = canvas(width, 132);
    const each = Math.max(1, Math.ceil(sorted.length / (width - 4)));
    const step = Math.min(64, (width - 4) / Math.ceil(sorted.length / each));
    for (let i = 0; i < sorted.length; i += each) {
      const [value, problem] = sorted[i];
      const high = Math.max(1, (108 * value) / most);
      const bar = svg("rect", { x: 2 + (i / each) * step, y: 112 - high, width: Math.max(0.8, step - 1), height: high, class: `goes ${verdictOf(problem)}` });
      bar.addEventListener("click", () => goTo(problem.path));
      made.append(title(bar, `${problem.name}: ${say(value)}, ${verdictOf(problem)}`));
    }
    made.append(svg("line", { x1: 0, y1: 112.5, x2: width, y2: 112.5, class: "axis" }));
    made.append(svg("text", { x: 2, y: 128, class: "small" }, `dearest ${say(most)}`));
    const line = 112 - (108 * middle) / most;
    made.append(svg("line", { x1: 0, y1: line, x2: width, y2: line, class: "median" }));
    made.append(svg("text", { x: width - 2, y: line < 16 ? line + 14 : line - 5, class: "small", "text-anchor": "end" }, `median ${say(middle)}`));
    return made;
  };
  const kinds = [["right", "right"], ["wrong", "wrong"], ["other", "no reference"]].filter(([kind]) => problems.some((p) => verdictOf(p) === kind));
  return plot("Cost of each problem, the dearest first", `Cost of ${several(problems.length, "problem")}: at most ${say(most)}, ${say(middle)} in the median. The table below has the figures.`, draw, kindsLegend(kinds));
}

function kindsLegend(kinds) {
  const list = el("ul", { class: "legend", "aria-hidden": "true" });
  for (const [kind, words] of kinds) {
    const sample = svg("svg", { viewBox: "0 0 14 14" }, svg("rect", { x: 1, y: 1, width: 12, height: 12, class: kind }));
    list.append(el("li", {}, sample, words));
  }
  return list;
}

// Problems side by side as they ran: each in the first row that is free.
function batchTimeline(problems, goTo) {
  const rows = [];
  const placed = problems.map((problem) => {
    let row = rows.findIndex((free) => free <= problem.began);
    if (row < 0) row = rows.push(0) - 1;
    rows[row] = problem.latest ?? problem.began;
    return [row, problem];
  });
  const ended = Math.max(...problems.map((problem) => problem.latest ?? problem.began));
  const began = Math.min(...problems.map((problem) => problem.began));
  const high = Math.max(5, Math.min(18, 320 / rows.length));
  const draw = (width) => {
    const made = canvas(width, high * rows.length + 22);
    const scale = (width - 4) / Math.max(1e-6, ended - began);
    for (const [row, problem] of placed) {
      const long = Math.max(1, (problem.latest - problem.began) * scale - 0.7);
      const bar = svg("rect", { x: 2 + (problem.began - began) * scale, y: row * high + 1, width: long, height: high - 1.5, class: `goes ${verdictOf(problem)}` });
      bar.addEventListener("click", () => goTo(problem.path));
      made.append(title(bar, `${problem.name}: ${duration(problem.latest - problem.began)}, ${verdictOf(problem)}`));
    }
    axis(made, width, high * rows.length + 4, ended - began, 0);
    return made;
  };
  return plot("When each problem ran", `${several(problems.length, "problem")} within ${duration(ended - began)}, at most ${rows.length} at once.`, draw);
}

function axis(made, width, y, seconds, left) {
  const steps = Math.max(1, Math.floor((width - left) / 130));
  for (let i = 0; i <= steps; i++) {
    const x = left + 2 + ((width - left - 4) * i) / steps;
    const anchor = i === 0 ? "start" : i === steps ? "end" : "middle";
    made.append(svg("text", { x, y: y + 14, class: "small", "text-anchor": anchor }, duration((seconds * i) / steps)));
  }
}

// A problem's calls and waits, a row for each lane of each scope.
function timeline(problem) {
  const lanes = (problem.lanes || []).filter((lane) => (lane.bars || []).length);
  if (!lanes.length) return null;
  const began = problem.began;
  const ended = Math.max(problem.latest, ...lanes.flatMap((lane) => lane.bars.map((bar) => bar[2])));
  const waits = lanes.flatMap((lane) => lane.bars).filter((bar) => bar[0] === "budget");
  const draw = (width) => {
    const left = Math.min(120, width / 4);
    const made = canvas(width, 20 * lanes.length + 22);
    const scale = (width - left - 4) / Math.max(1e-6, ended - began);
    lanes.forEach((lane, row) => laneRow(made, problem, lane, { row, left, scale, began }));
    axis(made, width, 20 * lanes.length + 4, ended - began, left);
    return made;
  };
  const said = `${several(lanes.length, "row")} over ${duration(ended - began)}; ${several(waits.length, "wait")} for the budget. Each step's calls have the figures.`;
  return plot("Solid: writing. Pale: judging. Dashed: waiting for the budget or for another node.", `Timeline: ${said}`, draw);
}

function laneRow(made, problem, lane, { row, left, scale, began }) {
  const name = lane.path === problem.path ? "problem" : lane.path.slice(problem.path.length + 1);
  if (!lane.lane) made.append(svg("text", { x: 0, y: 20 * row + 14, class: "small" }, plain(name).slice(-17)));
  for (const [kind, from, to, by, purpose] of lane.bars) {
    const about = { call: `f${colour(by)} ${use(purpose) === "judge" ? "judge" : ""}`, tool: "tool" }[kind] || kind;
    const bar = svg("rect", { x: left + (from - began) * scale, y: 20 * row + 2, width: Math.max(1, (to - from) * scale - 0.5), height: 15, class: about });
    const words = { call: `${by} ${purpose}`, tool: `tool ${by}`, budget: `waits for ${by} of the budget`, need: `waits for ${by}`, retry: `${by} waits to try again` }[kind];
    made.append(title(bar, `${words}: ${duration(to - from)}, from ${duration(from - began)}`));
  }
}
