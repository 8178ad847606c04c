// The last lines of a model's workers, of dead ones too, followed as they come.

import { button, copier, make, note, notice } from "../page/element.js";
import { clock, several } from "../page/words.js";
import { ask } from "../pool/request.js";

const PERIOD_MS = 2000;
const DEADLINE_MS = 10_000;

export class Log {
  #id = "";
  #lines = [];
  #timer = null;
  #follow = make("input", { type: "checkbox", checked: true, id: "follow" });
  #filter = make("input", {
    type: "search",
    class: "log-filter",
    placeholder: "Filter",
    "aria-label": "Show lines with",
    oninput: () => this.#show(),
  });
  #place = make("ol", { class: "plain log", tabindex: 0, "aria-label": "Lines" });
  #fault = notice();
  #count = make("span", { class: "dim" });

  constructor() {
    this.element = make(
      "section",
      { class: "stack", "aria-label": "Logs" },
      make(
        "div",
        { class: "row" },
        this.#filter,
        make("label", { class: "row", for: "follow" }, this.#follow, "Follow"),
        this.#count,
        make(
          "span",
          { class: "end" },
          button("Look now", () => this.#look()),
          copier(() => this.#lines.map(({ text }) => text).join("\n")),
        ),
      ),
      this.#fault,
      this.#place,
    );
  }

  /** Show a model's lines, and look for more of them until `stop`. */
  about(id) {
    if (id !== this.#id) {
      this.#lines = [];
      this.#show();
      note(this.#fault, "");
    }
    this.#id = id;
    this.stop();
    this.#timer = setInterval(() => !document.hidden && this.#follow.checked && this.#look(), PERIOD_MS);
    this.#look();
  }

  stop() {
    clearInterval(this.#timer);
  }

  async #look() {
    const id = this.#id;
    try {
      const { lines } = await ask("info/log", { id }, undefined, AbortSignal.timeout(DEADLINE_MS));
      if (id !== this.#id) return;
      note(this.#fault, "");
      this.#place.hidden = false;
      if (JSON.stringify(lines) === JSON.stringify(this.#lines) && this.#place.children.length) return;
      this.#lines = lines;
      this.#show();
    } catch (fault) {
      note(this.#fault, `${fault}`, true);
      this.#place.hidden = !this.#lines.length; // whether they have said anything is not known
    }
  }

  #show() {
    const wanted = this.#filter.value.toLowerCase();
    const shown = this.#lines.filter(({ text, pid }) => !wanted || `${pid} ${text}`.toLowerCase().includes(wanted));
    const isAtEnd = this.#place.scrollTop + this.#place.clientHeight >= this.#place.scrollHeight - 8;
    this.#place.replaceChildren(
      ...shown.map(({ time, pid, text }) =>
        make("li", {}, make("span", { class: "dim" }, `${clock(time)} ${pid}`), make("span", {}, text)),
      ),
    );
    if (!shown.length)
      this.#place.append(make("li", { class: "dim" }, this.#lines.length ? "No line fits the filter." : "Its workers have said nothing."));
    this.#count.textContent = this.#lines.length ? `${shown.length} of ${several(this.#lines.length, "line")}` : "";
    if (this.#follow.checked && isAtEnd) this.#place.scrollTop = this.#place.scrollHeight;
  }
}
