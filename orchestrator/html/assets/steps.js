// A step, a tool call, a wait: the leaves of the tree.
const LONG = 400;

function stepNode(step) {
  const author = step.author || "";
  const short = step.text && Array.from(step.text).length > LONG ? Array.from(step.text).slice(0, LONG).join("") + " ..." : step.text || "";
  const silent = step.stop === "think_end" ? "(ends its thinking)" : "(empty)";
  const said = el("span", { class: "said" }, short.trim() ? shown(short.trim()) : silent);
  const head = el("summary", {}, el("span", { class: "number" }, String((step.index || 0) + 1)), el("span", { class: `author c${colour(author)}` }, shown(author)), said, stepVerdict(step));
  if (step.rejected && step.reason) head.append(el("span", { class: "why" }, "rejected: ", shown(step.reason)));
  const node = el("details", { class: `step b${colour(author)}${step.rejected ? " rejected" : ""}` }, head);
  lazily(node, () => stepInside(step));
  return linked(node, step.anchor, `step ${(step.index || 0) + 1} by ${plain(author)}`);
}

function costOf(step) {
  return cost(step.cost || (step.calls || [{}])[0].cost);
}

function stepVerdict(step) {
  const score = step.score === undefined ? "" : ` ${step.score.toFixed(2)}`;
  const stood = (step.before || []).length ? `rewrite${score}` : step.score === undefined ? "" : `\u2713${score}`;
  const words = step.rejected ? el("strong", {}, `\u2717 rejected${score}`) : stood;
  return el("span", { class: "verdict" }, words, words ? " \u00b7 " : "", `${count(costOf(step).output)} tok`);
}

function stepInside(step) {
  const parts = [];
  if (Array.from(step.text || "").length > LONG) parts.push(heading("Text"), el("pre", {}, shown(step.text)));
  if (step.instead) parts.push(...replaced(step));
  for (const anchor of step.before || []) parts.push(el("p", {}, "It stands in place of ", el("a", { href: href(anchor) }, "a rejected draft"), "."));
  if (step.reason && !step.rejected) parts.push(el("p", {}, "Decided: ", shown(step.reason)));
  if (step.figures) parts.push(...heat(step));
  if (step.digits) parts.push(...digits(step.digits.map((value) => value / 1000)));
  if (step.calls) parts.push(callsTable(step.calls));
  return parts;
}

function heading(text) {
  return el("h5", {}, text);
}

// The rejected text against what stands in its place.
function replaced(step) {
  const other = anchored.get(step.instead);
  const link = el("p", {}, "Rewritten by ", el("strong", { class: "c" + colour(other?.author || "") }, shown(other?.author || "")), ": ", el("a", { href: href(step.instead) }, "the step that stands"), ".");
  if (!other || !step.diff) return [link];
  const ours = Array.from((step.text || "").trim());
  const theirs = Array.from((other.text || "").trim());
  const said = el("p", { class: "said" });
  let left = 0;
  let right = 0;
  for (const [kind, n] of step.diff) {
    const words = shown((kind === "right" ? theirs.slice(right, right + n) : ours.slice(left, left + n)).join(""));
    said.append(kind === "same" ? words : el(kind === "left" ? "del" : "ins", {}, words));
    if (kind !== "right") left += n;
    if (kind !== "left") right += n;
  }
  return [heading("What changed"), said, link];
}

function number(text, from, places) {
  let n = 0;
  for (let i = from; i < from + places; i++) n = 64 * n + DIGITS.indexOf(text[i]);
  return n;
}

function tokensOf(step) {
  const [lengths, logprobs = "", entropies = ""] = step.figures;
  const signs = Array.from(step.text || "");
  const tokens = [];
  const figure = (from, i) => (from[2 * i] === undefined || from[2 * i] === "." ? null : number(from, 2 * i, 2) / 100);
  for (let at = 0, i = 0, start = 0; at < lengths.length; i++) {
    const long = lengths[at] === ".";
    const n = long ? number(lengths, at + 1, 3) : number(lengths, at, 1);
    at += long ? 4 : 1;
    tokens.push({ text: signs.slice(start, start + n).join(""), surprise: figure(logprobs, i), entropy: figure(entropies, i) });
    start += n;
  }
  if (tokens.length) tokens.push({ text: signs.slice(tokens.reduce((n, one) => n + Array.from(one.text).length, 0)).join(""), surprise: null, entropy: null });
  return tokens.filter((token) => token.text);
}

// How sure the author was, token by token: the darker, the less likely.
function heat(step) {
  const tokens = tokensOf(step);
  const known = tokens.filter((token) => token.surprise !== null);
  if (!known.length) return [];
  const line = el("p", { class: "said heat" });
  const last = tokens.length - 1;
  for (const [i, token] of tokens.entries()) {
    const level = Math.min(6, Math.ceil(2 * (token.surprise || 0) - 0.1));
    const says = [token.surprise === null ? "" : `probability ${percent(token.surprise)}`, token.entropy === null ? "" : `entropy ${token.entropy.toFixed(2)} nats`];
    line.append(el("span", { class: level > 0 ? "h" + level : null, title: says.filter(Boolean).join(", ") || null }, shown(token.text.replaceAll("\n", i < last ? "\u21b5\n" : "\u21b5"))));
  }
  const least = known.filter((token) => token.surprise > 0.02).sort((a, b) => b.surprise - a.surprise).slice(0, 3);
  const named = el("p", { class: "soft" }, least.length ? "Least likely: " : "Each was at least 98 % sure.");
  least.forEach((token, i) => named.append(i ? ", " : "", el("code", {}, shown(JSON.stringify(token.text))), ` at ${percent(token.surprise)}`));
  return [heading("How likely each token was to its author"), line, named];
}

