function table(caption, heads, rows) {
  const head = el("tr", {}, ...heads.map(([name, about]) => el("th", { scope: "col", ...about }, name)));
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, el("table", {}, el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, ...rows)));
}

// What each model cost: as the console's table at the end of a run.
function billTable(bill) {
  const models = [...new Set(bill.map((line) => line.model))];
  const columns = models.map((model) => bill.filter((line) => line.model === model));
  if (models.length > 1) columns.push(bill);
  const heads = [["tokens"], ...models.map((model) => [el("strong", { class: "c" + colour(model) }, shown(model))])];
  if (models.length > 1) heads.push(["together"]);
  const written = (lines, name) => lines.filter((line) => !name || use(line.purpose) === name).reduce((sum, line) => sum + cost(line.cost).output, 0);
  const all = (lines) => total(lines.map((line) => cost(line.cost)));
  const rows = [
    ["kept", (lines) => count(written(lines, "kept"))],
    ["wasted", (lines) => count(written(lines, "wasted"))],
    ["judging", (lines) => count(written(lines, "judge"))],
    ["answer", (lines) => count(written(lines, "answer"))],
    ["generated", (lines) => count(written(lines)), "strong"],
    ["input", (lines) => count(all(lines).input)],
    ["cached input", (lines) => count(all(lines).cached)],
    ["calls", (lines) => count(lines.reduce((sum, line) => sum + (line.calls || 0), 0))],
    ["dollars", (lines) => (all(lines).nanodollars ? dollars(all(lines).nanodollars) : ""), "strong"],
    ["busy", (lines) => duration(all(lines).seconds)],
  ];
  const made = rows.map(([name, figure, strong]) => el("tr", { class: strong }, el("th", { scope: "row" }, name), ...columns.map((lines) => el("td", {}, figure(lines)))));
  return table("By model", heads, made);
}

function verdict(problem) {
  if (problem.correct === undefined) return el("span", { class: "soft" }, problem.status || "running");
  const right = el("span", { class: problem.correct ? "good" : "bad" }, problem.correct ? "\u2713 right" : "\u2717 wrong");
  return problem.status === "answered" ? right : el("span", {}, right, ` (${problem.status || "running"})`);
}

const BATCH = [
  ["problem", (problem) => problem.name, "left name", (problem) => el("a", { href: href(problem.path) }, shown(problem.name))],
  ["ended", (problem) => verdict(problem).textContent, "left", verdict],
  ["answer", (problem) => problem.text || problem.reason || "", "left answer", (problem) => shown(problem.text || problem.reason || "")],
  ["steps", (problem) => problem.kept || 0, "", (problem) => count(problem.kept || 0)],
  ["rejected", (problem) => problem.rejected || 0, "", (problem) => (problem.rejected ? count(problem.rejected) : "")],
  ["tok", (problem) => spent(problem).tokens, "", (problem) => count(spent(problem).tokens)],
  ["dollars", (problem) => spent(problem).nanodollars, "", (problem) => (spent(problem).nanodollars ? dollars(spent(problem).nanodollars) : "")],
  ["time", (problem) => problem.latest - problem.began, "", (problem) => duration(problem.latest - problem.began)],
];

function batchTable(problems) {
  const rows = problems.map((problem) => [problem, el("tr", {}, ...BATCH.map(([, , about, draw]) => el("td", { class: about || null }, draw(problem))))]);
  const heads = BATCH.map(([name, , about]) => [el("button", { type: "button" }, name), { class: about || null }]);
  const made = table("Each problem; a heading sorts by its column", heads, rows.map(([, row]) => row));
  const cells = made.querySelectorAll("thead th");
  cells.forEach((cell, i) => cell.querySelector("button").addEventListener("click", () => sortBy(made, cells, rows, i)));
  return made;
}

function sortBy(made, cells, rows, column) {
  const falling = cells[column].getAttribute("aria-sort") === "ascending";
  const key = BATCH[column][1];
  const order = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
  rows.sort(([a], [b]) => (falling ? -1 : 1) * order(key(a), key(b)));
  cells.forEach((cell) => cell.removeAttribute("aria-sort"));
  cells[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
  made.querySelector("tbody").replaceChildren(...rows.map(([, row]) => row));
}

// What of its limits a scope has used.
function limits(scope) {
  const known = scope.limits || {};
  const sum = spent(scope);
  const output = (scope.bill || []).reduce((all, line) => all + cost(line.cost).output, 0);
  const rows = [
    ["tok", sum.tokens, known.tokens, count],
    ["tok written", output, known.output, count],
    ["dollars", sum.nanodollars / 1e9, known.dollars, (n) => dollars(n * 1e9)],
    ["seconds", (scope.latest ?? scope.ended ?? scope.began) - scope.began, known.seconds, duration],
  ].filter(([, , cap]) => cap);
  if (!rows.length) return null;
  const made = rows.map(([unit, used, cap, say]) => el("li", {}, el("meter", { value: Math.min(used, cap), max: cap, "aria-label": `${unit} used` }), ` ${say(used)} of ${say(cap)} ${unit === "dollars" || unit === "seconds" ? "" : unit}`));
  return el("div", {}, el("h5", {}, "Budget used"), el("ul", { class: "legend" }, ...made));
}
