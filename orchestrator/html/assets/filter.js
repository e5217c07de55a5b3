// The filter: words that all must stand in a step, or in its problem; and a kind of thing to look for.
const words = document.getElementById("words");
const only = document.getElementById("only");
const found = document.getElementById("found");
const MOST = 12; // problems that a filter opens by itself

function textOf(item) {
  const own = [item.text, item.reason, item.author, item.role, item.purpose, item.tool, item.arguments, item.result, item.error, item.kind, item.strategy, item.name, item.unit];
  return [...own, ...Object.values(item.facts || {}).map(String)].filter(Boolean).join(" ").toLowerCase();
}

function isKind(item, kind) {
  if (!kind || kind === "wrong") return true;
  if (kind === "rejected") return item.type === "step" && (item.rejected || (item.before || []).length > 0);
  if (kind === "tool") return item.type === "tool";
  return item.type === "wait" || (item.type === "remark" && item.kind !== "node_skip");
}

function wentWrong(problem) {
  return problem.correct === false || (problem.status !== "answered" && problem.status !== undefined);
}

// The items of a problem that match, as a set; scopes are in it when something in them is.
function matching(problem, asked, kind) {
  const kept = new Set();
  if (kind === "wrong" && !wentWrong(problem)) return kept;
  const head = `${problem.name} ${problem.question || ""} ${problem.text || ""} ${problem.reason || ""} ${problem.status || ""}`.toLowerCase();
  const left = asked.filter((word) => !head.includes(word));
  const below = (scope) => {
    let any = false;
    for (const item of scope.items || []) {
      const inside = item.type === "scope" ? below(item) : isKind(item, kind) && left.every((word) => textOf(item).includes(word));
      if (inside) kept.add(item);
      any = any || inside;
    }
    return any;
  };
  if (below(problem) || (!left.length && (!kind || kind === "wrong"))) kept.add(problem);
  return kept;
}

function hideItems(scope, list, kept) {
  (scope.items || []).forEach((item, i) => {
    const li = list.children[i];
    li.hidden = kept !== null && !kept.has(item);
    if (item.type === "scope") hideItems(item, li.querySelector("ol.items"), kept);
  });
}

function applyTo(problem, kept) {
  const node = places.get(problem.path);
  const list = node.querySelector(":scope > .inside > ol.items");
  if (list) hideItems(problem, list, kept);
}

function filter() {
  const asked = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const kind = only.value;
  const none = !asked.length && !kind;
  let problems = 0;
  let steps = 0;
  const opened = [];
  for (const problem of run.problems || []) {
    const kept = none ? null : matching(problem, asked, kind);
    const stays = kept === null || kept.has(problem);
    places.get(problem.path).parentElement.hidden = !stays;
    filter.kept.set(problem, kept);
    applyTo(problem, kept);
    if (!stays || none) continue;
    problems += 1;
    const inside = [...kept].filter((item) => item.type !== "scope").length;
    steps += inside;
    if (inside) opened.push(problem);
  }
  if (!none && opened.length <= MOST) for (const problem of opened) openAll(problem);
  found.textContent = none ? "" : problems ? `${several(problems, "problem")}, ${several(steps, "entry")} found` : "Nothing found; Esc shows everything again.";
}
filter.kept = new Map();

function openAll(problem) {
  const node = places.get(problem.path);
  node.open = true;
  node.build();
  applyTo(problem, filter.kept.get(problem) ?? null);
}

function clearFilter() {
  words.value = "";
  only.value = "";
  filter();
}

// To the rejected step after the one that has the focus, over all problems.
function nextRejected() {
  const anchors = [...anchored.values()].filter((step) => step.rejected).map((step) => step.anchor);
  if (!anchors.length) {
    found.textContent = "No step was rejected.";
    return;
  }
  nextRejected.at = (nextRejected.at + 1) % anchors.length;
  goTo(anchors[nextRejected.at]);
  found.textContent = `Rejected step ${nextRejected.at + 1} of ${anchors.length}.`;
}
nextRejected.at = -1;
