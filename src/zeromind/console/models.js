// The list of models, and dropping one.

import { make, note } from "./element.js";
import { shown } from "./pool.js";

export class Models {
  #pool;
  #trial;
  #list = document.getElementById("models");
  #cards = new Map();

  constructor(pool, trial) {
    this.#pool = pool;
    this.#trial = trial;
    pool.addEventListener("change", () => this.#show());
    trial.addEventListener("choose", () => this.#mark());
  }

  /** Cards that have not changed stay as they are, and keep the focus. */
  #show() {
    const cards = new Map();
    for (const model of this.#pool.models) {
      const key = JSON.stringify(model);
      cards.set(key, this.#cards.get(key) ?? this.#card(model));
    }
    this.#cards = cards;
    const wanted = [...cards.values()];
    for (const card of [...this.#list.children]) if (!wanted.includes(card)) card.remove();
    wanted.forEach((card, place) => {
      if (this.#list.children[place] !== card) this.#list.insertBefore(card, this.#list.children[place] ?? null);
    });
    document.getElementById("none").hidden = wanted.length > 0;
    this.#mark();
  }

  #card(model) {
    const buttons = model.ready
      ? [
          make("button", { type: "button", class: "try", onclick: () => this.#trial.choose(model.id, true) }, "Try it"),
          make("button", { type: "button", class: "quiet danger drop", onclick: () => this.#ask(model.id) }, "Drop"),
        ]
      : [make("span", { class: "dim" }, "loading …"), make("button", { type: "button", onclick: () => this.#drop(model.id) }, "Cancel")];
    return make(
      "li",
      { class: "card model", "data-id": model.id },
      make("div", { class: "row" }, make("h3", {}, model.id), make("span", { class: "chip" }, model.tool || "?"), make("span", { class: "row end" }, ...buttons)),
      make("p", { class: "dim file" }, model.task.model_file),
      make("dl", {}, ...side("in", model.inputs), ...side("out", model.outputs)),
    );
  }

  #mark() {
    for (const card of this.#list.children) {
      const chosen = card.dataset.id === this.#trial.chosen;
      card.classList.toggle("chosen", chosen);
      card.querySelector("button.try")?.setAttribute("aria-pressed", chosen);
    }
  }

  #ask(id) {
    const dialog = document.getElementById("confirm");
    document.getElementById("confirm-text").textContent = `Drop the model “${id}”? Its workers end and their memory becomes free.`;
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && this.#drop(id), { once: true });
    dialog.showModal();
  }

  async #drop(id) {
    const result = document.getElementById("drop-result");
    note(result, `dropping ${id} …`);
    try {
      const { unload_time: seconds, memory_released: bytes } = await this.#pool.drop(id);
      note(result, `${id} is dropped: ${seconds.toFixed(2)} s, ${(bytes / 1e6).toFixed(0)} MB free again`);
    } catch (fault) {
      note(result, `${fault}`, true);
    }
  }
}

function side(word, tensors) {
  return tensors.map((tensor) =>
    make(
      "div",
      {},
      make("dt", {}, word),
      make("dd", {}, make("code", {}, tensor.name), " ", make("span", { class: "dim" }, shown(tensor)), ...tensor.filters.map(chip)),
    ),
  );
}

function chip(filter) {
  const name = typeof filter === "string" ? filter : filter.filter;
  return make("span", { class: "chip filter", title: JSON.stringify(filter) }, name);
}
