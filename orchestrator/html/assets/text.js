"use strict";
// Everything that a run says becomes text nodes by `shown`: no markup is ever parsed.
const run = JSON.parse(document.getElementById("data").textContent);
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\u{e0000}-\u{e0fff}]/gu;
const SVG = "http://www.w3.org/2000/svg";

function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

// Words are shown and labels made plain here, so that none can be forgotten.
function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    node.setAttribute(name, value === true ? "" : /^(title|aria-label)$/.test(name) ? plain(value) : value);
  }
  for (const child of children) {
    if (child === null || child === undefined || child === "") continue;
    node.append(typeof child === "string" ? shown(child) : child);
  }
  return node;
}

// A text with what would be obeyed or would hide or turn other signs written out.
function shown(text) {
  const made = document.createDocumentFragment();
  let from = 0;
  const clean = String(text).replaceAll("\r\n", "\n");
  for (const match of clean.matchAll(UNSAFE)) {
    made.append(clean.slice(from, match.index), el("span", { class: "esc" }, escaped(match[0])));
    from = match.index + match[0].length;
  }
  made.append(clean.slice(from));
  return made;
}

function plain(text) {
  return String(text).replaceAll("\r\n", "\n").replace(UNSAFE, escaped);
}

function escaped(sign) {
  const code = sign.codePointAt(0);
  const hex = code.toString(16);
  return code < 256 ? "\\x" + hex.padStart(2, "0") : code < 65536 ? "\\u" + hex.padStart(4, "0") : "\\U" + hex.padStart(8, "0");
}

function count(n) {
  for (const [scale, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (n >= 10000 && n >= 0.9995 * scale) {
      const x = n / scale;
      return (x < 9.995 ? x.toFixed(2) : x < 99.95 ? x.toFixed(1) : x.toFixed(0)) + unit;
    }
  }
  return Math.trunc(n).toLocaleString("en");
}

function dollars(nanodollars) {
  const amount = nanodollars / 1e9;
  if (amount >= 0.995 || amount <= 0) return "$" + amount.toFixed(2);
  return "$" + amount.toFixed(Math.min(9, Math.max(3, 1 - Math.floor(Math.log10(amount)))));
}

function duration(seconds) {
  if (seconds < 0.0995) return (1000 * Math.max(0, seconds)).toFixed(0) + " ms";
  if (seconds < 0.995) return seconds.toFixed(2) + " s";
  if (seconds < 9.95) return seconds.toFixed(1) + " s";
  const whole = Math.round(seconds);
  if (whole < 60) return whole + " s";
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function several(n, one) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : one.endsWith("ry") ? one.slice(0, -1) + "ies" : one + "s"}`;
}

// A cost as it was written: [input, cached, written to cache, output, nanodollars, busy seconds].
function cost(values) {
  const [input, cached, written, output, nanodollars, seconds] = values || [0, 0, 0, 0, 0, 0];
  return { input: input + written, cached, output, nanodollars, seconds, tokens: input + written + output };
}

function total(costs) {
  const sum = { input: 0, cached: 0, output: 0, nanodollars: 0, seconds: 0, tokens: 0 };
  for (const one of costs) for (const unit of Object.keys(sum)) sum[unit] += one[unit];
  return sum;
}

function spent(scope) {
  return total((scope.bill || []).map((line) => cost(line.cost)));
}

// Draft and target have colours of their own, others theirs by the order in which they come.
const COLOURS = new Map([["draft", 0], ["target", 1]]);
function colour(author) {
  if (!COLOURS.has(author)) COLOURS.set(author, COLOURS.size < 6 ? COLOURS.size : 2 + (COLOURS.size % 4));
  return COLOURS.get(author);
}

// Half a surrogate pair cannot stand in a link: what was made of an anchor is kept to find it again.
const anchors = new Map();
function href(anchor) {
  const whole = anchor.replace(/[\ud800-\udfff]/gu, escaped);
  const made = "#" + encodeURIComponent(whole).replaceAll("%2F", "/").replaceAll("%3A", ":");
  anchors.set(made, anchor);
  return made;
}
