// One question to a model: what is sent where, and the lines of curl and Python that send the same.

import { address } from "../pool/request.js";
import { current } from "../pool/key.js";
import { takes } from "./pad.js";

const LONGEST_ARGUMENT = 1500;

/** `values` are, by input, {blob} of a picture or {text} of JSON; `parameters` is the JSON text of an object, or empty. */
export class Question {
  #model;
  #values;
  #parameters;

  constructor(model, values, parameters = "") {
    this.#model = model;
    this.#values = values;
    this.#parameters = parameters === "{}" ? "" : parameters;
    const isFlat = model.decoupled || this.#parameters;
    const generating = `v2/models/${encodeURIComponent(model.id)}/generate${model.decoupled ? "_stream" : ""}`;
    this.isStream = model.decoupled;
    this.path = isFlat ? generating : "model/predict";
    this.query = isFlat ? {} : { id: model.id };
  }

  /** A single picture is the body itself; beside other inputs it becomes {"image": base64}, as the picture filters take it. */
  async body() {
    const { picture } = this;
    if (picture && this.path === "model/predict") return picture;
    const members = [];
    for (const [name, { blob, text }] of Object.entries(this.#values)) {
      members.push(`${JSON.stringify(name)}: ${blob ? `[{"image": "${await base64(blob)}"}]` : text}`);
    }
    if (this.#parameters) members.push(`"parameters": ${this.#parameters}`);
    return `{${members.join(", ")}}`;
  }

  /** {output: value} of an answer or of a part of one. */
  result(answer) {
    if (this.path === "model/predict") return answer.result;
    const names = this.#model.outputs.map(({ name }) => name).filter((name) => Object.hasOwn(answer, name));
    return Object.fromEntries(names.map((name) => [name, answer[name]]));
  }

  /** The picture that is all there is to send; null for anything else. */
  get picture() {
    const values = Object.values(this.#values);
    const [{ blob }] = values.length === 1 ? values : [{}];
    return blob && (!this.#model.inputs[0].media.length || this.#model.inputs[0].media.includes(blob.type)) ? blob : null;
  }

  /** {line, files: {name: Blob}} for a POSIX shell; the files are those of which it speaks. */
  curl(body) {
    const isText = typeof body === "string";
    const isFile = !isText || body.length > LONGEST_ARGUMENT;
    const name = isText ? "request.json" : nameOf(body);
    const parts = ["curl", ...(this.isStream ? ["-N"] : []), "-H", quoted(`Content-Type: ${isText ? "application/json" : body.type}`)];
    if (current() !== null) parts.push('-H "Authorization: Bearer $ZEROMIND_KEY"'); // the key itself is nobody's to look at
    parts.push(isFile ? "--data-binary" : "-d", quoted(isFile ? `@${name}` : body), quoted(address(this.path, this.query)));
    return { line: parts.join(" "), files: isFile ? { [name]: isText ? new Blob([body], { type: "application/json" }) : body } : {} };
  }

  /** The same for Python. */
  python() {
    const { picture } = this;
    if (picture && !this.isStream && !takes([picture.type])) return this.#upload(picture);
    const files = {};
    const literals = Object.entries(this.#values).map(([name, value]) => [name, this.#literal(name, value, files)]);
    const alone = literals.length === 1 && this.#values[literals[0][0]].blob;
    const given = alone ? literals[0][1] : `{${literals.map(([name, literal]) => `${string(name)}: ${literal}`).join(", ")}}`;
    const more = this.#parameters ? `, parameters=${literal(this.#parameters)}` : "";
    const base = address("").href.replace(/\/$/, "");
    const key = current() === null ? "" : ', key=os.environ["ZEROMIND_KEY"]';
    const call = `${string(this.#model.id)}, ${given}${more}`;
    const lines = [
      ...(given.includes("json.loads(") ? ["import json"] : []),
      ...(key ? ["import os"] : []),
      ...(Object.keys(files).length ? ["from pathlib import Path", ""] : key ? [""] : []),
      "from zeromind.client import Client",
      "",
      `with Client(${string(base)}${key}) as client:`,
      ...(this.isStream ? [`    for part in client.stream(${call}):`, "        print(part)"] : [`    print(client.predict(${call}))`]),
    ];
    return { line: lines.join("\n"), files };
  }

  /** For files that are no pictures, which have no form in the protocol that the client speaks. */
  #upload(file) {
    const key = current() === null ? "" : ', "Authorization": "Bearer " + os.environ["ZEROMIND_KEY"]';
    const lines = [
      ...(key ? ["import os"] : []),
      "from pathlib import Path",
      "from urllib.request import Request, urlopen",
      "",
      `headers = {"Content-Type": ${string(file.type)}${key}}`,
      `body = Path(${string(nameOf(file))}).read_bytes()`,
      `print(urlopen(Request(${string(address(this.path, this.query).href)}, body, headers), timeout=60).read().decode())`,
    ];
    return { line: lines.join("\n"), files: { [nameOf(file)]: file } };
  }

  #literal(name, { blob, text }, files) {
    if (blob) {
      files[nameOf(blob)] = blob;
      return `Path(${string(nameOf(blob))})`;
    }
    if (text.length <= LONGEST_ARGUMENT) return literal(text);
    const file = `${name.replace(/[^\w.-]/g, "_")}.json`;
    files[file] = new Blob([text], { type: "application/json" });
    return `json.loads(Path(${string(file)}).read_bytes())`;
  }
}

function nameOf(blob) {
  return blob.name ?? "drawing.png";
}

/** An argument for a POSIX shell. */
function quoted(text) {
  return `'${String(text).replaceAll("'", "'\\''")}'`;
}

/** A text as Python writes it: JSON's form is one of Python's too. */
function string(text) {
  return JSON.stringify(text);
}

/** JSON as a Python literal: the three words have other names there, and texts are written in the form that both read alike. */
function literal(text) {
  const words = { true: "True", false: "False", null: "None" };
  return text.replace(/"(?:[^"\\]|\\.)*"|\b(?:true|false|null)\b/g, (token) => words[token] ?? string(JSON.parse(token)));
}

async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}
