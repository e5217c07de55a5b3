// The tree: a problem is drawn when it is opened, so that a page of many opens at once.
const places = new Map(); // anchor -> the element that shows it
const anchored = new Map(); // anchor -> the step
const owners = new Map(); // anchor -> the problem that it stands in

function lazily(node, make) {
  const build = () => {
    if (node.dataset.made) return;
    node.dataset.made = "yes";
    node.append(el("div", { class: "inside" }, ...make()));
  };
  node.build = build;
  node.addEventListener("toggle", () => node.open && build());
}

// An element with the link to itself beside it, where both are found by the anchor.
function linked(node, anchor, words) {
  places.set(anchor, node);
  return el("li", { "data-anchor": anchor }, node, el("a", { class: "link", href: href(anchor), "aria-label": `link to ${words}` }, "#"));
}

function figuresOf(scope) {
  const sum = spent(scope);
  const ended = scope.latest ?? scope.ended;
  const facts = [];
  if (scope.kept || scope.rejected) facts.push(several(scope.kept || 0, "step") + (scope.rejected ? `, ${scope.rejected} rejected` : ""));
  facts.push(count(sum.tokens) + " tok");
  if (sum.nanodollars) facts.push(dollars(sum.nanodollars));
  if (ended !== undefined) facts.push(duration(ended - scope.began));
  for (const [n, words] of [[scope.retries, "retry"], [scope.refusals, "refusal"], [scope.waited, "wait"]]) if (n) facts.push(several(n, words));
  return el("span", { class: "facts" }, " ", facts.join(" \u00b7 "));
}

function problemNode(problem, number) {
  const name = el("h3", {}, run.one ? "" : `${number}. `, shown(problem.name));
  const head = el("summary", {}, name, " ", verdict(problem), figuresOf(problem));
  const node = el("details", { class: "problem" }, head);
  lazily(node, () => problemInside(problem));
  places.set(problem.path, node);
  return el("div", { "data-problem": problem.path }, node);
}

function problemInside(problem) {
  const answer = problem.text ? el("p", {}, "Answer: ", el("strong", {}, shown(problem.text)), " ", verdict(problem)) : el("p", {}, "No answer: ", shown(`${problem.status || "running"} ${problem.reason || ""}`));
  const when = timeline(problem);
  return [
    problem.question ? el("p", { class: "question" }, shown(problem.question)) : "",
    answer,
    problem.text && problem.reason ? el("p", { class: "soft" }, shown(problem.reason)) : "",
    items(problem),
    when ? folded("When what ran", () => [when]) : "",
    folded("What it cost", () => [billTable(problem.bill || []), limits(problem)]),
  ];
}

function folded(words, make) {
  const node = el("details", {}, el("summary", {}, words));
  lazily(node, make);
  return node;
}

function items(scope) {
  const list = el("ol", { class: "items" });
  for (const item of scope.items || []) list.append(itemNode(item));
  return list;
}

function itemNode(item) {
  if (item.type === "step") return stepNode(item);
  if (item.type === "scope") return scopeNode(item);
  const draw = { call: callNode, tool: toolNode, wait: waitNode, remark: remarkNode }[item.type];
  return el("li", { "data-type": item.type }, draw(item));
}

function scopeNode(scope) {
  const roles = Object.entries(scope.roles || {}).filter(([role, name]) => role !== name).map(([role, name]) => `${role}: ${name}`);
  const head = el("summary", {}, el("h4", {}, shown(scope.name)), scope.strategy ? el("span", {}, " by ", shown(scope.strategy)) : "", figuresOf(scope));
  const inside = el("div", { class: "inside" }, roles.length ? el("p", { class: "soft" }, shown(roles.join(", "))) : "", items(scope));
  const said = [scope.status || "running", scope.text || scope.reason].filter(Boolean).join(": ");
  if (said !== "answered") inside.append(el("p", { class: "soft" }, said));
  const node = el("details", { class: "scope", open: true }, head, inside);
  return linked(node, scope.path, plain(scope.name));
}

// Every step by its anchor, drawn or not: what a link or the filter may ask for.
function index(problem) {
  const below = (scope) => {
    owners.set(scope.path, problem);
    for (const item of scope.items || []) {
      if (item.type === "scope") below(item);
      if (item.type !== "step") continue;
      anchored.set(item.anchor, item);
      owners.set(item.anchor, problem);
    }
  };
  below(problem);
}

// Open what stands at an anchor and everything around it; whether there is such a place.
function goTo(anchor) {
  const problem = owners.get(anchor);
  if (!problem) return false;
  const outer = places.get(problem.path);
  outer.open = true;
  outer.build();
  const node = places.get(anchor) || outer;
  for (let at = node; at && at !== outer; at = at.parentElement) {
    at.hidden = false;
    if (at.tagName === "DETAILS") at.open = true;
  }
  outer.parentElement.hidden = false;
  const summary = node.querySelector("summary");
  summary.focus({ preventScroll: true });
  summary.scrollIntoView({ block: "center" });
  return true;
}
