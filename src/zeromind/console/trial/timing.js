// Where the time of one answer went, as the server tells it (Server-Timing) and as it felt here.

import { make } from "../page/element.js";
import { time } from "../page/words.js";

const WORDS = { queue: "queue", input: "input filters", model: "model", output: "output filters" };

/** Milliseconds by stage from the header's value; unknown ones are left out. */
export function stagesOf(header) {
  const stages = {};
  for (const metric of (header ?? "").split(",")) {
    const [name, ...parameters] = metric.split(";").map((part) => part.trim());
    const duration = parameters.find((part) => part.startsWith("dur="));
    if (WORDS[name] && duration) stages[name] = Number(duration.slice(4));
  }
  return stages;
}

/** A bar of the stages and what else there was: the way there and back, and this browser. */
export function timing(stages, milliseconds) {
  const known = Object.values(stages).reduce((all, one) => all + one, 0);
  const parts = [
    ...Object.keys(WORDS)
      .filter((name) => name in stages)
      .map((name, place) => [WORDS[name], stages[name], place + 1]),
  ];
  if (parts.length) parts.push(["on the way", Math.max(0, milliseconds - known), 0]);
  const bars = parts.map(([, duration, colour]) => {
    const bar = make("span", { class: `colour-${colour}` });
    bar.style.flexGrow = duration; // through the object model: the pages' policy forbids style attributes
    return bar;
  });
  return make(
    "div",
    { class: "timing" },
    parts.length > 0 && make("div", { class: "track", "aria-hidden": "true" }, ...bars),
    make(
      "ul",
      { class: "plain legend" },
      make("li", {}, "answered in ", make("b", {}, time(milliseconds / 1000))),
      ...parts.map(([word, duration, colour]) =>
        make("li", {}, make("i", { class: `swatch colour-${colour}` }), word, " ", make("b", {}, time(duration / 1000))),
      ),
    ),
  );
}
