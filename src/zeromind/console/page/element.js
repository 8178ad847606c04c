// Elements made in one expression. Text goes in as text nodes only: nothing that a pool answers is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** make("button", {type: "button", onclick: act}, "Drop"); false and null attributes and children are left out, true ones are empty. */
export function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for an element of a drawing. */
export function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

/** A button of a word. */
export function button(word, act, attributes = {}) {
  return make("button", { type: "button", onclick: act, ...attributes }, word);
}

/** Show a sentence in a note, or hide the note. */
export function note(element, text, error = false) {
  element.textContent = text;
  element.classList.toggle("error", error);
  element.setAttribute("role", error ? "alert" : "status");
  element.hidden = !text;
}

/** A hidden note. */
export function notice() {
  return make("p", { class: "note", role: "status", hidden: true });
}

/** Set a text that is not there yet: what is set anew is read out anew, and loses its selection. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Children, of which those that are in place already stay untouched and keep their focus. */
export function arrange(parent, wanted) {
  for (const child of [...parent.children]) if (!wanted.includes(child)) child.remove();
  wanted.forEach((child, place) => {
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
}

/** Radio buttons, one of which is chosen: choices are {value: word}. */
export function choice(name, label, choices, chosen, choose) {
  const buttons = Object.entries(choices).map(([value, word]) =>
    make(
      "label",
      {},
      make("input", { type: "radio", name, value, checked: value === chosen, onchange: () => choose(value) }),
      make("span", {}, word),
    ),
  );
  return make("div", { class: "switch", role: "radiogroup", "aria-label": label }, ...buttons);
}

/** A button that copies what `text` gives at that time; the clipboard is there on https and localhost only, and else no button. */
export function copier(text) {
  const copy = button("Copy", async () => {
    await navigator.clipboard.writeText(text()).then(
      () => (copy.textContent = "Copied"),
      () => {},
    );
    setTimeout(() => (copy.textContent = "Copy"), 2000);
  });
  copy.classList.add("quiet", "copy");
  copy.hidden = !navigator.clipboard;
  return copy;
}

/** Let Ctrl+Enter (Cmd+Enter) in a form send the form. */
export function sendOnCtrlEnter(form) {
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
}
