// The list of models, each with what it does, and beneath it one of them to try.

import { arrange, button, make, notice, note, say } from "../page/element.js";
import { link } from "../page/route.js";
import { bytes, rate, several, time } from "../page/words.js";
import { GAP_S } from "../pool/activity.js";
import { quantile, sum } from "../pool/histogram.js";
import { spark, trace } from "../chart/spark.js";
import { Trial } from "../trial/trial.js";

const SPAN_S = 60;
const RATE_S = 5;
const FILTERED_FROM = 8;

export class Models {
  title = "Models";
  #pool;
  #activity;
  #trial = new Trial();
  #rows = new Map();
  #chosen = null;
  #filter = make("input", {
    type: "search",
    id: "filter",
    placeholder: "Filter by id, state or adapter",
    "aria-label": "Filter the models",
    hidden: true,
    oninput: () => this.#list(),
  });
  #table = make(
    "table",
    { class: "models" },
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        ...["Model", "State", "Workers", "Memory", "Requests", "p95", "Last minute"].map((word) => make("th", { scope: "col" }, word)),
        make("th", {}, make("span", { class: "unseen" }, "Deeds")),
      ),
    ),
  );
  #sum = make("span", { class: "dim", id: "sum" });
  #none = make("p", { id: "none", class: "note", hidden: true });
  #result = notice();
  #choice = make("select", { id: "tried", "aria-label": "The model to try", onchange: () => this.choose(this.#choice.value) });
  #frame = make("div", { class: "card wide models-frame" }, this.#table);

  constructor(pool, activity) {
    this.#pool = pool;
    this.#activity = activity;
    this.#result.id = "models-result";
    this.element = make(
      "div",
      { class: "page" },
      make(
        "section",
        { "aria-labelledby": "models-title" },
        make(
          "div",
          { class: "row title" },
          make("h1", { id: "models-title", tabindex: -1 }, "Models"),
          this.#sum,
          this.#filter,
          make("span", { class: "end" }, make("a", { class: "button", href: link("load") }, "Load a model …")),
        ),
        this.#frame,
        this.#none,
        this.#result,
      ),
      make(
        "section",
        { "aria-labelledby": "trial-title" },
        make("div", { class: "row title" }, make("h2", { id: "trial-title" }, "Try it"), this.#choice),
        this.#trial.element,
      ),
    );
    pool.addEventListener("change", () => this.#list());
    pool.addEventListener("lost", () => this.#list());
    pool.addEventListener("seen", () => this.#list());
    activity.addEventListener("tick", () => this.#move());
    this.#list();
  }

  show() {
    this.#move();
  }

  hide() {
    this.#trial.stop();
  }

  /** Try another model. */
  choose(id) {
    this.#chosen = id;
    this.#follow();
  }

  #list() {
    const words = this.#filter.value.toLowerCase().split(/\s+/);
    const { models } = this.#pool;
    this.#filter.hidden = models.length < FILTERED_FROM;
    const shown = models.filter(
      (model) => this.#filter.hidden || words.every((word) => `${model.id} ${model.state} ${model.adapter}`.toLowerCase().includes(word)),
    );
    const rows = new Map();
    for (const model of shown) {
      const row =
        this.#rows.get(model.id) ??
        new Row(
          model.id,
          (id) => this.#reload(id),
          (id) => this.#cancel(id),
        );
      row.show(model);
      rows.set(model.id, row);
    }
    this.#rows = rows;
    arrange(this.#table, [this.#table.tHead, ...[...rows.values()].map((row) => row.element)]);
    this.#frame.hidden = !models.length;
    const nothing = this.#pool.fault ? `${this.#pool.fault}` : "No model is loaded yet: load one.";
    note(
      this.#none,
      models.length ? (shown.length ? "" : "No model fits the filter.") : this.#pool.info || this.#pool.fault ? nothing : "",
      Boolean(this.#pool.fault),
    );
    this.#follow();
    this.#move();
  }

  /** Stay with the chosen model while it is there; else take the first. */
  #follow() {
    const { ready } = this.#pool;
    if (!ready.some((model) => model.id === this.#chosen)) this.#chosen = ready[0]?.id ?? null;
    const known = [...this.#choice.options].map((option) => option.value).join("\n");
    if (known !== ready.map((model) => model.id).join("\n"))
      this.#choice.replaceChildren(...ready.map(({ id }) => make("option", { value: id }, id)));
    this.#choice.value = this.#chosen;
    this.#choice.hidden = !ready.length;
    this.#trial.follow(this.#pool.get(this.#chosen));
  }

  #move() {
    if (!this.element.isConnected) return;
    for (const [id, row] of this.#rows) row.move(this.#activity.points(id), this.#activity.bounds, this.#activity.time);
    const { models } = this.#pool;
    const held = models.reduce((all, model) => all + model.memory, 0);
    const asked = models.reduce((all, { id }) => all + (recentRate(this.#activity.points(id), this.#activity.time) ?? 0), 0);
    say(this.#sum, models.length ? `${several(models.length, "model")} · ${rate(asked)} · ${bytes(held)}` : "");
  }

  async #reload(id) {
    note(this.#result, `loading ${id} …`);
    await this.#pool.reload(id).then(
      () => note(this.#result, `${id} is loaded`),
      (fault) => note(this.#result, `${fault}`, true),
    );
  }

  /** A model that is dropped while it loads stops loading. */
  async #cancel(id) {
    await this.#pool.drop(id).catch((fault) => note(this.#result, `${fault}`, true));
  }
}

/** One model's rows: what it is and does, and beneath it its last error. */
class Row {
  #cells = {};
  #spark = spark();
  #error = make("p", { class: "error-line" });
  #deeds = make("td", { class: "deeds" });
  #state = "";

  constructor(id, reload, cancel) {
    this.id = id;
    this.reload = reload;
    this.cancel = cancel;
    const cell = (name, label, ...children) => (this.#cells[name] = make("td", { "data-label": label, class: name }, ...children));
    this.#cells.what = make("span", { class: "dim" });
    this.element = make(
      "tbody",
      { "data-id": id },
      make(
        "tr",
        {},
        make("th", { scope: "row" }, make("a", { href: link("model", id) }, id), this.#cells.what),
        cell("is", ""),
        cell("workers", "Workers"),
        cell("memory", "Memory"),
        cell("rate", "Requests"),
        cell("tail", "p95"),
        make("td", { class: "past" }, this.#spark),
        this.#deeds,
      ),
      make("tr", { class: "error-row", hidden: true }, make("td", { colspan: 8 }, this.#error)),
    );
  }

  show(model) {
    say(this.#cells.what, [model.adapter, model.version && `version ${model.version}`].filter(Boolean).join(" · "));
    const ready = model.workers.filter((worker) => worker.state === "ready").length;
    const restarts = model.workers.reduce((all, worker) => all + worker.restarts, 0);
    say(
      this.#cells.workers,
      model.workers.length ? `${ready}/${model.workers.length}${restarts ? `, ${several(restarts, "restart")}` : ""}` : "–",
    );
    say(this.#cells.memory, model.memory ? bytes(model.memory) : "–");
    this.#cells.is.replaceChildren(state(model));
    say(this.#error, model.error ? model.error.message : "");
    this.#error.parentElement.parentElement.hidden = !model.error;
    if (model.state === this.#state) return;
    this.#state = model.state;
    const deed = {
      READY: make("a", { class: "button try", href: link("model", this.id, "try") }, "Try it"),
      LOADING: button("Cancel", () => this.cancel(this.id)),
      UNAVAILABLE: button("Load", () => this.reload(this.id)),
    }[model.state];
    this.#deeds.replaceChildren(deed ?? "");
  }

  move(points, bounds, now) {
    const recent = points.filter((point) => point.time > now - SPAN_S);
    const asked = recentRate(points, now);
    say(this.#cells.rate, asked === null ? "–" : rate(asked));
    const tail = quantile(sum(recent.map((point) => point.stages.request?.counts ?? [])), bounds, 0.95);
    say(this.#cells.tail, tail === null ? "–" : time(tail));
    trace(
      this.#spark,
      recent.map((point) => ({ time: point.time, value: point.requests / point.seconds })),
      now,
      SPAN_S,
      GAP_S,
    );
  }
}

/** Requests for each of the last seconds; null where nothing is known of them. */
function recentRate(points, now) {
  const last = points.filter((point) => point.time > now - RATE_S);
  const seconds = last.reduce((all, point) => all + point.seconds, 0);
  return seconds ? last.reduce((all, point) => all + point.requests, 0) / seconds : null;
}

/** The state of a model with its colour, and what one that loads is doing. */
export function state(model) {
  const word = model.state === "LOADING" && model.stage ? model.stage : model.state.toLowerCase();
  return make("span", { class: `state ${model.state.toLowerCase()}` }, word);
}
