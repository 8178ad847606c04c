// What the models do, second by second: differences of the counters that the pool keeps since each was loaded.

import { ask } from "./request.js";
import { difference } from "./histogram.js";

const PERIOD_MS = 1000;
const DEADLINE_MS = 10_000;
/** As many points as are kept of each model: five minutes. */
export const MOST_POINTS = 300;
/** Counters that were not seen for so long tell of no single second. */
export const GAP_S = 5;
export const STAGES = ["queue", "input", "model", "output"];

/**
 * The activity of every model. Event: "tick" after every look.
 * A point is {time, seconds, requests, failures, rows, batches, queue, running, memory, sizes: {size: batches},
 * stages: {name: {counts, seconds}}},
 * all but `queue`, `running` and `memory` being what came in the `seconds` before `time`, on the server's clock.
 */
export class Activity extends EventTarget {
  bounds = [];
  time = 0;
  fault = null;
  #before = null;
  #points = new Map();
  #latest = new Map();
  #pool;

  constructor(pool) {
    super();
    this.#pool = pool;
  }

  /** Look now and from then on, while the page is in view. */
  async watch() {
    for (;;) {
      if (!document.hidden) await this.#look();
      await new Promise((done) => setTimeout(done, PERIOD_MS));
    }
  }

  /** The points of a model, oldest first. */
  points(id) {
    return this.#points.get(id) ?? [];
  }

  /** Its counters since it was loaded, as last seen; null for one that does nothing here. */
  totals(id) {
    return this.#latest.get(id) ?? null;
  }

  async #look() {
    try {
      this.#take(await ask("info/activity", {}, undefined, AbortSignal.timeout(DEADLINE_MS)));
      this.fault = null;
    } catch (fault) {
      this.fault = fault;
      this.#before = null;
    }
    this.dispatchEvent(new Event("tick"));
  }

  #take(now) {
    const before = this.#before;
    this.#before = now;
    if (now.time < this.time) this.#points.clear(); // a server on another machine, whose clock is another
    this.bounds = now.bounds;
    this.time = now.time;
    this.#latest = new Map(Object.entries(now.models));
    const seconds = before ? now.time - before.time : 0;
    for (const id of this.#points.keys()) if (!this.#latest.has(id)) this.#points.delete(id);
    if (!(seconds > 0) || seconds > GAP_S) return; // the first look, another server, or one after a pause
    for (const [id, counters] of this.#latest) this.#add(id, counters, before.models[id], seconds);
  }

  #add(id, now, before, seconds) {
    // One that has been loaded anew counts from zero.
    const since = before && now.requests >= before.requests && now.batches >= before.batches ? before : null;
    const stages = {};
    for (const [name, { counts, seconds: spent }] of Object.entries(now.stages)) {
      const old = since?.stages[name];
      stages[name] = { counts: difference(counts, old?.counts), seconds: spent - (old?.seconds ?? 0) };
    }
    const sizes = {};
    for (const [size, count] of Object.entries(now.batch_sizes)) {
      const more = count - (since?.batch_sizes[size] ?? 0);
      if (more > 0) sizes[size] = more;
    }
    const point = {
      time: this.time,
      seconds,
      queue: now.queue,
      running: now.running,
      memory: this.#pool.get(id)?.memory ?? null,
      sizes,
      stages,
    };
    for (const name of ["requests", "rows", "batches"]) point[name] = now[name] - (since?.[name] ?? 0);
    point.failures = Math.max(0, total(now.failures) - (since ? total(since.failures) : 0));
    const points = this.#points.get(id) ?? [];
    points.push(point);
    if (points.length > MOST_POINTS) points.shift();
    this.#points.set(id, points);
  }
}

function total(failures) {
  return Object.values(failures).reduce((all, count) => all + count, 0);
}
