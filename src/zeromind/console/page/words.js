// Figures as people read them.

/** 431611904: 432 MB */
export function bytes(count) {
  if (!count) return "0 B";
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.abs(count)) / 3 + 1e-9));
  return `${brief(count / 1000 ** step)} ${units[step]}`;
}

/** Seconds that something takes: 0.00231: 2.31 ms */
export function time(seconds) {
  if (seconds >= 120) return span(seconds);
  if (seconds >= 1) return `${brief(seconds)} s`;
  return seconds >= 1e-3 ? `${brief(seconds * 1e3)} ms` : `${brief(seconds * 1e6)} µs`;
}

/** Seconds for which something has been going on: 7500: 2 h 5 min */
export function span(seconds) {
  const units = [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0 s";
  const [[unit, size], next] = [units[first], units[first + 1]];
  const rest = next ? Math.floor((seconds % size) / next[1]) : 0;
  return `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${next[0]}` : ""}`;
}

/** Per second. */
export function rate(count) {
  return `${brief(count)}/s`;
}

/** Three digits that count: 1234567: 1.23 M */
export function brief(number) {
  const size = Math.abs(number);
  if (size >= 1e9) return `${trimmed(number / 1e9)} G`;
  if (size >= 1e6) return `${trimmed(number / 1e6)} M`;
  if (size >= 1e4) return `${trimmed(number / 1e3)} k`;
  return trimmed(number);
}

function trimmed(number) {
  const size = Math.abs(number);
  return String(Number(number.toFixed(size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 4)));
}

/** One model, two models. */
export function several(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/** The time of day of Unix seconds; with the day, where that is another than today. */
export function clock(seconds) {
  const date = new Date(seconds * 1000);
  const day = date.toDateString() === new Date().toDateString() ? "" : `${date.toLocaleDateString()} `;
  return `${day}${date.toLocaleTimeString([], { hour12: false })}`;
}

/** A tensor: float32 [any, 28, 28, 1] */
export function tensor({ type, shape }) {
  return `${type} [${shape.map((size) => size ?? "any").join(", ")}]`;
}
