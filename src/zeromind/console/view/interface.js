// What a model takes and gives, what it is made of, and its workers.

import { make } from "../page/element.js";
import { bytes, clock, several, tensor, time } from "../page/words.js";

export class Interface {
  #tensors = make("div", { class: "card" });
  #facts = make("dl", { class: "card facts" });
  #workers = make("div", { class: "card wide" });
  #key = "";

  constructor() {
    this.element = make(
      "div",
      { class: "charts three" },
      section("Interface", this.#tensors),
      section("Workers", this.#workers),
      section("About it", this.#facts),
    );
  }

  show(model) {
    const key = JSON.stringify(model);
    if (key === this.#key) return;
    this.#key = key;
    const tables = [
      ["in", model.inputs],
      ["out", model.outputs],
    ].flatMap(([word, tensors]) => tensors.map((one) => row(word, one)));
    this.#tensors.replaceChildren(
      tables.length ? make("dl", { class: "tensors" }, ...tables) : make("p", { class: "dim" }, "It is known when the model is loaded."),
    );
    this.#facts.replaceChildren(...facts(model).map(([word, value]) => make("div", {}, make("dt", {}, word), make("dd", {}, value))));
    this.#workers.replaceChildren(model.workers.length ? workers(model.workers) : make("p", { class: "dim padded" }, "None."));
  }
}

function section(title, content) {
  return make("section", {}, make("h2", {}, title), content);
}

function row(word, one) {
  const labels = one.labels
    ? make(
        "details",
        {},
        make("summary", {}, several(one.labels.length, "label")),
        make("p", { class: "dim" }, one.labels.slice(0, 1000).join(", ")),
      )
    : null;
  const chips = one.filters.map((filter) => make("span", { class: "chip filter" }, filter));
  return make(
    "div",
    {},
    make("dt", {}, word),
    make("dd", {}, make("code", {}, one.name), " ", make("span", { class: "dim" }, tensor(one)), ...chips, labels),
  );
}

function facts(model) {
  const gpu = Object.entries(model.gpu_memory).map(([device, held]) => `${device} ${bytes(held)}`);
  return [
    ["File", make("code", {}, model.model_file)],
    ["Adapter", model.adapter || "?"],
    ["Version", model.version],
    ["Since", clock(model.since)],
    ["Load time", model.load_time ? time(model.load_time) : "–"],
    ["Memory", [bytes(model.memory), ...gpu].join(", ")],
    ["Batches", model.batches ? `up to ${model.max_batch_size} rows` : "no: one request at a time"],
    ["Isolation", `${model.isolation}, ${several(model.instances, "instance")}`],
    ...(model.decoupled ? [["Answers", "a stream for each request"]] : []),
  ];
}

function workers(list) {
  const heads = ["Process", "State", "Restarts", "Memory"].map((word) =>
    make("th", { scope: "col", class: word === "State" ? null : "figure" }, word),
  );
  const rows = list.map((worker) =>
    make(
      "tr",
      {},
      make("td", { class: "figure" }, String(worker.pid ?? "–")),
      make("td", {}, make("span", { class: `state ${worker.state}` }, worker.state)),
      make("td", { class: "figure" }, String(worker.restarts)),
      make("td", { class: "figure" }, bytes(worker.memory)),
    ),
  );
  return make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
}
