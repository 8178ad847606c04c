// Values over the last minutes, as lines or as areas on top of each other, that move with every look.

import { draw } from "../page/element.js";
import { Frame } from "./frame.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");
const STEP_MS = 1000;
/** Between points that are further apart nothing is known. */
const GAP_S = 5;
const DASH = 5;

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
      time: point.time,
      wide: (width * (point.seconds ?? 0)) / span,
      label: `${Math.round(now - point.time)} s ago`,
      values,
    }));
    const paths = this.#isStacked ? areas(places, at, this.#frame.series) : lines(places, at, this.#frame.series);
    this.#frame.plot.replaceChildren(draw("g", {}, ...paths));
    const isMinutes = span >= 120;
    this.#frame.label(0, `${isMinutes ? span / 60 : span} ${isMinutes ? "min" : "s"} ago`, "start");
    this.#frame.label(width, "now", "end");
    const inView = places.filter(({ x }) => x >= 0);
    const latest = inView[inView.length - 1]?.values ?? [];
    this.#frame.end(inView, latest, latest.length ? this.#frame.words(latest) : "nothing seen yet");
    return width;
  }
}

function total(values) {
  return values.reduce((all, value) => all + (value ?? 0), 0);
}

function lines(places, at, series) {
  return series.map(({ colour }, index) => {
    let path = "";
    let before = -Infinity;
    for (const { x, time, values } of places) {
      if (values[index] === null) {
        before = -Infinity;
        continue;
      }
      const y = at(values[index]).toFixed(1);
      // It begins with a dash, so that a value that stands alone is seen.
      path += time - before < GAP_S ? `L${x.toFixed(1)} ${y}` : `M${(x - DASH).toFixed(1)} ${y}h${DASH}`;
      before = time;
    }
    return draw("path", { class: `line colour-${colour}`, d: path });
  });
}

/** Each on top of the ones before it, as blocks: a value is that of all the time since the point before. */
function areas(places, at, series) {
  const base = places.map(() => 0);
  return series.map(({ colour }, index) => {
    const blocks = places.map(({ x, wide, values }, place) => {
      const low = at(base[place]).toFixed(1);
      base[place] += values[index] ?? 0;
      return values[index] ? `M${(x - wide).toFixed(1)} ${low}V${at(base[place]).toFixed(1)}H${x.toFixed(1)}V${low}Z` : "";
    });
    return draw("path", { class: `area colour-${colour}`, d: blocks.join("") });
  });
}
