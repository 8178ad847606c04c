// A square that takes pictures, chosen, dropped or pasted; where the model looks at a small one without colours, it is drawn on, too.

import { button, make } from "../page/element.js";
import { Fault } from "../pool/request.js";

const SIDE = 280;
const BRUSH = 22;
const LARGEST_DRAWN = 64;
const TAKEN = ["image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif"];

/** Whether any of some media are pictures that can be looked at here. */
export function takes(media) {
  return media.some((type) => TAKEN.includes(type));
}

export class Pad {
  #canvas = make("canvas", { width: SIDE, height: SIDE, tabindex: 0, role: "img" });
  #brush = this.#canvas.getContext("2d", { willReadFrequently: true });
  #isDrawn;
  #chooser = make("input", { type: "file", accept: TAKEN.join(","), class: "unseen", "aria-label": "Picture", tabindex: -1 });
  #caption = make("p", { class: "dim" });
  #file = null;
  #last = null;

  constructor(input) {
    const canvas = this.#canvas;
    this.#isDrawn = isSmallAndGrey(input);
    canvas.setAttribute(
      "aria-label",
      this.#isDrawn ? "Drawing area: draw with mouse, pen or finger, or paste or drop a picture" : "Picture: paste or drop one",
    );
    if (this.#isDrawn) {
      canvas.addEventListener("pointerdown", (event) => this.#press(event));
      canvas.addEventListener("pointermove", (event) => this.#move(event));
      for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (this.#last = null));
    } else {
      canvas.classList.add("shown");
      canvas.addEventListener("click", () => this.#chooser.click());
    }
    this.#chooser.addEventListener("change", () => this.#take(this.#chooser.files[0]));
    this.element = make(
      "div",
      { class: "pad" },
      canvas,
      make(
        "div",
        { class: "stack" },
        this.#caption,
        make(
          "div",
          { class: "row" },
          button("Choose a picture …", () => this.#chooser.click()),
          button("Clear", () => this.clear(), { class: "clear" }),
        ),
        this.#chooser,
      ),
    );
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#take(event.dataTransfer.files[0]);
    });
    this.element.addEventListener("paste", (event) => this.#take(event.clipboardData.files[0]));
    this.clear();
  }

  /** Black, with nothing on it. */
  clear() {
    this.#file = null;
    this.#chooser.value = "";
    this.#brush.fillStyle = "#000";
    this.#brush.fillRect(0, 0, SIDE, SIDE);
    this.#say(this.#isDrawn ? "Draw here, or drop or paste a picture." : "Drop, paste or choose a picture.");
  }

  /** The picture: the chosen file untouched, or the drawing as PNG. Throws a Fault where there is neither. */
  async blob() {
    if (!this.#file && !this.#isDrawn) throw new Fault("there is no picture yet: drop, paste or choose one");
    return this.#file ?? new Promise((done) => this.#canvas.toBlob(done, "image/png"));
  }

  #say(text) {
    this.#caption.textContent = text;
  }

  #press(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.#canvas.focus();
    this.#canvas.setPointerCapture(event.pointerId);
    if (this.#file) this.#say("Your picture, drawn over.");
    this.#file = null;
    this.#last = this.#place(event);
    this.#dot(this.#last);
  }

  #move(event) {
    if (!this.#last) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) this.#stroke(this.#place(each));
  }

  /** Where an event is, in the canvas's own pixels, however large the page shows it. */
  #place(event) {
    const box = this.#canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
  }

  /** A line without length is not drawn, but a mere touch leaves a dot. */
  #dot([x, y]) {
    this.#brush.fillStyle = "#fff";
    this.#brush.beginPath();
    this.#brush.arc(x, y, BRUSH / 2, 0, 2 * Math.PI);
    this.#brush.fill();
  }

  #stroke(to) {
    const brush = this.#brush;
    brush.strokeStyle = "#fff";
    brush.lineWidth = BRUSH;
    brush.lineCap = brush.lineJoin = "round";
    brush.beginPath();
    brush.moveTo(...this.#last);
    brush.lineTo(...to);
    brush.stroke();
    this.#last = to;
  }

  async #take(file) {
    if (!file) return;
    this.clear();
    if (!TAKEN.includes(file.type)) return this.#say(`${file.name} is no PNG, JPEG, WEBP, BMP or GIF picture.`);
    try {
      const picture = await createImageBitmap(file);
      const share = Math.min(SIDE / picture.width, SIDE / picture.height);
      const [width, height] = [picture.width * share, picture.height * share];
      this.#brush.drawImage(picture, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
      this.#file = file;
      this.#say(`${file.name}, ${picture.width} × ${picture.height}: it is sent as it is.`);
    } catch {
      this.#say(`${file.name} cannot be read as a picture.`);
    }
  }
}

/** One channel, or no dimension of channels at all, and few pixels: then a thick brush makes what the model knows. */
function isSmallAndGrey({ shape }) {
  const sizes = shape.slice(1).filter((size) => size !== 1);
  const isFlat = shape.length === 2 && sizes.every((size) => size !== null && size <= LARGEST_DRAWN ** 2);
  return isFlat || (shape.length <= 4 && sizes.length <= 2 && sizes.every((size) => size !== null && size <= LARGEST_DRAWN));
}
