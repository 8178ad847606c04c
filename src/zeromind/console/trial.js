// Asking a model: a form made from its interface, and its answer.

import { Answer } from "./answer.js";
import { make, sendOnCtrlEnter } from "./element.js";
import { Entry } from "./entry.js";
import { address, ask } from "./request.js";

/** Event: "choose" when another model is the one to try; `chosen` is its id, or null. */
export class Trial extends EventTarget {
  chosen = null;
  #pool;
  #key = "";
  #form = document.getElementById("question");
  #answer = new Answer();
  #entries = [];

  constructor(pool) {
    super();
    this.#pool = pool;
    pool.addEventListener("change", () => this.#follow());
    sendOnCtrlEnter(this.#form);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#predict();
    });
  }

  /** Show a model's form; `move` takes the reader there. */
  choose(id, move = false) {
    const model = this.#pool.get(id);
    this.chosen = model?.ready ? id : null;
    const key = JSON.stringify(model);
    if (key !== this.#key) this.#build(this.chosen === null ? null : model);
    this.#key = key;
    this.dispatchEvent(new Event("choose"));
    if (move) {
      this.#form.scrollIntoView({ block: "nearest" });
      this.#form.querySelector("canvas, textarea")?.focus();
    }
  }

  /** Stay with the chosen model while it is there; else take the first. */
  #follow() {
    const there = this.#pool.get(this.chosen)?.ready;
    this.choose(there ? this.chosen : (this.#pool.models.find((model) => model.ready)?.id ?? null));
  }

  #build(model) {
    this.#answer.clear();
    this.#entries = model ? model.inputs.map((input, place) => new Entry(input, place)) : [];
    if (!model) return this.#form.replaceChildren(make("p", { class: "dim" }, "There is no model to try."));
    this.#form.replaceChildren(
      make("h3", {}, make("span", { class: "dim" }, "Model "), model.id),
      ...this.#entries.map((entry) => entry.element),
      make("div", { class: "row" }, make("button", { class: "main", type: "submit" }, "Predict"), make("span", { class: "dim keys" }, make("kbd", {}, "Ctrl"), " ", make("kbd", {}, "Enter"))),
    );
  }

  async #predict() {
    const [id, key, button] = [this.chosen, this.#key, this.#form.querySelector("[type=submit]")];
    if (button.disabled) return;
    button.disabled = true;
    let body;
    try {
      body = await this.#body();
      const url = address("model/predict", { id });
      this.#answer.ask(url, body);
      const begin = performance.now();
      const answer = await ask("model/predict", { id }, body);
      // While it was under way another model may have been chosen.
      if (key === this.#key) this.#answer.show(answer, performance.now() - begin);
    } catch (fault) {
      if (key === this.#key) this.#answer.fail(fault, body !== undefined);
    } finally {
      button.disabled = false;
    }
  }

  /** A single picture is the body itself; beside other inputs it becomes {"image": base64}, as the picture filters take it. */
  async #body() {
    const values = await Promise.all(this.#entries.map((entry) => entry.value()));
    if (values.length === 1 && values[0].blob) return values[0].blob;
    const body = {};
    for (const [place, { blob, json }] of values.entries()) {
      body[this.#entries[place].name] = blob ? [{ image: await base64(blob) }] : json;
    }
    return body;
  }
}

async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}
