// What the pool serves, kept up to date.

import { ask } from "./request.js";

const PERIOD_MS = 2000;

/**
 * The pool as last seen. Events: "change" when the models are others than before, "seen" and "lost" after every look.
 * `models` are {id, task, inputs, outputs, tool, ready}, in the order of their ids; one that still loads has no inputs.
 */
export class Pool extends EventTarget {
  info = null;
  models = [];
  #checkSum = "";
  #looking = null;

  /** Look now and from then on, while the page is in view. */
  async watch() {
    for (;;) {
      if (!document.hidden) await this.look();
      await new Promise((done) => setTimeout(done, PERIOD_MS));
    }
  }

  /** Ask what is loaded; `anew` even if the check sum is the known one. */
  async look(anew = false) {
    await this.#looking;
    if (anew) this.#checkSum = "";
    this.#looking = this.#ask();
    await this.#looking;
  }

  get(id) {
    return this.models.find((model) => model.id === id) ?? null;
  }

  async load(task) {
    return this.#change("model/load", {}, task);
  }

  async drop(id) {
    return this.#change("model/drop", { id });
  }

  async #change(...request) {
    try {
      return await ask(...request);
    } finally {
      await this.look(true);
    }
  }

  async #ask() {
    try {
      this.info ??= await ask("info");
      const list = await ask("model/list", {}, { check_sum: this.#checkSum });
      // The check sum speaks of models that are ready; those that still load have to be watched for.
      if (list.check_sum !== this.#checkSum || this.models.some((model) => !model.ready)) await this.#describe(list.check_sum);
      this.dispatchEvent(new Event("seen"));
    } catch (fault) {
      this.info = null;
      this.#checkSum = "";
      this.dispatchEvent(new CustomEvent("lost", { detail: fault }));
    }
  }

  async #describe(checkSum) {
    const { models: ids } = await ask("model/list");
    const { tasks } = await ask("info/tasks");
    const models = await Promise.all(tasks.map((task) => describe(task, ids.includes(task.id))));
    models.sort((one, other) => (one.id < other.id ? -1 : 1));
    const changed = JSON.stringify(models) !== JSON.stringify(this.models);
    this.models = models;
    this.#checkSum = checkSum;
    if (changed) this.dispatchEvent(new Event("change"));
  }
}

async function describe(task, ready) {
  const model = { id: task.id, task, ready: false, inputs: [], outputs: [], tool: task.model_type };
  if (!ready) return model;
  try {
    const { inputs, outputs, tool } = await ask("model/info", { id: task.id });
    return { ...model, ready, tool, inputs: tensors(inputs, task.input_filters), outputs: tensors(outputs, task.output_filters) };
  } catch {
    return model; // it has just been dropped, or is being dropped
  }
}

/** A tensor for people: float32 [any, 28, 28, 1] */
export function shown(tensor) {
  return `${tensor.type} [${tensor.shape.map((size) => size ?? "any").join(", ")}]`;
}

/** The tensors of one side, each with its filters. */
function tensors(side, filters) {
  const all = Object.keys(side).sort((one, other) => one - other).map((index) => side[index]);
  const lists = Object.values(filters);
  return all.map((tensor) => ({
    ...tensor,
    // A task may know its only tensor by an older name.
    filters: filters[tensor.name] ?? (all.length === 1 && lists.length === 1 ? lists[0] : []),
  }));
}
