// A question before a deed that cannot be undone.

import { button, make } from "./element.js";

/** Ask in a dialog; resolves to whether the answer is the deed's `word`. */
export function confirmed(text, word, otherwise) {
  return new Promise((done) => {
    const dialog = make(
      "dialog",
      { id: "confirm", "aria-labelledby": "confirm-text" },
      make(
        "form",
        { method: "dialog", class: "stack" },
        make("p", { id: "confirm-text" }, text),
        make(
          "div",
          { class: "row end" },
          make("button", { value: "no", autofocus: true }, otherwise),
          make("button", { value: "yes", class: "danger" }, word),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      done(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Show something in a dialog that Escape or its button closes. */
export function shown(id, title, ...children) {
  const dialog = make("dialog", { id, "aria-labelledby": `${id}-title` });
  dialog.append(
    make(
      "div",
      { class: "stack" },
      make("h2", { id: `${id}-title` }, title),
      ...children,
      make(
        "div",
        { class: "row end" },
        button("Close", () => dialog.close(), { autofocus: true }),
      ),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
