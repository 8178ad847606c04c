// Asking a model: a form made of its interface, and its answer.

import { button, make, sendOnCtrlEnter } from "../page/element.js";
import { Fault, read, send } from "../pool/request.js";
import { Answer } from "./answer.js";
import { Entry } from "./entry.js";
import { Question } from "./question.js";
import { events } from "./stream.js";
import { stagesOf } from "./timing.js";

const AT_ONCE = 4;
const SHOWN_EVERY_MS = 200;

export class Trial {
  #form = make("form", { id: "question", class: "card stack" });
  #answer = new Answer();
  #model = null;
  #key = "";
  #entries = [];
  #parameters = null;
  #stopping = null;

  constructor() {
    sendOnCtrlEnter(this.#form);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.#stopping) this.#run((signal) => this.#once(signal));
    });
    this.element = make("div", { class: "trial" }, this.#form, this.#answer.element);
  }

  /** Be about a model as it is now; a form that is the same stays, and what was typed with it. */
  follow(model) {
    const isReady = model?.state === "READY";
    const key = isReady
      ? JSON.stringify([model.id, model.inputs, model.outputs, model.decoupled, model.parameters])
      : JSON.stringify([model?.id, model?.state]);
    this.#model = model;
    if (key === this.#key) return;
    this.#key = key;
    this.#stopping?.abort();
    this.#answer.clear(model);
    if (isReady) this.#build(model);
    else this.#form.replaceChildren(make("p", { class: "dim" }, model ? "It can be tried when it is ready." : "There is no model to try."));
  }

  /** Give up whatever is under way. */
  stop() {
    this.#stopping?.abort();
  }

  #build(model) {
    this.#entries = model.inputs.map((input, place) => new Entry(input, place));
    this.#parameters = model.parameters ? make("textarea", { id: "parameters", rows: 2, spellcheck: "false", autocomplete: "off" }) : null;
    if (this.#parameters) this.#parameters.value = "{}";
    const labelled =
      this.#parameters &&
      make(
        "div",
        { class: "stack" },
        make("label", { for: "parameters" }, "Parameters ", make("span", { class: "dim" }, "a JSON object")),
        this.#parameters,
      );
    const repeat =
      !model.decoupled &&
      button("Keep asking", () => this.#run((signal) => this.#repeat(signal)), {
        class: "quiet repeat",
        title: "Four requests at a time, until it is stopped: to see the charts move",
      });
    this.#form.replaceChildren(
      ...this.#entries.map((entry) => entry.element),
      labelled ?? "",
      make(
        "div",
        { class: "row" },
        make("button", { class: "main", type: "submit" }, "Predict"),
        make("span", { class: "dim keys" }, make("kbd", {}, "Ctrl"), " ", make("kbd", {}, "Enter")),
        make(
          "span",
          { class: "row end" },
          repeat,
          button("Stop", () => this.stop(), { class: "stop", hidden: true }),
        ),
      ),
    );
  }

  /** Do something that can be stopped, one thing at a time. */
  async #run(act) {
    const [key, stopping] = [this.#key, new AbortController()];
    this.#stopping = stopping;
    this.#show(true);
    try {
      await act(stopping.signal);
    } catch (fault) {
      // While it was under way another model may have been chosen.
      if (key !== this.#key) return;
      if (fault.name === "AbortError") this.#answer.stop();
      else this.#answer.fail(fault, fault.isSent ?? false, fault.isAfter ?? false);
    } finally {
      stopping.abort(); // of several at once, one may have failed
      this.#stopping = null;
      this.#show(false);
    }
  }

  #show(isBusy) {
    const submit = this.#form.querySelector("[type=submit]");
    if (!submit) return;
    submit.disabled = isBusy;
    this.#form.querySelector(".stop").hidden = !isBusy;
    const repeat = this.#form.querySelector(".repeat");
    if (repeat) repeat.hidden = isBusy;
  }

  async #once(signal) {
    const { question, body } = await this.#question();
    this.#answer.ask(question, body);
    await sent(async () =>
      question.isStream ? this.#listen(question, body, signal) : this.#answer.show(await outcome(question, body, signal)),
    );
  }

  async #repeat(signal) {
    const { question, body } = await this.#question();
    this.#answer.ask(question, body);
    let shown = 0;
    const asking = async () => {
      while (!signal.aborted) {
        const answer = await outcome(question, body, signal);
        if (performance.now() - shown < SHOWN_EVERY_MS) continue;
        shown = performance.now();
        this.#answer.show(answer);
      }
    };
    await sent(() => Promise.all(Array.from({ length: AT_ONCE }, asking)));
  }

  async #listen(question, body, signal) {
    const begin = performance.now();
    const response = await send(question.path, question.query, body, signal);
    const { part, end } = this.#answer.stream();
    try {
      for await (const event of events(response)) part(question.result(event));
    } catch (fault) {
      fault.isAfter = true;
      throw fault;
    } finally {
      end(performance.now() - begin);
    }
  }

  async #question() {
    const values = await Promise.all(this.#entries.map((entry) => entry.value()));
    const parameters = this.#parameters?.value.trim() ?? "";
    try {
      if (parameters) JSON.parse(parameters);
    } catch (error) {
      throw new Fault(`the parameters are no JSON: ${error.message}`);
    }
    const question = new Question(
      this.#model,
      Object.fromEntries(values.map((value, place) => [this.#entries[place].name, value])),
      parameters,
    );
    return { question, body: await question.body() };
  }
}

/** The faults of what is done were met on the way, not before it. */
async function sent(act) {
  try {
    return await act();
  } catch (fault) {
    fault.isSent = true;
    throw fault;
  }
}

/** {result, stages, milliseconds} of a question. */
async function outcome(question, body, signal) {
  const begin = performance.now();
  const response = await send(question.path, question.query, body, signal);
  const answer = await read(response);
  const milliseconds = performance.now() - begin;
  return { result: question.result(answer), stages: stagesOf(response.headers.get("Server-Timing")), milliseconds };
}
