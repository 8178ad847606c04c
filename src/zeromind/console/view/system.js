// The host and the server: processor, memory, GPUs, versions, adapters.

import { make, note, notice } from "../page/element.js";
import { bytes, brief, span } from "../page/words.js";
import { Lines } from "../chart/lines.js";
import { address, ask } from "../pool/request.js";

const PERIOD_MS = 2000;
const DEADLINE_MS = 10_000;
const SPAN_S = 120;
const MOST_POINTS = 100;

export class System {
  title = "System";
  #points = [];
  #timer = null;
  #fault = notice();
  #cpu = new Lines({
    title: "Processor",
    series: [{ name: "all cores", colour: 1 }],
    told: (value) => `${brief(value)} %`,
    values: ({ cpu }) => [cpu],
  });
  #memory = new Lines({
    title: "Memory",
    series: [
      { name: "used", colour: 2 },
      { name: "this server", colour: 4 },
    ],
    told: bytes,
    values: ({ used, own }) => [used, own],
  });
  #facts = make("dl", { class: "card facts" });
  #gpus = make("div");
  #adapters = make("div", { class: "card wide" });

  constructor() {
    const links = {
      metrics: "Metrics for Prometheus",
      docs: "Every route",
      "openapi.json": "The same for programs",
      "v2/models/stats": "Statistics",
    };
    const list = Object.entries(links).map(([path, word]) => make("li", {}, make("a", { href: address(path).href }, word)));
    this.element = make(
      "div",
      { class: "page" },
      make("div", { class: "row title" }, make("h1", { tabindex: -1 }, "System")),
      this.#fault,
      make("div", { class: "charts" }, this.#cpu.element, this.#memory.element),
      make(
        "div",
        { class: "charts" },
        make("section", {}, make("h2", {}, "Server"), this.#facts, this.#gpus, make("ul", { class: "plain row links" }, ...list)),
        make("section", {}, make("h2", {}, "Adapters"), this.#adapters),
      ),
    );
  }

  show() {
    this.hide();
    this.#timer = setInterval(() => !document.hidden && this.#look(), PERIOD_MS);
    this.#look();
  }

  hide() {
    clearInterval(this.#timer);
  }

  async #look() {
    try {
      const system = await ask("info/system", {}, undefined, AbortSignal.timeout(DEADLINE_MS));
      note(this.#fault, "");
      this.#tell(system);
    } catch (fault) {
      note(this.#fault, `${fault}`, true);
    }
  }

  #tell(system) {
    const now = performance.now() / 1000;
    this.#points.push({
      time: now,
      cpu: system.cpu_usage,
      used: system.memory.total - system.memory.available,
      own: system.process?.memory ?? null,
    });
    if (this.#points.length > MOST_POINTS) this.#points.shift();
    for (const chart of [this.#cpu, this.#memory]) chart.show(this.#points, now, SPAN_S);
    this.#facts.replaceChildren(...facts(system).map(([word, value]) => make("div", {}, make("dt", {}, word), make("dd", {}, value))));
    const gpus = system.gpus ?? [];
    this.#gpus.replaceChildren(
      ...gpus.map((gpu) => make("p", { class: "note" }, `${gpu.name}: ${bytes(gpu.used)} of ${bytes(gpu.memory)} used`)),
    );
    const key = JSON.stringify(system.adapters ?? {});
    if (this.#adapters.dataset.key !== key) this.#adapters.replaceChildren(adapters(system.adapters ?? {}));
    this.#adapters.dataset.key = key;
  }
}

function facts({ memory, cores, uptime_s: uptime, process, version, platform, python, gpus }) {
  return [
    ["0Mind", version ?? "?"],
    ["Up for", uptime === undefined ? "?" : span(uptime)],
    ["Process", process ? `${process.pid}, ${bytes(process.memory)}` : "?"],
    ["Cores", String(cores ?? "?")],
    ["Memory", `${bytes(memory.total)}, ${bytes(memory.available)} free`],
    ["GPUs", gpus?.length ? String(gpus.length) : "none"],
    ["Python", python.slice(0, 3).join(".")],
    ["Platform", platform ?? "?"],
  ];
}

function adapters(versions) {
  const rows = Object.entries(versions).map(([name, version]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, name),
      make(
        "td",
        {},
        version !== null
          ? version || "installed"
          : make("span", { class: "dim" }, "not installed: ", make("code", {}, `pip install 'zeromind[${name}]'`)),
      ),
    ),
  );
  return make("table", {}, make("tbody", {}, ...rows));
}
