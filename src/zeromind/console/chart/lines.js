// Values over the last minutes, as lines or as areas on top of each other, that move with every look.

import { draw } from "../page/element.js";
import { Frame } from "./frame.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");
const STEP_MS = 1000;

/** `values(point)` gives a number or null for each of the series. */
export class Lines {
  #frame;
  #values;
  #isStacked;
  #drawn = null;

  constructor({ values, stacked = false, ...rest }) {
    this.#frame = new Frame(rest);
    this.#values = values;
    this.#isStacked = stacked;
    this.#frame.again = () => this.#drawn && this.#draw(...this.#drawn);
    this.element = this.#frame.element;
  }

  /** Show the points of the last `span` seconds before `now`. */
  show(points, now, span) {
    const isNext = this.#drawn !== null && this.#drawn[1] !== now;
    this.#drawn = [points, now, span];
    if (this.element.offsetParent === null) return; // it is not in view
    const width = this.#draw(points, now, span);
    const shift = width / span;
    // A second's worth of the way, until the next look.
    if (isNext && !still.matches && shift < 20)
      this.#moved().animate?.([{ transform: `translateX(${shift}px)` }, { transform: "none" }], STEP_MS);
  }

  #moved() {
    return this.#frame.plot.firstChild;
  }

  #draw(points, now, span) {
    const seen = points.filter((point) => point.time > now - span - 2).map((point) => ({ point, values: this.#values(point) }));
    const most = Math.max(
      0,
      ...seen.map(({ values }) => (this.#isStacked ? total(values) : Math.max(...values.map((value) => value ?? 0)))),
    );
    const { width, at } = this.#frame.begin(most);
    const places = seen.map(({ point, values }) => ({
      x: width * (1 - (now - point.time) / span),
      label: `${Math.round(now - point.time)} s ago`,
      values,
    }));
    const paths = this.#isStacked ? areas(places, at, this.#frame.series) : lines(places, at, this.#frame.series);
    this.#frame.plot.replaceChildren(draw("g", {}, ...paths));
    const isMinutes = span >= 120;
    this.#frame.label(0, `${isMinutes ? span / 60 : span} ${isMinutes ? "min" : "s"} ago`, "start");
    this.#frame.label(width, "now", "end");
    const inView = places.filter(({ x }) => x >= 0);
    this.#frame.end(inView, latest(inView), inWords(inView, this.#frame.series));
    return width;
  }
}

function total(values) {
  return values.reduce((all, value) => all + (value ?? 0), 0);
}

function lines(places, at, series) {
  return series.map(({ colour }, index) => {
    let path = "";
    let isOn = false;
    for (const { x, values } of places) {
      const value = values[index];
      if (value === null) isOn = false;
      else {
        // A line of no length, with round ends, is the dot of a value that stands alone.
        path += isOn ? `L${x.toFixed(1)} ${at(value).toFixed(1)}` : `M${x.toFixed(1)} ${at(value).toFixed(1)}h.01`;
        isOn = true;
      }
    }
    return draw("path", { class: `line colour-${colour}`, d: path });
  });
}

/** Each on top of the ones before it, as steps: a value is that of a whole second. */
function areas(places, at, series) {
  const base = places.map(() => 0);
  return series.map(({ colour }, index) => {
    const lower = [...base];
    places.forEach(({ values }, place) => (base[place] += values[index] ?? 0));
    const edge = (heights, reverse) => {
      const order = reverse ? [...places.keys()].reverse() : [...places.keys()];
      return order.flatMap((place) => {
        const [left, right] = [(places[place - 1] ?? places[place]).x, places[place].x].map((x) => x.toFixed(1));
        const y = at(heights[place]).toFixed(1);
        return reverse ? [`${right} ${y}`, `${left} ${y}`] : [`${left} ${y}`, `${right} ${y}`];
      });
    };
    const d = places.length ? `M${[...edge(base, false), ...edge(lower, true)].join("L")}Z` : "";
    return draw("path", { class: `area colour-${colour}`, d });
  });
}

function latest(places) {
  return places[places.length - 1]?.values ?? [];
}

function inWords(places, series) {
  if (!places.length) return "nothing seen yet";
  const last = latest(places);
  return series.map(({ name }, index) => `${name} ${last[index] === null ? "none" : Number(last[index].toPrecision(3))}`).join(", ");
}
