// The task of a model: how it was asked to be served.

import { copier, make, note, notice } from "../page/element.js";
import { link } from "../page/route.js";
import { stringify } from "../pool/json.js";
import { ask } from "../pool/request.js";

const DEADLINE_MS = 10_000;

export class Task {
  #id = "";
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
    this.#id = id;
    this.#show("");
    note(this.#fault, "");
    try {
      const task = await ask("info/task", { id }, undefined, AbortSignal.timeout(DEADLINE_MS));
      if (id === this.#id) this.#show(stringify(task, 2)); // else the reader has gone on to another model
    } catch (fault) {
      if (id === this.#id) note(this.#fault, `${fault}`, true);
    }
  }

  #show(text) {
    this.#text.textContent = text;
    this.#text.hidden = !text;
  }
}
