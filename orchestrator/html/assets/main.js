// Puts the page together, and listens.
function headline() {
  const problems = run.problems || [];
  const known = problems.filter((problem) => problem.correct !== undefined);
  const right = known.filter((problem) => problem.correct).length;
  const said = document.getElementById("headline");
  const sum = total((run.bill || []).map((line) => cost(line.cost)));
  const facts = [count(sum.tokens) + " tok", sum.nanodollars ? dollars(sum.nanodollars) : "", duration(run.ended - run.began)].filter(Boolean).join(" \u00b7 ");
  if (run.live) said.append(el("strong", { class: "warn" }, "still running: "));
  if (problems.length > 1) said.append(`${several(problems.length, "problem")}, `);
  if (known.length) said.append(el("strong", {}, `${right} of ${known.length} right`), ", ");
  said.append(facts);
  const models = Object.entries(run.models || {}).map(([name, spec]) => `${name}: ${spec}`).join(", ");
  if (models) said.after(el("p", { class: "soft" }, shown(`${run.name || ""} with ${models}`)));
}

function summary() {
  const section = document.getElementById("summary");
  const bill = run.bill || [];
  section.append(el("div", { class: "sides" }, billTable(bill), bill.length ? tokensPlot(bill) : ""));
  const used = limits({ ...run, latest: run.ended });
  if (used) section.append(used);
  if (run.without) section.append(el("p", { class: "soft" }, `The likelihood of tokens is left out for ${several(run.without, "step")}, to keep the page small; the journal has it.`));
}

function batch() {
  const problems = run.problems || [];
  if (problems.length < 2) return;
  const section = document.getElementById("batch");
  section.hidden = false;
  section.append(costPlot(problems, visit), batchTimeline(problems, visit), batchTable(problems));
}

function trace() {
  const place = document.getElementById("problems");
  const problems = run.problems || [];
  for (const item of run.items || []) place.append(el("div", {}, itemNode(item)));
  problems.forEach((problem, i) => {
    index(problem);
    place.append(problemNode(problem, i + 1));
  });
  if (problems.length === 1) openAll(problems[0]);
}

function visit(anchor) {
  if (location.hash === href(anchor)) follow();
  else location.hash = href(anchor);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not one of ours: as it stands
  }
}

function follow() {
  const anchor = anchors.get(location.hash) || decoded(location.hash.slice(1));
  const problem = owners.get(anchor);
  if (!anchor || (!problem && document.getElementById(anchor))) return;
  if (problem && filter.kept.get(problem)) clearFilter();
  if (!goTo(anchor)) found.textContent = `There is nothing at ${plain(anchor)} in this trace.`;
}

const THEMES = ["system", "light", "dark"];
function theme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  document.getElementById("theme").textContent = `Theme: ${name}`;
  try {
    localStorage.setItem("headgate-theme", name);
  } catch {
    // a page from a file may have no storage
  }
}

function themed() {
  try {
    return THEMES.includes(localStorage.getItem("headgate-theme")) ? localStorage.getItem("headgate-theme") : "system";
  } catch {
    return "system";
  }
}

function listen() {
  let wait = 0;
  words.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(filter, 120);
  });
  only.addEventListener("change", filter);
  document.getElementById("tools").addEventListener("submit", (event) => {
    event.preventDefault();
    filter();
  });
  document.getElementById("next").addEventListener("click", nextRejected);
  document.getElementById("all").addEventListener("click", toggleAll);
  document.getElementById("theme").addEventListener("click", () => theme(THEMES[(THEMES.indexOf(themed()) + 1) % THEMES.length]));
  addEventListener("hashchange", follow);
  addEventListener("click", (event) => {
    if (event.target.tagName === "A" && event.target.hash === location.hash) follow(); // where one is already
  });
  addEventListener("keydown", key);
}

function toggleAll() {
  const button = document.getElementById("all");
  const open = button.textContent === "Open all";
  for (const problem of run.problems || []) {
    if (open) openAll(problem);
    else places.get(problem.path).open = false;
  }
  button.textContent = open ? "Close all" : "Open all";
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return clearFilter();
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
  if (typing || !document.getElementById("keys").checked) return;
  if (event.key === "/") {
    event.preventDefault();
    words.focus();
  }
  if (event.key === "n") nextRejected();
}

theme(themed());
headline();
summary();
batch();
trace();
listen();
follow();
