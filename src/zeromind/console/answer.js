// A model's answer: bars for vectors, numbers for numbers, else JSON; and the command line that asks the same.

import { make } from "./element.js";
import { current } from "./key.js";

const MOST_BARS = 100;
const MOST_ROWS = 8;
const LONGEST_ARGUMENT = 1500;

export class Answer {
  #place = document.getElementById("answer");
  #result = make("div", { class: "result stack" });
  #command = make("div", { class: "stack" });
  #file = "";

  constructor() {
    this.#place.append(this.#result, this.#command);
  }

  clear() {
    this.#place.hidden = true;
    this.#result.replaceChildren();
    this.#command.replaceChildren();
  }

  /** A request is sent: show it as a command line. */
  ask(url, body) {
    this.#place.hidden = false;
    this.#result.classList.add("old");
    this.#command.replaceChildren(...this.#curl(url, body));
  }

  show(answer, milliseconds) {
    const outputs = Object.entries(answer.result).map(([name, value]) => make("div", { class: "stack" }, make("h4", {}, make("code", {}, name)), ...rows(value)));
    const times = `model ${(answer.model_time * 1000).toFixed(2)} ms · round trip ${milliseconds.toFixed(1)} ms`;
    this.#replace(...outputs, make("p", { class: "dim" }, times));
  }

  /** Tell what went wrong; a request that was not even sent has no command line. */
  fail(fault, isSent) {
    this.#place.hidden = false;
    if (!isSent) this.#command.replaceChildren();
    this.#replace(make("p", { class: "note error", role: "alert" }, `${fault}`));
  }

  #replace(...children) {
    this.#result.classList.remove("old");
    this.#result.replaceChildren(...children);
  }

  #curl(url, body) {
    const text = body instanceof Blob ? null : JSON.stringify(body);
    const isFile = text === null || text.length > LONGEST_ARGUMENT;
    const blob = text === null ? body : new Blob([text], { type: "application/json" });
    const name = text === null ? (body.name ?? "drawing.png") : "request.json";
    const data = isFile ? `--data-binary ${quoted(`@${name}`)}` : `-d ${quoted(text)}`;
    const key = current() === null ? "" : ' -H "Authorization: Bearer $ZEROMIND_KEY"'; // the key itself is nobody's to look at
    const line = `curl -H ${quoted(`Content-Type: ${blob.type}`)}${key} ${data} ${quoted(url)}`;
    const copy = make("button", { type: "button", class: "quiet" }, "Copy");
    copy.addEventListener("click", async () => {
      // The clipboard is there on https and localhost only.
      await navigator.clipboard?.writeText(line).then(() => (copy.textContent = "Copied"), () => {});
    });
    URL.revokeObjectURL(this.#file);
    this.#file = isFile ? URL.createObjectURL(blob) : "";
    const save = isFile ? [make("a", { href: this.#file, download: name }, `Save ${name}`)] : [];
    return [make("div", { class: "row" }, make("h4", {}, "The same with curl"), make("span", { class: "row end" }, ...save, copy)), make("pre", { class: "curl", tabindex: 0 }, line)];
  }
}

/** An argument for a POSIX shell. */
function quoted(text) {
  return `'${String(text).replaceAll("'", "'\\''")}'`;
}

/** One block per row of the batch, where the output is vectors; else one for the whole. */
function rows(value) {
  const isRows = Array.isArray(value) && value.length > 0 && value.length <= MOST_ROWS && value.every(isVector);
  if (isRows) return value.map(bars);
  if (isVector(value) && value.length > 1) return [bars(value)];
  const single = Array.isArray(value) && value.length === 1 ? value[0] : value;
  if (typeof single === "number" || typeof single === "string") return [make("p", { class: "single" }, String(single))];
  return [make("pre", { tabindex: 0 }, JSON.stringify(value, null, 1).replace(/\n\s*(?=[\d\-nu\]])/g, " "))];
}

function isVector(value) {
  return Array.isArray(value) && value.length > 0 && value.length <= MOST_BARS && value.every((item) => item === null || typeof item === "number");
}

/** Bars from zero; shares (all between 0 and 1) on the scale of 1, anything else on that of the largest. */
function bars(vector) {
  const low = Math.min(0, ...vector);
  const high = Math.max(0, ...vector);
  const areShares = low >= 0 && high <= 1;
  const span = areShares ? 1 : high - low || 1;
  const best = Math.max(...vector.map((number) => number ?? -Infinity));
  const items = vector.map((number, index) => {
    const bar = make("span", { class: "bar" });
    // Through the object model: the pages' policy forbids style attributes.
    bar.style.left = `${(100 * (Math.min(0, number) - low)) / span}%`;
    bar.style.width = `${(100 * Math.abs(number ?? 0)) / span}%`;
    const text = number === null ? "null" : areShares ? number.toFixed(4) : String(Number(number.toPrecision(5)));
    return make(
      "li",
      { class: number === best ? "best" : null, title: String(number) },
      make("span", { class: "index" }, String(index)),
      make("span", { class: "track", "aria-hidden": "true" }, bar),
      make("span", { class: "number" }, text),
    );
  });
  return make("ol", { class: "plain bars", start: 0 }, ...items);
}
