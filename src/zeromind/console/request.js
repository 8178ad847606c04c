// Requests to the pool that served this page.

import { another, authorization, current } from "./key.js";

/** The pool's address: this module lies one folder beneath it, whatever prefix a proxy puts before. */
const ROOT = new URL("..", import.meta.url);

/** A fault in the pool's own words. */
export class Fault extends Error {
  constructor(message, code = null, status = null) {
    super(message);
    this.code = code;
    this.status = status;
  }

  toString() {
    return this.status ? `${this.message} (error ${this.code}, HTTP ${this.status})` : this.message;
  }
}

export function address(path, query = {}) {
  const url = new URL(path, ROOT);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

/** The JSON that the pool answers; `body` is posted: a Blob as it is, anything else as JSON. Throws a Fault. */
export async function ask(path, query = {}, body = undefined) {
  const options = { headers: { Accept: "application/json" }, cache: "no-store" };
  if (body !== undefined) {
    options.method = "POST";
    options.body = body instanceof Blob ? body : JSON.stringify(body);
    options.headers["Content-Type"] = body instanceof Blob ? body.type : "application/json";
  }
  let response, data, used;
  do {
    used = current();
    const headers = { ...options.headers, ...authorization() };
    try {
      response = await fetch(address(path, query), { ...options, headers });
    } catch {
      throw new Fault("the pool cannot be reached");
    }
    try {
      data = await response.json();
    } catch {
      throw new Fault(`the answer is no JSON (HTTP ${response.status})`);
    }
  } while (response.status === 401 && (await another(used, data?.errors?.[0]?.message ?? "")));
  const error = data?.errors?.[0];
  if (error) throw new Fault(error.message, error.code, response.status);
  if (!response.ok) throw new Fault(`HTTP ${response.status}`);
  return data;
}
