/** One class in a dialog: its name, colour and place, or out with it. */

import { onEnter, openDialog } from "./dialogs.js";
import { el, set } from "./dom.js";

const LONGEST = 100;

/** Why a name cannot be a class's, or "". @param {string} name @param {string[]} others */
export function nameFault(name, others) {
  if (!name) return "A class needs a name.";
  if (name.length > LONGEST) return `A name has at most ${LONGEST} letters.`;
  if (name.startsWith("#")) return "A name does not start with #.";
  return others.includes(name) ? "There is a class of this name already." : "";
}

/** The first colour of the palette that no class has. @param {import("./store.js").Store} store */
export function freeColour(palette, taken) {
  return palette.find((colour) => !taken.includes(colour)) ?? palette[taken.length % Math.max(1, palette.length)] ?? "#e69f00";
}

/**
 * A palette of colours that colour-blind readers tell apart, and any other.
 * @param {string[]} palette @param {string} chosen @returns {HTMLElement & {value: string}}
 */
export function colourField(palette, chosen) {
  const own = el("input", { type: "color", value: chosen, "aria-label": "Any other colour", title: "Any other colour" });
  const buttons = palette.slice(0, 16).map((colour) => {
    const dot = el("i");
    dot.style.background = colour;
    return el("button", { type: "button", class: "quiet", "aria-label": `Colour ${colour}`, data: { colour }, on: { click: () => pick(colour) } }, dot);
  });
  const field = el("div", { class: "colours", role: "group", "aria-label": "Colour" }, ...buttons, own);
  const pick = (colour) => {
    field.value = own.value = colour.toLowerCase();
    for (const button of buttons) set(button, "aria-pressed", String(button.dataset.colour === field.value));
  };
  own.addEventListener("input", () => pick(own.value));
  pick(chosen);
  return field;
}

/** @param {import("./store.js").Store} store @param {string|null} name null: a new one */
export function openClass(store, name) {
  const entry = store.classes.find((one) => one.name === name);
  const others = store.classes.map((one) => one.name).filter((one) => one !== name);
  const colour = colourField(store.palette, entry?.color ?? freeColour(store.palette, store.classes.map((one) => one.color)));
  const field = el("input", { type: "text", value: name ?? "", maxlength: LONGEST, "aria-label": "Name", autocomplete: "off" });
  const fault = el("p", { class: "note error", role: "alert", hidden: true });
  const keep = () => {
    const wanted = field.value.trim();
    fault.textContent = nameFault(wanted, others);
    fault.hidden = !fault.textContent;
    if (fault.textContent) return field.focus();
    dialog.close();
    change(store, name, { name: wanted, color: colour.value });
  };
  onEnter(field, keep);
  const content = [el("label", { class: "row" }, el("span", { text: "Name" }), field), fault, colour];
  if (entry) content.push(...moreOf(store, name, () => dialog.close()));
  const buttons = [el("button", { class: "main", id: "keep-class", text: entry ? "Keep" : "Add", on: { click: keep } })];
  const dialog = openDialog(entry ? "Class" : "New class", content, { id: "class-dialog", buttons });
  field.select();
  return dialog;
}

/** @param {import("./store.js").Store} store @param {string|null} name @param {{name: string, color: string}} wanted */
function change(store, name, wanted) {
  if (name === null) {
    if (store.setClasses(`add class ${wanted.name}`, [...store.classes, wanted])) store.setClass(wanted.name);
    return;
  }
  if (wanted.name !== name) store.renameClass(name, wanted.name);
  const classes = store.classes.map((entry) => (entry.name === wanted.name ? wanted : entry));
  store.setClasses(`recolour ${wanted.name}`, classes);
}

/** Order and removal. @param {import("./store.js").Store} store @param {string} name @param {() => void} close */
function moreOf(store, name, close) {
  const at = () => store.classes.findIndex((entry) => entry.name === name);
  const count = [...store.boxes.values()].filter((box) => box.class === name).length;
  const place = el("span", { class: "muted" });
  const up = el("button", { type: "button", text: "Up", id: "class-up" });
  const down = el("button", { type: "button", text: "Down", id: "class-down" });
  const tell = () => {
    place.textContent = at() < 9 ? `Number key ${at() + 1}` : "No number key";
    up.disabled = at() === 0;
    down.disabled = at() === store.classes.length - 1;
  };
  const move = (step) => () => {
    const classes = [...store.classes];
    const [entry] = classes.splice(at(), 1);
    classes.splice(store.classes.indexOf(entry) + step, 0, entry);
    store.setClasses(`move ${name}`, classes);
    tell();
  };
  up.addEventListener("click", move(-1));
  down.addEventListener("click", move(1));
  const remove = el("button", { type: "button", id: "remove-class", text: "Remove class", disabled: count > 0 });
  remove.addEventListener("click", () => {
    close();
    store.setClasses(`remove class ${name}`, store.classes.filter((entry) => entry.name !== name));
  });
  tell();
  const why = count ? `In use by ${count === 1 ? "one box" : `${count} boxes`}: it cannot be removed.` : "No box has this class.";
  return [el("div", { class: "row" }, up, down, place), el("div", { class: "row" }, remove, el("span", { class: "muted", text: why }))];
}

