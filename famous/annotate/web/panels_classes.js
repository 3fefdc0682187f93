/** The classes: the current one, how many boxes here and in all, the number key; a dialog to change one. */

import { openClass } from "./classes.js";
import { $, el, icon, oncePerFrame, returnFocus, set, write } from "./dom.js";
import { openSetup } from "./setup.js";

/** @param {import("./store.js").Store} store */
export function attachClasses(store) {
  $("add-class").append(icon("plus"));
  $("add-class").addEventListener("click", () => openClass(store, null));
  $("classes").addEventListener("keydown", (event) => key(store, event));
  const draw = oncePerFrame(() => show(store));
  for (const event of ["state", "class", "boxes", "slice"]) store.on(event, draw);
  show(store);
}

function key(store, event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.matches(".pick")) return;
  event.preventDefault();
  event.stopPropagation();
  const at = store.classes.findIndex(({ name }) => name === store.className);
  const next = store.classes[(at + step + store.classes.length) % store.classes.length];
  store.setClass(next.name);
  show(store);
  $("classes").querySelector('[aria-checked="true"]')?.focus();
}

/** @param {import("./store.js").Store} store */
function show(store) {
  const here = store.countsOn(store.z);
  const all = new Map();
  for (const { class: name } of store.boxes.values()) all.set(name, (all.get(name) ?? 0) + 1);
  const box = $("classes");
  const stamp = JSON.stringify(store.classes);
  if (box.dataset.stamp !== stamp) {
    box.dataset.stamp = stamp;
    box.replaceChildren(...(store.classes.length ? store.classes.map((entry, i) => row(store, entry, i)) : [none(store)]));
  }
  if (!store.classes.length) return;
  store.classes.forEach(({ name }, i) => {
    const current = name === store.className;
    const line = box.children[i];
    line.classList.toggle("current", current);
    set(line.firstChild, "aria-checked", String(current));
    set(line.firstChild, "tabindex", current ? 0 : -1);
    write(line.querySelector(".count"), `${here.get(name) ?? 0} · ${all.get(name) ?? 0}`);
  });
}

/** @param {import("./store.js").Store} store */
function row(store, { name, color }, i) {
  const swatch = el("span", { class: "swatch" });
  swatch.style.background = color;
  const number = i < 9 ? el("kbd", { text: i + 1 }) : el("span");
  const pick = el("button", { class: "pick", role: "radio", title: i < 9 ? `${name} (key ${i + 1})` : name, data: { class: name } },
    number, swatch, el("span", { class: "name", text: name }), el("span", { class: "count" }));
  pick.addEventListener("click", (event) => {
    store.setClass(name);
    if (event.detail) returnFocus();
  });
  pick.addEventListener("dblclick", () => openClass(store, name));
  const more = el("button", { class: "quiet icon", "aria-label": `Change class ${name}`, title: "Rename, colour, order, remove", on: { click: () => openClass(store, name) } }, icon("more"));
  return el("div", { class: "class" }, pick, more);
}

/** @param {import("./store.js").Store} store */
function none(store) {
  const button = el("button", { class: "main", text: "Choose classes", on: { click: () => openSetup(store) } });
  return el("div", { class: "empty" }, el("p", { text: "No classes yet: what do you want to label?" }), button);
}
