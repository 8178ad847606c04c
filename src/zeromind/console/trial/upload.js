// A file for filters that take other files than pictures: chosen, dropped or pasted.

import { button, make } from "../page/element.js";
import { bytes } from "../page/words.js";
import { Fault } from "../pool/request.js";

export class Upload {
  #media;
  #file = null;
  #chooser;
  #caption = make("p", { class: "dim" });

  constructor({ name, media }) {
    this.#media = media;
    this.#chooser = make("input", {
      type: "file",
      accept: media.join(","),
      class: "unseen",
      "aria-label": `File for ${name}`,
      tabindex: -1,
    });
    this.#chooser.addEventListener("change", () => this.#take(this.#chooser.files[0]));
    this.#caption.textContent = `${media.join(", ")}: drop, paste or choose a file.`;
    const choose = button("Choose a file …", () => this.#chooser.click());
    this.element = make("div", { class: "stack upload", tabindex: 0 }, this.#caption, make("div", { class: "row" }, choose), this.#chooser);
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#take(event.dataTransfer.files[0]);
    });
    this.element.addEventListener("paste", (event) => this.#take(event.clipboardData.files[0]));
  }

  /** The file. Throws a Fault while there is none. */
  async blob() {
    if (!this.#file) throw new Fault("there is no file yet: drop, paste or choose one");
    return this.#file;
  }

  #take(file) {
    if (!file) return;
    // Systems know some types by other names; where there is one only, it is that.
    const isKnown = this.#media.includes(file.type) || this.#media.length > 1;
    this.#file = isKnown ? file : new File([file], file.name, { type: this.#media[0] });
    this.#caption.textContent = `${file.name}, ${bytes(file.size)}: it is sent as it is.`;
  }
}
