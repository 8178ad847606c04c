// The line at the top: which pool this is and whether it answers.

import { say } from "./element.js";

export class Status {
  #line = document.getElementById("status");

  constructor(pool) {
    pool.addEventListener("seen", () => this.#show(`pool ${pool.info.id} · version ${pool.info.version.join(".")}`, "up"));
    pool.addEventListener("lost", (event) => this.#show(`${event.detail}${event.detail.status === 403 ? "" : ": trying again"}`, "down"));
  }

  #show(text, state) {
    this.#line.className = state;
    say(this.#line, text);
  }
}
