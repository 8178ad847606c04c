// The fields of a task that most tasks need, in step with the task as JSON.

import { button, make, note, notice } from "../page/element.js";
import { parse, stringify } from "../pool/json.js";

const INSTALL = /^[a-z0-9]+$/;

export class Form {
  #fields = {
    id: make("input", { type: "text", id: "task-id", autocomplete: "off", spellcheck: "false", maxlength: 128, placeholder: "iris" }),
    model_file: make("input", { type: "text", id: "task-file", autocomplete: "off", spellcheck: "false", placeholder: "models/iris.onnx" }),
    model_type: make("select", { id: "task-type" }, make("option", { value: "" }, "as its content tells")),
    instances: make("input", { type: "number", id: "task-instances", min: 1, max: 64, placeholder: "1" }),
  };
  #filters = make("div", { class: "stack" });
  #known = make("datalist", { id: "known-filters" });
  #json = make("textarea", {
    id: "task",
    rows: 14,
    spellcheck: "false",
    autocomplete: "off",
    "aria-label": "The task as JSON",
    placeholder: '{"id": "iris", "model_file": "models/iris.onnx"}',
  });
  #wrong = notice();
  #task = {};

  constructor() {
    const field = (name, label, hint) =>
      make(
        "div",
        {},
        make("label", { for: this.#fields[name].id }, label, hint && make("span", { class: "dim" }, ` ${hint}`)),
        this.#fields[name],
      );
    this.element = make(
      "div",
      { class: "halves" },
      make(
        "div",
        { class: "stack" },
        field("id", "Id", "under which it is asked"),
        field("model_file", "File or folder", "on the server"),
        field("model_type", "Model type"),
        field("instances", "Instances", "workers that hold it"),
        make(
          "fieldset",
          { class: "stack" },
          make(
            "legend",
            {},
            "Filters ",
            make("span", { class: "dim" }, "between clients and tensors; zeromind inspect FILE tells their names"),
          ),
          this.#filters,
          make(
            "div",
            { class: "row" },
            button("Add a filter", () => this.#addFilter("input", "", ""), { class: "more" }),
          ),
        ),
        this.#known,
      ),
      make(
        "div",
        { class: "stack" },
        make(
          "div",
          {},
          make("label", { for: "task" }, "The task ", make("span", { class: "dim" }, "as JSON; every other key goes here")),
          this.#json,
        ),
        this.#wrong,
      ),
    );
    for (const element of Object.values(this.#fields)) element.addEventListener("input", () => this.#write());
    this.#filters.addEventListener("input", () => this.#write());
    this.#json.addEventListener("input", () => this.#read());
  }

  /** Offer these types of models, {name: version or null}, and filters. */
  offer(adapters, filters) {
    const chosen = this.#fields.model_type.value;
    const options = Object.entries(adapters).map(([name, version]) => {
      const hint = version === null ? `: not installed${INSTALL.test(name) ? ` (pip install 'zeromind[${name}]')` : ""}` : "";
      return make("option", { value: name, disabled: version === null }, `${name}${hint}`);
    });
    this.#fields.model_type.replaceChildren(this.#fields.model_type.options[0], ...options);
    this.#fields.model_type.value = chosen;
    this.#known.replaceChildren(...filters.map((name) => make("option", { value: name })));
  }

  /** Show a task. */
  fill(task) {
    this.#task = task;
    this.#json.value = stringify(task, 2);
    this.#spread();
  }

  /** The JSON text as it stands. */
  get text() {
    return this.#json.value;
  }

  #addFilter(side, tensor, filter) {
    const settings = typeof filter === "object" ? stringify(filter) : filter;
    const row = make(
      "div",
      { class: "row filter-row" },
      make(
        "select",
        { "aria-label": "Side" },
        ...["input", "output"].map((word) => make("option", { value: word, selected: word === side }, word)),
      ),
      make("input", {
        type: "text",
        "aria-label": "Name of the tensor",
        placeholder: "name of the tensor",
        value: tensor,
        spellcheck: "false",
      }),
      make("input", {
        type: "text",
        "aria-label": "Filter",
        placeholder: "image.ImageFilter",
        list: "known-filters",
        value: settings,
        spellcheck: "false",
      }),
      button(
        "Remove",
        () => {
          row.remove();
          this.#write();
        },
        { class: "quiet" },
      ),
    );
    this.#filters.append(row);
    return row;
  }

  /** From the fields into the JSON; keys without a field stay. */
  #write() {
    const task = { ...this.#task };
    for (const [name, field] of Object.entries(this.#fields)) {
      if (field.value === "") delete task[name];
      else task[name] = name === "instances" ? Number(field.value) : field.value;
    }
    delete task.input_filters;
    delete task.output_filters;
    for (const row of this.#filters.children) {
      const [side, tensor, filter] = [...row.querySelectorAll("select, input")].map((field) => field.value.trim());
      if (!tensor || !filter) continue;
      const all = (task[`${side}_filters`] ??= {});
      (all[tensor] ??= []).push(parsed(filter));
    }
    this.#task = task;
    this.#json.value = stringify(task, 2);
    note(this.#wrong, "");
  }

  /** From the JSON into the fields, where it is a task. */
  #read() {
    try {
      const task = parse(this.#json.value || "{}");
      if (typeof task !== "object" || task === null || Array.isArray(task)) throw new Error("it is no object");
      this.#task = task;
      this.#spread();
      note(this.#wrong, "");
    } catch (error) {
      note(this.#wrong, `no task yet: ${error.message}`);
    }
  }

  #spread() {
    const { model_type: type } = this.#fields;
    const wanted = this.#task.model_type;
    if (typeof wanted === "string" && ![...type.options].some((option) => option.value === wanted))
      type.append(make("option", { value: wanted }, wanted));
    for (const [name, field] of Object.entries(this.#fields)) field.value = this.#task[name] ?? "";
    this.#filters.replaceChildren();
    for (const side of ["input", "output"]) {
      for (const [tensor, filters] of Object.entries(this.#task[`${side}_filters`] ?? {})) {
        for (const filter of Array.isArray(filters) ? filters : []) this.#addFilter(side, tensor, filter);
      }
    }
  }
}

/** A filter's id, or the object that also has its settings. */
function parsed(text) {
  try {
    return text.startsWith("{") ? parse(text) : text;
  } catch {
    return text;
  }
}
