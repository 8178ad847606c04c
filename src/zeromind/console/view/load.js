// Loading a model, or one anew with a changed task, and watching it come.

import { button, make, note, notice, say, sendOnCtrlEnter } from "../page/element.js";
import { link } from "../page/route.js";
import { bytes } from "../page/words.js";
import { parse, stringify } from "../pool/json.js";
import { ask, Fault } from "../pool/request.js";
import { spark, trace } from "../chart/spark.js";
import { Form } from "./form.js";

const TICK_MS = 100;
const DEADLINE_MS = 10_000;

export class Load {
  title = "Load a model";
  #pool;
  #fields = new Form();
  #heading = make("h1", { tabindex: -1 }, "Load a model");
  #button = make("button", { class: "main", type: "submit" }, "Load");
  #time = make("span", { id: "load-time", class: "dim figure" });
  #stage = make("span", { id: "load-stage" });
  #memory = make("span", { id: "load-memory", class: "dim figure" });
  #spark = spark();
  #progress = make(
    "div",
    { id: "load-progress", class: "row", role: "status", hidden: true },
    make("progress", { "aria-label": "Loading" }),
    this.#stage,
    this.#time,
    this.#memory,
    this.#spark,
    button("Cancel", () => this.#cancel(), { id: "load-cancel" }),
  );
  #result = notice();
  #next = make("p", { class: "row", hidden: true });
  #about; // the id in the page's address; none for a new model
  #known = null; // the task of the model that is to be replaced
  #id = "";

  constructor(pool) {
    this.#pool = pool;
    this.#result.id = "load-result";
    const form = make(
      "form",
      { id: "load", class: "card stack" },
      this.#fields.element,
      make(
        "div",
        { class: "row" },
        this.#button,
        make("span", { class: "dim keys" }, make("kbd", {}, "Ctrl"), " ", make("kbd", {}, "Enter")),
      ),
      this.#progress,
      this.#result,
      this.#next,
    );
    sendOnCtrlEnter(form);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#progress.hidden) this.#load();
    });
    this.element = make("div", { class: "page" }, make("div", { class: "row title" }, this.#heading), form);
  }

  async show([, id]) {
    this.#offer();
    if (id === this.#about) return;
    this.#about = id;
    this.#known = null;
    note(this.#result, "");
    this.#next.hidden = true;
    say(this.#heading, id ? `Load ${id} anew` : "Load a model");
    if (!id) return this.#fields.fill({});
    try {
      const known = await ask("info/task", { id }, undefined, AbortSignal.timeout(DEADLINE_MS));
      if (id !== this.#about) return; // the reader has gone on
      this.#known = known;
      this.#fields.fill(known);
    } catch (fault) {
      if (id === this.#about) note(this.#result, `${fault}`, true);
      this.#about = null; // it is asked again when one comes back
    }
  }

  hide() {}

  /** What can be chosen is asked when it is needed, and one can do without. */
  async #offer() {
    try {
      const { adapters = {}, filters = [] } = await ask("info/system", {}, undefined, AbortSignal.timeout(DEADLINE_MS));
      this.#fields.offer(adapters, filters);
    } catch {
      this.#fields.offer({}, []);
    }
  }

  /** A model that is dropped while it loads stops loading; the load request answers so. */
  #cancel() {
    this.#pool.drop(this.#id).catch((fault) => note(this.#result, `${fault}`, true));
  }

  async #load() {
    let task;
    try {
      task = parse(this.#fields.text);
    } catch (error) {
      return note(this.#result, `the task is no JSON: ${error.message}`, true);
    }
    this.#id = String(task?.id ?? "");
    const stop = this.#watch();
    try {
      note(this.#result, await this.#done(task));
      this.#offerNext([link("model", this.#id, "try"), "Try it"], [link("model", this.#id), "Watch it"]);
    } catch (fault) {
      note(this.#result, `${fault}`, true);
      // A worker has been started, and what it said is kept.
      if (fault.status >= 422) this.#offerNext([link("model", this.#id, "log"), "What its worker said"]);
    } finally {
      stop();
    }
  }

  async #done(task) {
    if (this.#known && task?.id === this.#known.id) {
      await this.#pool.reload(this.#id, changes(task, this.#known));
      this.#known = task;
      return `${this.#id} is loaded anew`;
    }
    const { model_id: id, load_time: seconds, memory_consumed: held } = await this.#pool.load(task);
    return `${id} is loaded: ${seconds.toFixed(2)} s, ${bytes(held)}`;
  }

  #offerNext(...links) {
    this.#next.replaceChildren(...links.map(([href, word]) => make("a", { class: "button", href }, word)));
    this.#next.hidden = false;
  }

  /** Show the time, what is being done and the memory that grows, until the function that this gives is called. */
  #watch() {
    const begin = performance.now();
    const memory = [];
    const tick = () => {
      const seconds = (performance.now() - begin) / 1000;
      const model = this.#pool.get(this.#id);
      say(this.#time, `${seconds.toFixed(1)} s`);
      say(this.#stage, model?.state === "LOADING" && model.stage ? model.stage : "asking for it");
      const held = model?.state === "LOADING" ? Math.max(model.memory, ...model.workers.map((worker) => worker.memory), 0) : 0;
      say(this.#memory, held ? bytes(held) : "");
      if (held && memory[memory.length - 1]?.value !== held) memory.push({ time: seconds, value: held });
      trace(this.#spark, memory, seconds, Math.max(seconds, 1));
    };
    const timer = setInterval(tick, TICK_MS);
    tick();
    note(this.#result, "");
    this.#next.hidden = true;
    this.#progress.hidden = false;
    this.#button.disabled = true;
    return () => {
      clearInterval(timer);
      this.#progress.hidden = true;
      this.#button.disabled = false;
    };
  }
}

/** What is different in a task: keys that are gone become empty. Throws a Fault for one that cannot. */
function changes(task, known) {
  const gone = Object.keys(known).filter((name) => !(name in task));
  return {
    ...Object.fromEntries(gone.map((name) => [name, emptied(name, known[name])])),
    ...Object.fromEntries(Object.entries(task).filter(([name, value]) => stringify(value) !== stringify(known[name]))),
  };
}

function emptied(name, value) {
  if (Array.isArray(value)) return [];
  if (typeof value === "object") return {};
  if (typeof value === "string") return "";
  throw new Fault(`'${name}' cannot be taken away from a model that is known: give it another value`);
}
