// What one model does, in charts that move.

import { choice, make, say } from "../page/element.js";
import { brief, bytes, rate, several, time } from "../page/words.js";
import { Columns } from "../chart/columns.js";
import { Lines } from "../chart/lines.js";
import { STAGES } from "../pool/activity.js";
import { quantile } from "../pool/histogram.js";

const SPANS = { 60: "1 min", 300: "5 min" };
const WORDS = { request: "whole request", queue: "queue", input: "input filters", model: "model", output: "output filters" };

export class Charts {
  #activity;
  #id = "";
  #span = 60;
  #stage = "request";
  #throughput = new Lines({
    title: "Throughput",
    series: [
      { name: "answered", colour: 2 },
      { name: "failed", colour: 5 },
    ],
    told: rate,
    values: (point) => [point.requests / point.seconds, point.failures / point.seconds],
  });
  #latency = new Lines({
    title: "Latency",
    series: [
      { name: "p50", colour: 1 },
      { name: "p95", colour: 3 },
      { name: "p99", colour: 4 },
    ],
    told: time,
    values: (point) => [0.5, 0.95, 0.99].map((q) => quantile(point.stages[this.#stage]?.counts ?? [], this.#activity.bounds, q)),
    control: make(
      "select",
      { class: "end stage", "aria-label": "Of which stage", onchange: (event) => this.#of(event.target.value) },
      ...Object.entries(WORDS).map(([stage, word]) => make("option", { value: stage }, word)),
    ),
  });
  #stages = new Lines({
    title: "Where the time goes",
    series: STAGES.map((stage, place) => ({ name: WORDS[stage], colour: place + 1 })),
    told: time,
    stacked: true,
    values: (point) => STAGES.map((stage) => mean(point.stages[stage])),
  });
  #queue = new Lines({
    title: "Queue",
    series: [
      { name: "waiting", colour: 3 },
      { name: "running", colour: 1 },
    ],
    told: brief,
    values: (point) => [point.queue, point.running],
  });
  #memory = new Lines({ title: "Memory", series: [{ name: "of its workers", colour: 2 }], told: bytes, values: (point) => [point.memory] });
  #sizes = new Columns({ title: "Batch sizes", unit: "size", series: [{ name: "batches", colour: 1 }], told: brief });
  #totals = make("p", { class: "dim totals" });
  #fault = make("p", { class: "note error", hidden: true });

  constructor(activity) {
    this.#activity = activity;
    this.element = make(
      "section",
      { "aria-label": "Activity" },
      make(
        "div",
        { class: "row title" },
        choice("span", "How far back", SPANS, "60", (span) => this.#over(Number(span))),
        this.#totals,
      ),
      this.#fault,
      make(
        "div",
        { class: "charts three" },
        ...[this.#throughput, this.#latency, this.#stages, this.#queue, this.#sizes, this.#memory].map((chart) => chart.element),
      ),
    );
  }

  about(id) {
    this.#id = id;
    this.move();
  }

  /** Show what there is now. */
  move() {
    const { time: now, fault } = this.#activity;
    const points = this.#activity.points(this.#id);
    for (const chart of [this.#throughput, this.#latency, this.#stages, this.#queue, this.#memory]) chart.show(points, now, this.#span);
    this.#sizes.show(sizes(points.filter((point) => point.time > now - this.#span)));
    this.#fault.hidden = !fault;
    say(this.#fault, fault ? `${fault}` : "");
    say(this.#totals, inWords(this.#activity.totals(this.#id)));
  }

  #over(span) {
    this.#span = span;
    this.move();
  }

  #of(stage) {
    this.#stage = stage;
    this.move();
  }
}

function mean(stage) {
  const count = stage ? stage.counts.reduce((all, one) => all + one, 0) : 0;
  return count ? stage.seconds / count : null;
}

function sizes(points) {
  const counts = {};
  for (const point of points) for (const [size, count] of Object.entries(point.sizes)) counts[size] = (counts[size] ?? 0) + count;
  return counts;
}

/** The counters since the model was loaded. */
function inWords(totals) {
  if (!totals) return "";
  const failures = Object.entries(totals.failures).map(([kind, count]) => `${kind} ${count}`);
  const parts = [
    several(totals.requests, "answer"),
    several(totals.rows, "row"),
    `${totals.batches} ${totals.batches === 1 ? "batch" : "batches"}`,
  ];
  return `since it was loaded: ${parts.join(", ")}${failures.length ? `; failed: ${failures.join(", ")}` : ""}`;
}
