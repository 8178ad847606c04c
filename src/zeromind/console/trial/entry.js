// Where the value of one input is given: as a picture or another file, in fields, as a list of numbers, and always as JSON.

import { choice, make } from "../page/element.js";
import { tensor } from "../page/words.js";
import { Fault } from "../pool/request.js";
import { columns, Grid } from "./grid.js";
import { lists, Listing } from "./listing.js";
import { Pad, takes } from "./pad.js";
import { Upload } from "./upload.js";

const MOST_PREFILLED = 200_000;
const NAMES_OF_PICTURES = /ima?ge?|pic|photo|crop/i;
const NAMES_OF_TEXTS = /text|word|token|sentence/i;
const WORDS = { picture: "Picture", file: "File", text: "Text", fields: "Fields", numbers: "Numbers", json: "JSON" };

export class Entry {
  #ways = {};
  #mode;

  constructor(input, place) {
    this.name = input.name;
    const isFiltered = input.filters.length > 0;
    if (takes(input.media) || (isFiltered && !input.media.length)) this.#ways.picture = new Pad(input);
    if (input.media.length && !takes(input.media)) this.#ways.file = new Upload(input);
    // Filters of their own may take texts as well: a list of them.
    if (isFiltered && !input.media.length) this.#ways.text = new Grid({ name: input.name, type: "string", shape: [null], filters: [] });
    if (columns(input) !== null) this.#ways.fields = new Grid(input);
    else if (lists(input)) this.#ways.numbers = new Listing(input);
    this.#ways.json = json(input, place);
    this.#mode = likely(input, Object.keys(this.#ways));
    const words = Object.fromEntries(Object.keys(this.#ways).map((mode) => [mode, WORDS[mode]]));
    const modes =
      Object.keys(words).length > 1 && choice(`mode-${place}`, "How it is given", words, this.#mode, (mode) => this.#show(mode));
    this.element = make(
      "fieldset",
      { class: "stack" },
      make("legend", {}, make("code", {}, input.name), " ", make("span", { class: "dim" }, tensor(input))),
      modes,
      ...Object.values(this.#ways).map((way) => way.element),
    );
    this.#show(this.#mode);
  }

  /** {blob} of a file, or {text} of JSON. Throws a Fault. */
  async value() {
    const way = this.#ways[this.#mode];
    if (way.blob) return { blob: await way.blob() };
    return { text: way.text() };
  }

  #show(mode) {
    this.#mode = mode;
    for (const [name, way] of Object.entries(this.#ways)) way.element.hidden = name !== mode;
  }
}

function json(input, place) {
  const text = input.filters.length ? "[]" : zeros(input);
  const element = make("textarea", {
    id: `input-${place}`,
    rows: text.length < 60 ? 2 : 6,
    spellcheck: "false",
    autocomplete: "off",
    "aria-label": `${input.name} as JSON`,
  });
  element.value = text;
  return {
    element,
    text() {
      try {
        JSON.parse(element.value);
      } catch (error) {
        throw new Fault(`${input.name} is no JSON: ${error.message}`);
      }
      return element.value.trim(); // as it was typed: large whole numbers would be rounded by reading them
    },
  };
}

/** What an input's filters take, they tell by their media; of others the names make a good guess. The reader may switch. */
function likely(input, ways) {
  if (!input.filters.length || input.media.length) return ways[0];
  if (input.filters.some((filter) => NAMES_OF_PICTURES.test(filter))) return "picture";
  return input.filters.some((filter) => NAMES_OF_TEXTS.test(filter)) ? "text" : "json";
}

/** A value of the input's shape as JSON text, one row, every open size being 1. */
function zeros(input) {
  const shape = input.shape.map((size) => size ?? 1);
  if (shape.reduce((product, size) => product * size, 1) > MOST_PREFILLED) return "";
  const zero = input.type === "string" ? "" : input.type === "bool" ? false : 0;
  const fill = (sizes) => (sizes.length ? Array.from({ length: sizes[0] }, () => fill(sizes.slice(1))) : zero);
  return JSON.stringify(fill(shape)).replaceAll(",", ", ");
}
