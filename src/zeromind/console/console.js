// The console: one pool, and the pages that show it. A new page is a class with an element, a title, show and hide, named here.

import { help } from "./page/help.js";
import { Route } from "./page/route.js";
import { Status } from "./page/status.js";
import { Activity } from "./pool/activity.js";
import { Pool } from "./pool/pool.js";
import { Load } from "./view/load.js";
import { Model } from "./view/model.js";
import { Models } from "./view/models.js";
import { System } from "./view/system.js";

const pool = new Pool();
const activity = new Activity(pool);
const route = new Route();
const views = {
  models: new Models(pool, activity),
  model: new Model(pool, activity),
  load: new Load(pool),
  system: new System(),
};
const main = document.querySelector("main");
let shown = null;

/** Show the page that the address names; what was typed on another one stays there. */
function show(isMoved) {
  const { parts } = route;
  const view = Object.hasOwn(views, parts[0]) ? views[parts[0]] : views.models;
  if (shown !== view) shown?.hide();
  if (shown !== view) main.replaceChildren(view.element);
  const isOther = shown !== view;
  shown = view;
  view.show(parts);
  document.title = `${view.title} · 0Mind`;
  for (const anchor of document.querySelectorAll("header nav a[data-page]")) {
    const isHere = anchor.dataset.page === (view === views.model ? "models" : parts[0]);
    if (isHere) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  // Who moves by keyboard goes on from the new page's beginning, and hears its name.
  if (isMoved && isOther) view.element.querySelector("h1").focus();
}

route.addEventListener("move", () => show(true));
new Status(pool);
help(pool);
show(false);
pool.watch();
activity.watch();
