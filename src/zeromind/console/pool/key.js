// The API key, where the pool needs one: asked for when it first says so, and kept as long as the tab.

import { note } from "../page/element.js";

const NAME = "zeromind-key";
const dialog = document.getElementById("key");
const text = document.getElementById("key-text");
const button = document.getElementById("key-button");
let asking = null;
let declined = false;

/** Says "change" when there is another key. */
export const key = new EventTarget();

button.hidden = current() === null; // of a key that is kept another one may be wanted
document.getElementById("key-cancel").addEventListener("click", () => dialog.close("no"));
button.addEventListener("click", () => {
  declined = false;
  open("");
});

/** The key that is used; null without one. */
export function current() {
  return sessionStorage.getItem(NAME);
}

/** The header fields that carry it. */
export function authorization() {
  const value = current();
  return value === null ? {} : { Authorization: `Bearer ${value}` };
}

/** The pool refused a request that had the key `used`, for a reason: whether there is another one to try. Asks once, however many wait. */
export async function another(used, reason) {
  button.hidden = false;
  if (current() !== used) return true;
  if (declined) return false;
  return open(used === null ? "" : reason);
}

function open(reason) {
  asking ??= new Promise((done) => {
    note(document.getElementById("key-reason"), reason, true);
    text.value = "";
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => done(close()), { once: true });
    dialog.showModal();
  });
  return asking;
}

function close() {
  asking = null;
  // Header fields are ASCII; what else was pasted is no key.
  const value = text.value.replace(/[^!-~]/g, "");
  text.value = "";
  declined = dialog.returnValue !== "yes" || value === "";
  if (declined) return false;
  sessionStorage.setItem(NAME, value);
  key.dispatchEvent(new Event("change"));
  return true;
}
