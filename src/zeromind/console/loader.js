// Loading a model from a task that is typed or pasted.

import { note, sendOnCtrlEnter } from "./element.js";

export class Loader {
  #pool;
  #trial;
  #form = document.getElementById("load");
  #progress = document.getElementById("load-progress");
  #result = document.getElementById("load-result");
  #id = "";

  constructor(pool, trial) {
    this.#pool = pool;
    this.#trial = trial;
    sendOnCtrlEnter(this.#form);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#progress.hidden) this.#load();
    });
    // A model that is dropped while it loads stops loading; the load request answers so.
    document.getElementById("load-cancel").addEventListener("click", () => pool.drop(this.#id).catch(() => {}));
  }

  async #load() {
    let task;
    try {
      task = JSON.parse(this.#form.querySelector("textarea").value);
    } catch (error) {
      return note(this.#result, `the task is no JSON: ${error.message}`, true);
    }
    this.#id = String(task?.id ?? "");
    const stop = this.#start();
    try {
      const { model_id: id, load_time: seconds, memory_consumed: bytes } = await this.#pool.load(task);
      note(this.#result, `${id} is loaded: ${seconds.toFixed(2)} s, ${(bytes / 1e6).toFixed(0)} MB`);
      this.#trial.choose(id);
    } catch (fault) {
      note(this.#result, `${fault}`, true);
    } finally {
      stop();
    }
  }

  #start() {
    const begin = performance.now();
    const time = document.getElementById("load-time");
    const tick = () => (time.textContent = `${((performance.now() - begin) / 1000).toFixed(1)} s`);
    const timer = setInterval(tick, 100);
    const button = this.#form.querySelector("[type=submit]");
    tick();
    note(this.#result, "");
    this.#progress.hidden = false;
    button.disabled = true;
    return () => {
      clearInterval(timer);
      this.#progress.hidden = true;
      button.disabled = false;
    };
  }
}
