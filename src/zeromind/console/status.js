// The line at the top: which pool this is and whether it answers.

export class Status {
  #line = document.getElementById("status");

  constructor(pool) {
    pool.addEventListener("seen", () => this.#show(`pool ${pool.info.id} · version ${pool.info.version.join(".")}`, "up"));
    pool.addEventListener("lost", (event) => this.#show(`${event.detail}: trying again`, "down"));
  }

  #show(text, state) {
    this.#line.className = state;
    // A status that is set anew is read out anew.
    if (this.#line.textContent !== text) this.#line.textContent = text;
  }
}
