// Values typed into fields: a row for each sample, a column for each of its numbers, texts or truths.

import { button, make } from "../page/element.js";
import { Fault } from "../pool/request.js";

const MOST_COLUMNS = 16;
const MOST_ROWS = 64;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** How many columns the fields of an input have; null where it is not one for fields. */
export function columns({ shape, filters }) {
  if (filters.length || shape.length > 2) return null;
  if (shape.length > 0 && shape[0] !== null && !(shape[0] >= 1 && shape[0] <= MOST_ROWS)) return null;
  const count = shape.length === 2 ? shape[1] : 1;
  return count !== null && count >= 1 && count <= MOST_COLUMNS ? count : null;
}

export class Grid {
  #input;
  #columns;
  #body = make("tbody");
  #remove = button("Remove a row", () => this.#body.lastElementChild.remove());

  constructor(input) {
    this.#input = input;
    this.#columns = columns(input);
    const isOpen = input.shape[0] === null;
    const rows = isOpen || !input.shape.length ? 1 : input.shape[0];
    for (let row = 0; row < rows; row++) this.#add();
    this.#remove.disabled = true;
    const more = button("Add a row", () => this.#add().querySelector("input, textarea").focus());
    this.element = make(
      "div",
      { class: "stack" },
      make("div", { class: "wide" }, make("table", { class: "grid" }, this.#body)),
      isOpen && make("div", { class: "row" }, more, this.#remove),
    );
    this.#body.addEventListener("paste", (event) => this.#paste(event));
    new MutationObserver(() => (this.#remove.disabled = this.#body.children.length < 2)).observe(this.#body, { childList: true });
  }

  /** The value as JSON text: what is typed is not rounded on the way. Throws a Fault. */
  text() {
    const rows = [...this.#body.children].map((row) => this.#fields(row).map((field) => this.#json(field)));
    if (!this.#input.shape.length) return rows[0][0];
    return `[${rows.map((row) => (this.#input.shape.length === 1 ? row[0] : `[${row.join(",")}]`)).join(",")}]`;
  }

  #add() {
    const number = this.#body.children.length;
    const cells = Array.from({ length: this.#columns }, (_, column) => make("td", {}, this.#field(number, column)));
    const row = make("tr", {}, ...cells);
    this.#body.append(row);
    return row;
  }

  #field(row, column) {
    const label = `${this.#input.name}, row ${row + 1}${this.#columns > 1 ? `, column ${column + 1}` : ""}`;
    const { type } = this.#input;
    if (type === "bool") return make("input", { type: "checkbox", "aria-label": label });
    if (type === "string") return make("textarea", { rows: this.#columns > 1 ? 1 : 2, "aria-label": label });
    return make("input", {
      type: "text",
      inputmode: "decimal",
      value: "0",
      autocomplete: "off",
      "aria-label": label,
      onfocus: (event) => event.target.select(),
    });
  }

  #fields(row) {
    return [...row.querySelectorAll("input, textarea")];
  }

  #json(field) {
    const { type, name } = this.#input;
    if (type === "bool") return String(field.checked);
    if (type === "string") return JSON.stringify(field.value);
    const text = field.value.trim();
    if (!NUMBER.test(text)) {
      field.focus();
      throw new Fault(`${name}: “${text}” is no number`);
    }
    // As JSON writes it: no plus, no bare point, no zeros in front.
    return text
      .replace(/^\+/, "")
      .replace(/^(-?)0*(?=\d)/, "$1")
      .replace(/^(-?)\./, "$10.")
      .replace(/\.(?=e|$)/i, "");
  }

  /** Cells of a spreadsheet, or numbers with commas, go into the fields from the one on. */
  #paste(event) {
    const text = event.clipboardData.getData("text/plain").replace(/\r?\n$/, "");
    const separator = this.#input.type === "string" ? /\t/ : /[\t,; ]+/;
    const cells = text.split(/\r?\n/).map((line) => line.trim().split(separator));
    if (this.#input.type === "string" && this.#columns === 1) return; // lines are its own
    if (cells.length === 1 && cells[0].length === 1) return;
    event.preventDefault();
    const rows = [...this.#body.children];
    const [top, left] = [rows.indexOf(event.target.closest("tr")), this.#fields(event.target.closest("tr")).indexOf(event.target)];
    cells.slice(0, MOST_ROWS).forEach((line, down) => {
      const row = this.#body.children[top + down] ?? (this.#input.shape[0] === null ? this.#add() : null);
      line.forEach((cell, right) => {
        const field = row && this.#fields(row)[left + right];
        if (field?.type === "checkbox") field.checked = /^(1|true|yes)$/i.test(cell);
        else if (field) field.value = cell;
      });
    });
  }
}
