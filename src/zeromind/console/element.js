// Elements made in one expression. Text goes in as text nodes only: nothing that a pool answers is ever read as HTML.

/** make("button", {type: "button", onclick: act}, "Drop"); false and null attributes are left out, true ones are empty. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Show a sentence in one of the page's notes, or hide the note. */
export function note(element, text, error = false) {
  element.textContent = text;
  element.classList.toggle("error", error);
  element.setAttribute("role", error ? "alert" : "status");
  element.hidden = !text;
}

/** Let Ctrl+Enter (Cmd+Enter) in a form's text areas send the form. */
export function sendOnCtrlEnter(form) {
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
}
