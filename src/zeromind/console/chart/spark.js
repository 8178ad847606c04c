// A line of a word's size.

import { draw } from "../page/element.js";

const WIDTH = 96;
const HEIGHT = 22;

/** An empty one; it stands beside the value of which it is the past, so that nobody has to hear it. */
export function spark() {
  return draw(
    "svg",
    { class: "spark", width: WIDTH, height: HEIGHT, "aria-hidden": "true" },
    draw("line", { class: "base", x2: WIDTH, y1: HEIGHT - 2, y2: HEIGHT - 2 }),
    draw("path", { class: "line colour-1" }),
  );
}

/** Let it show {time, value} of the last `span` seconds; between those that are `gap` seconds apart nothing is known. */
export function trace(element, values, now, span, gap = Infinity) {
  const most = Math.max(...values.map(({ value }) => value), 1e-9);
  const seen = values.filter(({ time }) => time >= now - span);
  const at = ({ time, value }, place) => {
    const step = place > 0 && time - seen[place - 1].time < gap ? "L" : "M";
    return `${step}${(WIDTH * (1 - (now - time) / span)).toFixed(1)} ${(HEIGHT - 2 - (HEIGHT - 4) * (value / most)).toFixed(1)}`;
  };
  element.lastChild.setAttribute("d", seen.map(at).join(""));
}
