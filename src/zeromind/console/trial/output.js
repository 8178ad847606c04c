// One output of an answer: as a value, bars, a picture, a table or JSON; the reader may switch.

import { choice, make } from "../page/element.js";
import { brief } from "../page/words.js";
import { stringify } from "../pool/json.js";
import { bars, best, rowsOf } from "./bars.js";
import { picture, pictureOf } from "./picture.js";

const MOST_CELLS = 5000;
const MOST_CHARACTERS = 100_000;
let count = 0;

/** How a value can be shown, the best way first. */
const VIEWS = {
  value: {
    word: "Value",
    read: (value) => textOf(value),
    show: (text) => cut(text, (shown) => make("p", { class: text.length > 60 ? "text" : "single" }, shown)),
  },
  picture: { word: "Picture", read: pictureOf, show: picture },
  bars: { word: "Bars", read: rowsOf, show: bars },
  table: { word: "Table", read: (value) => recordsOf(value), show: (records) => table(records) },
  json: {
    word: "JSON",
    read: (value) => ({ value }),
    show: ({ value }) => cut(compact(value), (shown) => make("pre", { tabindex: 0 }, shown)),
  },
};

/** An output's element; `spec` is what the interface says of it, `chosen` remembers, by name, which view the reader likes. */
export function output(name, value, spec, chosen) {
  const views = {};
  for (const [view, { read }] of Object.entries(VIEWS)) {
    const form = read(value, spec?.labels);
    if (form !== null) views[view] = form;
  }
  const order = Object.keys(views).filter((view) => !(view === "bars" && isColumn(spec) && views.table));
  const first = order.includes(chosen.get(name)) ? chosen.get(name) : order[0];
  const place = make("div");
  const show = (view) => place.replaceChildren(VIEWS[view].show(views[view]));
  const words = Object.fromEntries(order.map((view) => [view, VIEWS[view].word]));
  const choose = (view) => {
    chosen.set(name, view);
    show(view);
  };
  show(first);
  const title = make(
    "div",
    { class: "row" },
    make("h4", {}, make("code", {}, name)),
    Object.keys(words).length > 1 && make("div", { class: "end" }, choice(`view-${count++}`, "How it is shown", words, first, choose)),
  );
  return make("div", { class: "stack output" }, title, place);
}

/** The gist of a value, in a few characters. */
export function gist(value, spec) {
  const rows = isColumn(spec) ? null : rowsOf(value, spec?.labels);
  const text = rows ? rows.map((row) => best(row).name).join(", ") : (textOf(value) ?? stringify(value));
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** Whether there is one number for each row, which makes no vector. */
function isColumn(spec) {
  return spec?.shape.length === 1;
}

/** A single number, text or truth; null for anything else. */
function textOf(value) {
  let inner = value;
  while (Array.isArray(inner) && inner.length === 1) inner = inner[0];
  return ["number", "bigint", "string", "boolean"].includes(typeof inner) ? String(inner) : null;
}

/** {head, rows} of lists of plain values or of records; null for what is no table. */
function recordsOf(value) {
  if (!Array.isArray(value) || !value.length || value.length > MOST_CELLS) return null;
  const flat = value.every((row) => Array.isArray(row) && row.length === 1 && Array.isArray(row[0]) && typeof row[0][0] === "object")
    ? value.flat()
    : value;
  const inner = flat.length === 1 && Array.isArray(flat[0]) && flat[0].length && flat[0].every(isRecord) ? flat[0] : flat;
  if (inner.every(isRecord)) {
    const head = [...new Set(inner.flatMap(Object.keys))];
    return bounded({ head, rows: inner.map((row) => head.map((name) => row[name])) });
  }
  const rows = inner.map((row) => (Array.isArray(row) ? row : [row]));
  if (!rows.every((row) => row.every((cell) => cell === null || typeof cell !== "object"))) return null;
  const width = Math.max(...rows.map((row) => row.length));
  return bounded({ head: width > 1 ? Array.from({ length: width }, (_, place) => String(place)) : [], rows });
}

function bounded(records) {
  return records.rows.length * records.rows[0].length <= MOST_CELLS ? records : null;
}

function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function table({ head, rows }) {
  const cell = (value) =>
    make(
      "td",
      { class: ["number", "bigint"].includes(typeof value) ? "figure" : null },
      typeof value === "object" && value !== null ? stringify(value) : String(value),
    );
  const top =
    head.length > 0 &&
    make("thead", {}, make("tr", {}, make("th", {}, ""), ...head.map((name) => make("th", { scope: "col", class: "figure" }, name))));
  const body = rows.map((row, number) => make("tr", {}, make("th", { scope: "row", class: "dim" }, String(number)), ...row.map(cell)));
  return make("div", { class: "wide scroll", tabindex: 0 }, make("table", { class: "answer-table" }, top, make("tbody", {}, ...body)));
}

/** What `show` makes of a text; of a very long one of its beginning, since a browser lays out megabytes for minutes. */
function cut(text, show) {
  if (text.length <= MOST_CHARACTERS) return show(text);
  const more = `${brief(text.length - MOST_CHARACTERS)} characters`;
  const told = make("p", { class: "dim" }, `and ${more} more: curl shows all`);
  return make("div", { class: "stack" }, show(text.slice(0, MOST_CHARACTERS)), told);
}

/** JSON with the innermost lists on one line. */
function compact(value) {
  return stringify(value, 1).replace(/\n\s*(?=[\d\-nu\]])/g, " ");
}