function percent(surprise) {
  const share = 100 * Math.exp(-surprise);
  return `${share >= 99.5 || share < 10 ? share.toPrecision(2).replace(/\.0$/, "") : share.toFixed(0)} %`.replace("1.0e+2", "100");
}

// The probability that the judge gave to each digit.
function digits(values) {
  const most = Math.max(...values);
  const best = values.indexOf(most);
  const made = svg("svg", { viewBox: "0 0 240 64", role: "img", "aria-label": `The judge's digit: most likely ${best}, at ${(100 * most).toFixed(0)} percent` });
  made.setAttribute("class", "digits");
  values.forEach((value, digit) => {
    const high = Math.max(0.5, 46 * value);
    made.append(title(svg("rect", { x: 24 * digit + 3, y: 48 - high, width: 18, height: high, class: "f1" }), `${digit}: ${(100 * value).toFixed(1)} %`));
    made.append(svg("text", { x: 24 * digit + 12, y: 62, class: "small", "text-anchor": "middle" }, String(digit)));
  });
  return [heading("What the judge would have said, 0 to 9"), made];
}

function callsTable(calls) {
  const heads = [["call"], ["for", { class: "left" }], ["began"], ["took"], ["read"], ["cached"], ["wrote"], ["dollars"], ["ended", { class: "left" }]];
  const rows = calls.map((call) => {
    const paid = cost(call.cost);
    const took = call.ended === undefined ? "out" : duration(call.ended - call.began);
    const how = call.error || [call.stop, call.shrunk ? `cut to ${count(call.granted || 0)} by the budget` : "", call.unmeasured ? "charged in full" : ""].filter(Boolean).join(", ");
    const figures = [duration(call.began - run.began), took, count(paid.input), count(paid.cached), count(paid.output), paid.nanodollars ? dollars(paid.nanodollars) : ""];
    return el("tr", {}, el("th", { scope: "row", class: "c" + colour(call.role) }, shown(call.role || "")), el("td", { class: "left" }, shown(call.purpose || "")), ...figures.map((figure) => el("td", {}, figure)), el("td", { class: "left" }, shown(how)));
  });
  return table("Calls", heads, rows);
}

function callNode(call) {
  const paid = cost(call.cost);
  const says = call.ended === undefined ? `${call.purpose} is out` : call.purpose === "answer" ? "answers" : call.purpose || "calls";
  const head = el("summary", {}, el("span", { class: "number" }), el("span", { class: `author c${colour(call.role)}` }, shown(call.role || "")), el("span", { class: "said" }, call.text ? shown(Array.from(call.text).slice(0, LONG).join("").trim()) : says), el("span", { class: "verdict" }, `${says} \u00b7 ${count(paid.output)} tok`));
  const node = el("details", { class: `step b${colour(call.role)}` }, head);
  lazily(node, () => [call.text && Array.from(call.text).length > LONG ? el("pre", {}, shown(call.text)) : "", callsTable([call])]);
  return node;
}

function toolNode(tool) {
  const ended = tool.ended === undefined ? "running" : duration(tool.ended - tool.began);
  const short = Array.from(tool.error || tool.result || "").slice(0, 120).join("");
  const head = el("summary", {}, el("span", { class: "number" }), el("span", { class: `author c${colour(tool.tool)}` }, shown(tool.tool || "tool")), el("span", { class: "said" }, shown(short)), el("span", { class: "verdict" }, tool.error ? el("strong", {}, "failed") : "tool", ` \u00b7 ${ended}`));
  const node = el("details", { class: `step tool b${colour(tool.tool)}` }, head);
  const price = cost(tool.cost).nanodollars;
  lazily(node, () => [heading("Arguments"), el("pre", {}, shown(tool.arguments || "")), heading(tool.error ? "Error" : "Result"), el("pre", {}, shown(tool.error || tool.result || "")), price ? el("p", {}, `Price: ${dollars(price)}`) : ""]);
  return node;
}

function waitNode(wait) {
  const how = wait.ended === undefined ? "and still waits" : `${wait.refused ? "and was refused after" : "for"} ${duration(wait.ended - wait.began)}`;
  const who = wait.role ? `${plain(wait.role)} (${plain(wait.purpose || "")})` : "a call";
  return el("p", { class: "aside" }, `\u25b2 ${who} waited for the budget ${how}: ${count(wait.asked || 0)} ${plain(wait.unit || "")} asked${wait.scope ? ` of ${plain(wait.scope)}` : ""}`);
}

function remarkNode(remark) {
  const facts = remark.facts || {};
  const words = {
    retry: () => `${facts.role || "a call"} tried again after ${duration(Number(facts.wait_s) || 0)}: ${facts.error || ""}`,
    refuse: () => `the budget refused ${facts.role || "a call"} (${facts.purpose || ""}): ${facts.unit === "seconds" ? "the time was over" : `${facts.asked || 0} ${facts.unit || ""} asked, ${facts.left || 0} left`}`,
    overrun: () => `a provider broke its bound: ${facts.unit || ""} ${facts.left || ""}`,
    node_skip: () => `skipped: ${facts.reason || ""}`,
    problem_start: () => "begun again",
  }[remark.kind];
  return el("p", { class: "aside" }, "\u25b2 ", shown(words ? words() : facts.text || remark.kind || ""));
}
