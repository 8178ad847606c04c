// What every chart has: a title, a legend that tells values, a drawing with an axis of values, and a place that can be looked at closely.

import { draw, make, say } from "../page/element.js";
import { even, marks } from "./scale.js";

export const HEIGHT = 132;
const LEFT = 46;
const BOTTOM = 18;
const TOP = 8;

/**
 * `series` are {name, colour}, colour being a number of the palette; `told` words a value. The one who draws calls `begin`, fills
 * `plot`, and gives `places`: what can be looked at, as {x, label, values}.
 */
export class Frame {
  #title;
  #told;
  #svg;
  #axis = draw("g", { class: "axis" });
  #cursor = draw("line", { class: "cursor", y1: 0, visibility: "hidden" });
  #figures = [];
  #spoken = make("span", { class: "unseen", role: "status" });
  #when = make("span", { class: "when dim" });
  #latest = [];
  #places = [];
  #watched = null;
  plot = draw("svg", { class: "plot", x: LEFT, y: 0 });
  again = () => {};

  constructor({ title, series, told, control = null }) {
    this.#title = title;
    this.#told = told;
    this.series = series;
    this.#svg = draw("svg", { role: "img", tabindex: 0, height: HEIGHT + BOTTOM }, this.#axis, this.plot);
    const legend = series.map(({ name, colour }) => {
      const figure = make("b");
      this.#figures.push(figure);
      return make("li", {}, make("i", { class: `swatch colour-${colour}` }), name, " ", figure);
    });
    this.element = make(
      "figure",
      { class: "chart card" },
      make(
        "figcaption",
        {},
        make("div", { class: "row" }, make("h3", {}, title), this.#when, control),
        make("ul", { class: "plain legend" }, ...legend),
      ),
      this.#svg,
      this.#spoken,
    );
    this.#svg.addEventListener("pointermove", (event) => this.#near(event.clientX - this.#svg.getBoundingClientRect().left - LEFT));
    this.#svg.addEventListener("pointerleave", () => this.#watch(null));
    this.#svg.addEventListener("blur", () => this.#watch(null));
    this.#svg.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.again()).observe(this.#svg);
  }

  /** Draw the axis for values up to `most`; gives the width that there is and where a value lies. */
  begin(most) {
    const width = Math.max(60, Math.round(this.#svg.clientWidth || this.#svg.getBoundingClientRect().width) - LEFT - 2);
    const scale = even(most);
    const at = (value) => TOP + (HEIGHT - TOP) * (1 - value / scale.end);
    this.plot.setAttribute("width", width);
    this.plot.setAttribute("height", HEIGHT);
    this.#axis.replaceChildren(
      ...marks(scale).flatMap((value) => [
        draw("line", { x1: LEFT, x2: LEFT + width, y1: at(value), y2: at(value) }),
        draw("text", { x: LEFT - 6, y: at(value) + 4, class: "value" }, this.#told(value)),
      ]),
    );
    return { width, at };
  }

  /** A word under the axis, at an x of the plot; `anchor` is start, middle or end. */
  label(x, text, anchor) {
    this.#axis.append(draw("text", { x: LEFT + x, y: HEIGHT + 14, "text-anchor": anchor }, text));
  }

  /** All is drawn: what can be looked at, the values that the legend tells else, and the drawing in words. */
  end(places, latest, summary) {
    this.#places = places;
    this.#latest = latest;
    this.plot.append(this.#cursor);
    this.#svg.setAttribute("aria-label", `${this.#title}: ${summary}. Arrow keys read single values.`);
    this.#watch(this.#watched === null || !places.length ? null : Math.min(this.#watched, places.length - 1));
  }

  #near(x) {
    if (!this.#places.length) return;
    const distance = (place) => Math.abs(this.#places[place].x - x);
    this.#watch(this.#places.reduce((best, _, place) => (distance(place) < distance(best) ? place : best), 0));
  }

  #key(event) {
    const last = this.#places.length - 1;
    const from = this.#watched ?? last;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.#watch(null);
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.#watch(Math.max(0, Math.min(last, to)));
    const { label, values } = this.#places[this.#watched];
    say(this.#spoken, `${label}: ${this.words(values)}`);
  }

  /** The values of all series, with their names. */
  words(values) {
    return values.map((value, place) => `${this.series[place].name} ${this.#word(value)}`).join(", ");
  }

  #watch(place) {
    this.#watched = place;
    const watched = place === null ? null : this.#places[place];
    this.#cursor.setAttribute("visibility", watched ? "visible" : "hidden");
    if (watched)
      for (const [name, value] of Object.entries({ x1: watched.x, x2: watched.x, y2: HEIGHT })) this.#cursor.setAttribute(name, value);
    say(this.#when, watched ? watched.label : "");
    const values = watched ? watched.values : this.#latest;
    this.#figures.forEach((figure, index) => say(figure, this.#word(values[index])));
  }

  #word(value) {
    return value === null || value === undefined ? "–" : this.#told(value);
  }
}
