// The keys that work everywhere: a list of them, and a box that leads to any page.

import { make } from "./element.js";
import { shown } from "./question.js";
import { link } from "./route.js";

const KEYS = [
  [["/"], ["Ctrl", "K"], "go to a model or a page"],
  [["?"], "this list"],
  [["Ctrl", "Enter"], "send the form"],
  [["←"], ["→"], "on a chart: read its values, one after the other"],
  [["Tab"], "the next thing; everything can be reached"],
  [["Esc"], "close what is open"],
];
const PAGES = [
  ["Models", link("models")],
  ["Load a model", link("load")],
  ["System", link("system")],
];
const OF_A_MODEL = [
  ["", "overview"],
  ["try", "try it"],
  ["log", "logs"],
  ["task", "task"],
];
const MOST = 12;

/** Listen for the keys, and for the buttons that do the same. */
export function help(pool) {
  document.getElementById("go-button").addEventListener("click", () => go(pool));
  document.getElementById("help-button").addEventListener("click", list);
  addEventListener("keydown", (event) => {
    const isTyping =
      /^(input|textarea|select)$/i.test(event.target.tagName) && event.target.type !== "radio" && event.target.type !== "checkbox";
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "k" && (event.ctrlKey || event.metaKey)) act(event, () => go(pool));
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") act(event, () => go(pool));
    if (event.key === "?") act(event, list);
  });
}

function act(event, deed) {
  event.preventDefault();
  deed();
}

function list() {
  const rows = KEYS.map((parts) => {
    const keys = parts.slice(0, -1).flatMap((keys, place) => [place ? " or " : "", ...keys.flatMap((key) => [make("kbd", {}, key), " "])]);
    return make("div", {}, make("dt", {}, ...keys), make("dd", {}, parts[parts.length - 1]));
  });
  shown("help", "Keys", make("dl", { class: "facts" }, ...rows));
}

/** A box with everything that can be gone to; typing narrows it, Enter goes to the first. */
function go(pool) {
  const targets = [
    ...PAGES,
    ...pool.models.flatMap(({ id }) =>
      OF_A_MODEL.map(([tab, word]) => [`${id}: ${word}`, tab ? link("model", id, tab) : link("model", id)]),
    ),
  ];
  const found = make("ul", { class: "plain found" });
  const text = make("input", {
    type: "search",
    "aria-label": "Go to",
    placeholder: "Go to a model or a page",
    autofocus: true,
    oninput: () => show(),
  });
  const show = () => {
    const words = text.value.toLowerCase().split(/\s+/);
    const fitting = targets.filter(([name]) => words.every((word) => name.toLowerCase().includes(word)));
    found.replaceChildren(
      ...fitting.slice(0, MOST).map(([name, href]) => make("li", {}, make("a", { href, onclick: () => dialog.close() }, name))),
    );
  };
  const dialog = make(
    "dialog",
    { id: "go", "aria-label": "Go to" },
    make("form", { class: "stack", onsubmit: (event) => act(event, () => found.querySelector("a")?.click()) }, text, found),
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const places = [text, ...found.querySelectorAll("a")];
    act(event, () => places[(places.indexOf(document.activeElement) + step + places.length) % places.length].focus());
  });
  document.body.append(dialog);
  show();
  dialog.showModal();
}
