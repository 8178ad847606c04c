// A model's answer, whole or as it streams in, the lines that ask the same, and the answers before.

import { button, choice, copier, make } from "../page/element.js";
import { clock, several, time } from "../page/words.js";
import { stringify } from "../pool/json.js";
import { gist, output } from "./output.js";
import { timing } from "./timing.js";

const MOST_PAST = 6;
const MOST_PARTS = 500;
let language = "curl"; // which the reader likes, on every page

export class Answer {
  #result = make("div", { class: "result stack", "aria-live": "polite" });
  #lines = make("div", { class: "stack lines" });
  #past = make("ol", { class: "plain past row", reversed: true, "aria-label": "The last answers" });
  #waiting = make("p", { class: "dim" });
  #views = new Map();
  #files = [];
  #model = null;

  constructor() {
    this.element = make("div", { class: "card stack answer", hidden: true }, this.#result, this.#past, this.#lines);
  }

  /** Forget everything: another model is asked. */
  clear(model) {
    this.#model = model;
    this.element.hidden = true;
    this.#views.clear();
    for (const place of [this.#result, this.#lines, this.#past]) place.replaceChildren();
  }

  /** A question is sent: show the lines that send it. */
  ask(question, body) {
    this.element.hidden = false;
    if (!this.#result.hasChildNodes()) this.#result.append(this.#waiting);
    this.#waiting.textContent = "waiting for the answer …";
    this.#result.classList.add("old");
    this.#tell({ curl: question.curl(body), python: question.python() });
  }

  /** The reader waits no longer. */
  stop() {
    this.#waiting.textContent = "given up before it was there";
  }

  /** Show {result: {output: value}, stages, milliseconds}. */
  show(outcome) {
    const at = Date.now() / 1000;
    this.#outcome(outcome);
    const [name, value] = Object.entries(outcome.result)[0] ?? ["", null];
    const again = button(
      `${clock(at)} · ${gist(value, this.#spec(name))} · ${time(outcome.milliseconds / 1000)}`,
      () => this.#outcome(outcome),
      { class: "quiet" },
    );
    this.#past.prepend(make("li", {}, again));
    while (this.#past.children.length > MOST_PAST) this.#past.lastChild.remove();
    this.#past.hidden = this.#past.children.length < 2;
  }

  /** A stream begins: gives a function that takes its parts, and one that ends it. */
  stream() {
    const list = make("ol", { class: "parts", start: 1 });
    const count = make("p", { class: "dim" }, "waiting for the first part …");
    let parts = 0;
    this.#replace(make("h4", {}, "As it comes"), list, count);
    return {
      part: (value) => {
        parts++;
        const texts = Object.values(value).map((one) => (typeof one === "string" ? one : stringify(one)));
        list.append(make("li", {}, texts.join(" · ")));
        if (list.children.length > MOST_PARTS) (list.firstChild.remove(), (list.start = parts - MOST_PARTS + 1));
        count.textContent = several(parts, "part");
      },
      end: (milliseconds) => (count.textContent = `${several(parts, "part")} in ${time(milliseconds / 1000)}`),
    };
  }

  /** Tell what went wrong; a question that was not even sent has no lines, what has been streamed stays. */
  fail(fault, isSent, isAfter = false) {
    this.element.hidden = false;
    if (!isSent) this.#lines.replaceChildren();
    const sentence = make("p", { class: "note error", role: "alert" }, `${fault}`);
    const id = fault.request ? make("p", { class: "dim" }, "In the logs it is request ", make("code", {}, fault.request)) : "";
    if (isAfter) this.#result.append(sentence);
    else this.#replace(sentence, id);
  }

  #spec(name) {
    return this.#model.outputs.find((one) => one.name === name);
  }

  #outcome({ result, stages, milliseconds }) {
    const outputs = Object.entries(result).map(([name, value]) => output(name, value, this.#spec(name), this.#views));
    this.#replace(...outputs, timing(stages, milliseconds));
  }

  #replace(...children) {
    this.#result.classList.remove("old");
    this.#result.replaceChildren(...children);
  }

  #tell(told) {
    const text = make("pre", { class: "curl", tabindex: 0 });
    const files = make("span", { class: "row" });
    const show = (chosen) => {
      language = chosen;
      text.textContent = told[chosen].line;
      this.#files.forEach(URL.revokeObjectURL);
      this.#files = [];
      files.replaceChildren(...Object.entries(told[chosen].files).map(([name, blob]) => this.#file(name, blob)));
    };
    const title = make(
      "div",
      { class: "row" },
      make("h4", {}, "The same with"),
      choice("language", "Language", { curl: "curl", python: "Python" }, language, show),
      make(
        "span",
        { class: "row end" },
        files,
        copier(() => text.textContent),
      ),
    );
    show(language);
    this.#lines.replaceChildren(title, text);
  }

  #file(name, blob) {
    const url = URL.createObjectURL(blob);
    this.#files.push(url);
    return make("a", { href: url, download: name }, `Save ${name}`);
  }
}
