// What the pool serves, kept up to date.

import { stringify } from "./json.js";
import { ask } from "./request.js";
import { key } from "./key.js";

const PERIOD_MS = 2000;
const HURRY_MS = 500;
const DEADLINE_MS = 15_000;

/**
 * The pool as last seen. Events: "change" when anything of the models is other than before, "seen" and "lost" after every look.
 * `models` are as /info/models tells them, in the order of their ids.
 */
export class Pool extends EventTarget {
  info = null;
  models = [];
  fault = null;
  #text = "";
  #looking = null;

  /** Look now and from then on, while the page is in view; more often while something is being loaded. */
  async watch() {
    key.addEventListener("change", () => this.look());
    for (;;) {
      if (!document.hidden) await this.look();
      const isBusy = this.models.some((model) => ["LOADING", "UNLOADING"].includes(model.state));
      await new Promise((done) => setTimeout(done, isBusy ? HURRY_MS : PERIOD_MS));
    }
  }

  /** Ask what is served; one at a time. */
  async look() {
    await this.#looking;
    this.#looking = this.#ask();
    await this.#looking;
  }

  get(id) {
    return this.models.find((model) => model.id === id) ?? null;
  }

  get ready() {
    return this.models.filter((model) => model.state === "READY");
  }

  async load(task) {
    return this.#change("model/load", {}, task);
  }

  /** Load a model anew, with what is different in its task; it serves until the new one does. */
  async reload(id, changes = {}) {
    const parameters = Object.keys(changes).length ? { config: stringify(changes) } : {};
    return this.#change(`v2/repository/models/${encodeURIComponent(id)}/load`, {}, { parameters });
  }

  async drop(id) {
    return this.#change("model/drop", { id }, {});
  }

  async #change(...request) {
    const answer = ask(...request);
    // It is under way when the pool is looked at: a model that loads is there to be seen.
    setTimeout(() => this.look(), 150);
    try {
      return await answer;
    } finally {
      await this.look();
    }
  }

  async #ask() {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    try {
      this.info ??= await ask("info", {}, undefined, signal);
      const { models } = await ask("info/models", {}, undefined, signal);
      this.fault = null;
      this.#take(models);
      this.dispatchEvent(new Event("seen"));
    } catch (fault) {
      this.info = null;
      if ([401, 403].includes(fault.status)) this.#take([]); // another key may have seen more
      this.fault = fault;
      this.dispatchEvent(new CustomEvent("lost", { detail: fault }));
    }
  }

  #take(models) {
    models.sort((one, other) => (one.id < other.id ? -1 : 1));
    const text = JSON.stringify(models);
    if (text === this.#text) return;
    this.#text = text;
    this.models = models;
    this.dispatchEvent(new Event("change"));
  }
}
