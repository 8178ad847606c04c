// How often each size occurred, as columns.

import { draw } from "../page/element.js";
import { Frame, HEIGHT } from "./frame.js";

const MOST = 24;
const WIDEST = 40;

export class Columns {
  #frame;
  #drawn = null;

  constructor({ unit, ...rest }) {
    this.unit = unit;
    this.#frame = new Frame(rest);
    this.#frame.again = () => this.#drawn && this.#draw(this.#drawn);
    this.element = this.#frame.element;
  }

  /** Show {size: count}. */
  show(counts) {
    this.#drawn = counts;
    if (this.element.offsetParent !== null) this.#draw(counts);
  }

  #draw(counts) {
    const groups = grouped(counts);
    const { width, at } = this.#frame.begin(Math.max(0, ...groups.map(({ count }) => count)));
    const room = Math.min(WIDEST, width / Math.max(1, groups.length));
    const places = groups.map(({ name, count }, place) => ({ x: room * (place + 0.5), label: `${this.unit} ${name}`, values: [count] }));
    this.#frame.plot.replaceChildren(
      ...places.map(({ x, values: [count] }) =>
        draw("rect", { class: "column colour-1", x: x - room * 0.38, width: room * 0.76, y: at(count), height: HEIGHT - at(count), rx: 2 }),
      ),
    );
    const every = Math.ceil(28 / room);
    groups.forEach(({ name }, place) => place % every === 0 && this.#frame.label(places[place].x, name, "middle"));
    const all = groups.reduce((sum, { count }) => sum + count, 0);
    this.#frame.end(places, [all], groups.length ? groups.map(({ name, count }) => `${count} of ${name}`).join(", ") : "nothing seen yet");
  }
}

/** Sizes in order; where they are very many, from one power of two to the next. */
function grouped(counts) {
  const sizes = Object.keys(counts)
    .map(Number)
    .sort((one, other) => one - other);
  if (sizes.length <= MOST) return sizes.map((size) => ({ name: String(size), count: counts[size] }));
  const groups = new Map();
  for (const size of sizes) {
    const low = 2 ** Math.floor(Math.log2(Math.max(1, size)));
    const name = low > 1 ? `${low}–${2 * low - 1}` : "1";
    groups.set(name, (groups.get(name) ?? 0) + counts[size]);
  }
  return [...groups].map(([name, count]) => ({ name, count }));
}
