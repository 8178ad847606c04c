// Requests to the pool that served this page.

import { parse, stringify } from "./json.js";
import { another, authorization, current, key } from "./key.js";

/** The pool's address: this module lies two folders beneath it, whatever prefix a proxy puts before. */
const ROOT = new URL("../..", import.meta.url);

/** What questions were refused, by address: nothing is asked twice of a pool that does not want to tell. */
const refused = new Map();
key.addEventListener("change", () => refused.clear());

/** A fault in the pool's own words; `request` is the id under which its logs know the request. */
export class Fault extends Error {
  request = null;

  constructor(message, code = null, status = null) {
    super(message);
    this.code = code;
    this.status = status;
  }

  toString() {
    const code = this.code === null ? "" : `error ${this.code}, `;
    return this.status ? `${this.message} (${code}HTTP ${this.status})` : this.message;
  }
}

export function address(path, query = {}) {
  const url = new URL(path, ROOT);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

/** The JSON that the pool answers to a question, or to what is posted: a Blob or a text of JSON as it is, else as JSON. Throws a Fault. */
export async function ask(path, query = {}, body = undefined, signal = undefined) {
  return read(await send(path, query, body, signal));
}

/** The pool's good answer. Throws a Fault for any other, at once for a question that this key was refused before. */
export async function send(path, query = {}, body = undefined, signal = undefined) {
  const url = address(path, query);
  if (body === undefined && refused.has(url.href)) throw refused.get(url.href);
  const options = { cache: "no-store", signal, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    options.method = "POST";
    options.body = body instanceof Blob || typeof body === "string" ? body : stringify(body);
    options.headers["Content-Type"] = body instanceof Blob ? body.type : "application/json";
  }
  let response, fault, used;
  do {
    used = current();
    response = await answer(url, { ...options, headers: { ...options.headers, ...authorization() } });
    if (response.ok) return response;
    fault = await refusal(response);
  } while (response.status === 401 && (await another(used, fault.message)));
  if (body === undefined && [401, 403].includes(response.status) && used === current()) refused.set(url.href, fault);
  throw fault;
}

async function answer(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    throw lost(error, "the pool cannot be reached");
  }
}

/** What a request or the reading of its answer failed of: a Fault, unless somebody gave it up. */
export function lost(error, sentence = "the pool broke off in the middle of its answer") {
  return error.name === "AbortError" ? error : new Fault(sentence);
}

/** The JSON of an answer. Throws a Fault. */
export async function read(response) {
  const text = await response.text().catch((error) => {
    throw lost(error);
  });
  try {
    return text ? parse(text) : {};
  } catch {
    throw new Fault(`the answer is no JSON (HTTP ${response.status})`);
  }
}

async function refusal(response) {
  const data = await read(response).catch(() => ({}));
  const fault = faultIn(data, response.status) ?? new Fault(`HTTP ${response.status}`);
  fault.request = response.headers.get("X-Request-Id");
  return fault;
}

/** The fault that an answer tells of, in 0Mind's dialect or another; null if it tells of none. */
export function faultIn(data, status = null) {
  const error = data?.errors?.[0];
  if (error) return new Fault(error.message, error.code, status);
  return typeof data?.error === "string" ? new Fault(data.error, null, status) : null;
}
