// Where the value of one input is given: as JSON, or, where filters may take pictures, on a pad.

import { make } from "./element.js";
import { Pad } from "./pad.js";
import { shown } from "./pool.js";
import { Fault } from "./request.js";

const MOST_PREFILLED = 200_000;
const NAMES_OF_PICTURES = /ima?ge?|pic|photo|crop/i;

export class Entry {
  #text;
  #pad = null;
  #mode = "json";

  constructor(input, place) {
    this.name = input.name;
    const id = `input-${place}`;
    const text = input.filters.length ? "[]" : zeros(input);
    this.#text = make("textarea", { id, rows: text.length < 60 ? 2 : 6, spellcheck: "false", autocomplete: "off" });
    this.#text.value = text;
    const title = [make("code", {}, input.name), " ", make("span", { class: "dim" }, shown(input))];
    if (!input.filters.length) {
      this.element = make("div", { class: "stack" }, make("label", { for: id }, ...title), this.#text);
      return;
    }
    this.#pad = new Pad();
    this.#text.setAttribute("aria-label", `${input.name} as JSON`);
    const panels = { picture: this.#pad.element, json: this.#text };
    const show = (mode) => {
      this.#mode = mode;
      for (const [name, panel] of Object.entries(panels)) panel.hidden = name !== mode;
    };
    const first = isPicture(input) ? "picture" : "json";
    const choices = Object.entries({ picture: "Picture", json: "JSON" }).map(([mode, word]) =>
      make("label", {}, make("input", { type: "radio", name: `mode-${place}`, value: mode, checked: mode === first, onchange: () => show(mode) }), word),
    );
    this.element = make("fieldset", { class: "stack" }, make("legend", {}, ...title), make("div", { class: "switch" }, ...choices), ...Object.values(panels));
    show(first);
  }

  /** {blob} of a picture, or {json}; throws a Fault if the text is no JSON. */
  async value() {
    if (this.#mode === "picture") return { blob: await this.#pad.blob() };
    try {
      return { json: JSON.parse(this.#text.value) };
    } catch (error) {
      throw new Fault(`${this.name} is no JSON: ${error.message}`);
    }
  }
}

/** The interface does not tell what a filter takes: its name and the input's shape make a good guess, and the reader may switch. */
function isPicture(input) {
  return input.shape.length >= 3 || input.filters.some((filter) => NAMES_OF_PICTURES.test(JSON.stringify(filter)));
}

/** A value of the input's shape as JSON text, one row, every open size being 1. */
function zeros(input) {
  const shape = input.shape.map((size) => size ?? 1);
  if (shape.reduce((product, size) => product * size, 1) > MOST_PREFILLED) return "";
  const zero = input.type === "string" ? "" : input.type === "bool" ? false : 0;
  const fill = (sizes) => (sizes.length ? Array.from({ length: sizes[0] }, () => fill(sizes.slice(1))) : zero);
  return JSON.stringify(fill(shape)).replaceAll(",", ", ");
}
