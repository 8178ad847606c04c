// The task of a model: how it was asked to be served.

import { copier, make, note, notice } from "../page/element.js";
import { link } from "../page/route.js";
import { stringify } from "../pool/json.js";
import { ask } from "../pool/request.js";

export class Task {
  #text = make("pre", { tabindex: 0, class: "task" });
  #fault = notice();
  #change = make("a", { class: "button" }, "Change it …");

  constructor() {
    this.element = make(
      "section",
      { class: "stack", "aria-label": "Task" },
      make(
        "div",
        { class: "row" },
        make("span", { class: "dim" }, "As JSON, which /model/load takes"),
        make(
          "span",
          { class: "row end" },
          this.#change,
          copier(() => this.#text.textContent),
        ),
      ),
      this.#fault,
      this.#text,
    );
  }

  async about(id) {
    this.#change.href = link("load", id);
    this.#text.textContent = "";
    try {
      this.#text.textContent = stringify(await ask("info/task", { id }), 2);
      note(this.#fault, "");
    } catch (fault) {
      note(this.#fault, `${fault}`, true);
    }
    this.#text.hidden = !this.#text.textContent;
  }
}
