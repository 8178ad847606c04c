// Many numbers, written one after the other: a line for each row.

import { make } from "../page/element.js";
import { Fault } from "../pool/request.js";

const MOST_PREFILLED = 1000;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i;

/** Whether an input is one for such a list: rows of numbers, too many for fields. */
export function lists({ shape, filters, type }) {
  return !filters.length && shape.length === 2 && type !== "string" && type !== "bool";
}

export class Listing {
  #input;
  #text;

  constructor(input) {
    this.#input = input;
    const wanted = input.shape[1] === null ? "numbers" : `${input.shape[1]} numbers`;
    this.#text = make("textarea", {
      rows: 6,
      spellcheck: "false",
      autocomplete: "off",
      "aria-label": `${input.name} as numbers`,
      placeholder: `${wanted} a line, with spaces or commas between them`,
    });
    const count = input.shape[1] ?? 1;
    if (count <= MOST_PREFILLED) this.#text.value = Array(count).fill("0").join(" ");
    this.element = this.#text;
  }

  /** The value as JSON text. Throws a Fault. */
  text() {
    const lines = this.#text.value.split("\n").filter((line) => line.trim());
    return `[${lines.map((line) => this.#row(line)).join(",")}]`;
  }

  #row(line) {
    const numbers = line.trim().split(/[\s,;]+/);
    const wrong = numbers.find((number) => !NUMBER.test(number));
    if (wrong !== undefined) throw new Fault(`${this.#input.name}: “${wrong}” is no number`);
    return `[${numbers.join(",")}]`;
  }
}
