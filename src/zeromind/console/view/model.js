// One model: what it does, a form to try it, what its workers say, how it was asked to be served.

import { arrange, button, make, note, notice, say } from "../page/element.js";
import { confirmed } from "../page/question.js";
import { link } from "../page/route.js";
import { bytes, clock } from "../page/words.js";
import { Trial } from "../trial/trial.js";
import { Charts } from "./charts.js";
import { Interface } from "./interface.js";
import { Log } from "./log.js";
import { state } from "./models.js";
import { Task } from "./task.js";

const TABS = { "": "Overview", try: "Try it", log: "Logs", task: "Task" };

export class Model {
  #pool;
  #id = "";
  #tab = "";
  #name = make("h1", { tabindex: -1 });
  #state = make("span");
  #deeds = make("span", { class: "row end" });
  #error = make("div", { class: "note error last", hidden: true });
  #result = notice();
  #links = Object.entries(TABS).map(([tab, word]) => ({ tab, element: make("a", {}, word) }));
  #body = make("div");
  #trial = new Trial();
  #charts;
  #interface = new Interface();
  #log = new Log();
  #task = new Task();

  constructor(pool, activity) {
    this.#pool = pool;
    this.#charts = new Charts(activity);
    this.#result.id = "model-result";
    this.#deeds.append(
      button("Reload", () => this.#reload(), { class: "reload" }),
      button("Drop", () => this.#drop(), { class: "danger drop" }),
    );
    this.element = make(
      "div",
      { class: "page" },
      make(
        "div",
        { class: "row title" },
        make("a", { href: link("models"), class: "dim" }, "Models /"),
        this.#name,
        this.#state,
        this.#deeds,
      ),
      this.#error,
      this.#result,
      make("nav", { class: "tabs", "aria-label": "Of this model" }, ...this.#links.map(({ element }) => element)),
      this.#body,
    );
    pool.addEventListener("change", () => this.#follow());
    activity.addEventListener("tick", () => this.#isShown("") && this.#charts.move());
  }

  get title() {
    return this.#id;
  }

  show([, id = "", tab = ""]) {
    this.#tab = Object.hasOwn(TABS, tab) ? tab : "";
    if (id !== this.#id) {
      this.#id = id;
      note(this.#result, "");
      say(this.#name, id);
    }
    for (const { tab: each, element } of this.#links) {
      element.href = each ? link("model", id, each) : link("model", id);
      if (each === this.#tab) element.setAttribute("aria-current", "page");
      else element.removeAttribute("aria-current");
    }
    const parts = {
      "": [this.#charts.element, this.#interface.element],
      try: [this.#trial.element],
      log: [this.#log.element],
      task: [this.#task.element],
    };
    arrange(this.#body, parts[this.#tab]);
    if (this.#tab !== "try") this.#trial.stop();
    this.#follow();
    if (this.#tab === "") this.#charts.about(id);
    if (this.#tab === "log") this.#log.about(id);
    else this.#log.stop();
    if (this.#tab === "task") this.#task.about(id);
  }

  hide() {
    this.#trial.stop();
    this.#log.stop();
  }

  #isShown(tab) {
    return this.element.isConnected && this.#tab === tab;
  }

  #follow() {
    const model = this.#pool.get(this.#id);
    this.#state.replaceChildren(model ? state(model) : make("span", { class: "state unavailable" }, this.#pool.info ? "not here" : "…"));
    this.#deeds.hidden = !model;
    this.#deeds.querySelector(".reload").textContent = model?.state === "UNAVAILABLE" ? "Load" : "Reload";
    this.#deeds.querySelector(".drop").hidden = !["READY", "LOADING"].includes(model?.state);
    this.#error.hidden = !model?.error;
    if (model?.error) this.#tellError(model.error);
    this.#trial.follow(model);
    if (model) this.#interface.show(model);
  }

  #tellError({ message, time, kind }) {
    const text = `${message} (${kind}, ${clock(time)})`;
    if (this.#error.dataset.text === text) return;
    this.#error.dataset.text = text;
    this.#error.replaceChildren(text, " ", make("a", { href: link("model", this.#id, "log") }, "What its worker said"));
  }

  async #reload() {
    const id = this.#id;
    note(this.#result, `loading ${id} anew; what serves now goes on until it is there …`);
    try {
      await this.#pool.reload(id);
      note(this.#result, `${id} is loaded anew`);
    } catch (fault) {
      note(this.#result, `${fault}`, true);
    }
  }

  async #drop() {
    const id = this.#id;
    if (!(await confirmed(`Drop the model “${id}”? Its workers end and their memory becomes free.`, "Drop", "Keep it"))) return;
    note(this.#result, `dropping ${id} …`);
    try {
      const { unload_time: seconds, memory_released: released } = await this.#pool.drop(id);
      note(this.#result, `${id} is dropped: ${seconds.toFixed(2)} s, ${bytes(released)} free again`);
    } catch (fault) {
      note(this.#result, `${fault}`, true);
    }
  }
}
