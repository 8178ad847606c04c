// Vectors of numbers as bars, and what the top-k filter makes of them.

import { button, make } from "../page/element.js";

const MOST_ROWS = 8;
const MOST_IN_ORDER = 12;
const BEST = 10;
const MOST_BARS = 2000;
const LONGEST_FIGURE = 9;

/** The rows of a value that can be shown as bars, each a list of {name, value}; null if it cannot. */
export function rowsOf(value, labels) {
  if (!Array.isArray(value) || !value.length) return null;
  const rows = isRow(value) ? [value] : value;
  if (rows.length > MOST_ROWS || !rows.every(isRow)) return null;
  return rows.map((row) =>
    row.map((item, index) =>
      isRanked(item)
        ? { name: String(item.label ?? item.index), value: item.score }
        : { name: String(labels?.[index] ?? index), value: item },
    ),
  );
}

function isRow(value) {
  const isVector =
    Array.isArray(value) && value.every((item) => item === null || typeof item === "number") && value.some((item) => item !== null);
  return (
    Array.isArray(value) && ((isVector && value.length > 1 && value.length <= MOST_BARS) || (value.length > 0 && value.every(isRanked)))
  );
}

function isRanked(item) {
  return typeof item === "object" && item !== null && typeof item.score === "number" && "index" in item;
}

/** The best of a row. */
export function best(row) {
  return row.reduce((one, other) => ((other.value ?? -Infinity) > (one.value ?? -Infinity) ? other : one));
}

/** One block of bars for each row; of many classes the best ones, until the reader wants all. */
export function bars(rows) {
  return make("div", { class: "stack" }, ...rows.map((row) => (row.length > MOST_IN_ORDER ? shortened(row) : list(row, row))));
}

function shortened(row) {
  const ranked = [...row].sort((one, other) => (other.value ?? -Infinity) - (one.value ?? -Infinity));
  const place = make("div", { class: "stack" }, list(ranked.slice(0, BEST), row));
  place.append(button(`All ${row.length}`, () => place.replaceChildren(list(row, row)), { class: "quiet all" }));
  return place;
}

/** Bars from zero; shares (all between 0 and 1) on the scale of 1, anything else on that of the largest. */
function list(shown, row) {
  const numbers = row.map(({ value }) => value ?? 0);
  const [low, high] = numbers.reduce(([least, most], number) => [Math.min(least, number), Math.max(most, number)], [0, 0]);
  const areShares = low >= 0 && high <= 1;
  const span = areShares ? 1 : high - low || 1;
  const top = best(row);
  const items = shown.map((item) => {
    const { name, value } = item;
    const bar = make("span", { class: "bar" });
    // Through the object model: the pages' policy forbids style attributes.
    bar.style.left = `${(100 * (Math.min(0, value) - low)) / span}%`;
    bar.style.width = `${(100 * Math.abs(value ?? 0)) / span}%`;
    const text = value === null ? "null" : areShares ? value.toFixed(4) : figure(value);
    return make(
      "li",
      { class: item === top ? "best" : null, title: String(value) },
      make("span", { class: "index", title: name }, name),
      make("span", { class: "track", "aria-hidden": "true" }, bar),
      make("span", { class: "number" }, text),
    );
  });
  const isNamed = row.some(({ name }) => name.length > 3);
  return make("ol", { class: `plain bars${isNamed ? " named" : ""}`, start: 0 }, ...items);
}

/** A number in as much room as there is beside a bar: whole if it fits, else rounded. */
function figure(value) {
  const [whole, rounded] = [String(value), String(Number(value.toPrecision(5)))];
  if (Number.isInteger(value) && whole.length <= LONGEST_FIGURE) return whole;
  return rounded.length <= LONGEST_FIGURE ? rounded : value.toExponential(2);
}
