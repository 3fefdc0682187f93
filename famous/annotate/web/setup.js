/** The first start: which classes, how large a voxel is, which slices to label. */

import { api } from "./api.js";
import { freeColour, nameFault } from "./classes.js";
import { onEnter, openDialog } from "./dialogs.js";
import { $, el, icon, set } from "./dom.js";
import { plural } from "./words.js";

const WHENCE = "The microscope's log or your colleague knows them.";

/** @param {import("./store.js").Store} store @returns {boolean} whether something has to be asked */
export function needsSetup(store) {
  return !store.classes.length || !store.stack.voxel_size_nm;
}

/**
 * What a voxel size makes one wonder, in words.
 * @param {number[]} sizes z, y, x in nm; NaN where nothing is written yet
 * @returns {{fault: boolean, text: string}}
 */
export function voxelHint([z, y, x]) {
  if (![z, y, x].every((size) => Number.isFinite(size))) return { fault: true, text: `Three numbers, in nm. ${WHENCE}` };
  if (![z, y, x].every((size) => size > 0)) return { fault: true, text: "Each is larger than 0." };
  if (Math.min(z, y, x) < 0.5) return { fault: false, text: "Less than half a nm: are these µm? 1 µm is 1000 nm." };
  if (Math.max(y, x) > 200 || z > 1000) return { fault: false, text: "That is coarse for electron microscopy: are these really nm?" };
  if (Math.abs(y - x) > 0.02 * Math.max(y, x)) return { fault: false, text: "y and x differ: pixels of a slice are nearly always square." };
  if (z < 0.9 * x) return { fault: false, text: "Slices thinner than a pixel is wide are rare: is the order z, y, x?" };
  const ratio = z / x;
  return { fault: false, text: ratio > 1.15 ? `Slices are ${ratio.toFixed(1)} times as thick as a pixel is wide.` : "Nearly the same in all directions." };
}

/** @param {import("./store.js").Store} store @param {{only?: "voxels"}} [how] */
export function openSetup(store, { only } = {}) {
  if ($("setup-dialog")) return;
  const asksClasses = only !== "voxels" && !store.classes.length;
  const asksVoxels = only === "voxels" || !store.stack.voxel_size_nm;
  const classes = asksClasses ? new ClassRows(store) : null;
  const voxels = asksVoxels ? new VoxelFields(store.stack.voxel_size_nm) : null;
  const fault = el("p", { class: "note error", role: "alert", hidden: true });
  const begin = async () => {
    const wrong = classes?.fault() || voxels?.refuse() || "";
    fault.textContent = wrong;
    fault.hidden = !wrong;
    if (wrong || !(await send(store, fault, classes, voxels))) return;
    dialog.close();
    if (asksClasses && store.proposed.length) store.goTo(store.proposed[0]);
  };
  const parts = [classes?.part, voxels?.part, asksClasses ? slicesPart(store) : null, fault].filter(Boolean);
  const later = el("button", { class: "quiet", text: asksClasses ? "Look around first" : "Later", on: { click: () => dialog.close() } });
  const main = el("button", { class: "main", id: "begin", text: asksClasses ? "Begin" : "Keep", on: { click: begin } });
  const dialog = openDialog(asksClasses ? "What do you want to label?" : "Voxel size", parts, { id: "setup-dialog", buttons: only ? [main] : [later, main] });
  dialog.addEventListener("input", () => (fault.hidden = true));
  for (const field of voxels?.fields ?? []) onEnter(field, begin);
}

/** @returns {Promise<boolean>} whether the server took it */
async function send(store, fault, classes, voxels) {
  try {
    const size = voxels ? voxels.value() : null;
    await store.between(() => api.setup({ classes: classes ? classes.value() : store.classes, voxel_size_nm: size }));
    return true;
  } catch (error) {
    fault.textContent = error.message;
    fault.hidden = false;
    return false;
  }
}

/** @param {import("./store.js").Store} store */
function slicesPart(store) {
  const { proposed } = store;
  const some = proposed.slice(0, 8).join(", ") + (proposed.length > 8 ? " and so on" : "");
  const text = `${plural(proposed.length, "slice")} of ${store.stack.shape[0]} are proposed, spread over the stack: ${some}. They are listed at the left; label them in any order, and others too.`;
  return el("fieldset", {}, el("legend", { text: "Slices to label" }), el("p", { class: "muted", text }));
}

class VoxelFields {
  /** @param {number[]|null} sizes */
  constructor(sizes) {
    const names = ["z (slice thickness)", "y", "x"];
    this.fields = names.map((name, axis) => el("input", { type: "number", step: "any", min: 0, id: `voxel-${"zyx"[axis]}`, value: sizes?.[axis] ?? "", "aria-label": `Voxel size in ${name}, nm` }));
    this.hint = el("p", { class: "note", "aria-live": "polite" });
    const labels = this.fields.map((field, axis) => el("label", {}, el("span", { text: "zyx"[axis] }), field));
    const note = sizes ? "Boxes stay as they are; lengths and volumes change." : "The file does not say how large a voxel is.";
    this.part = el("fieldset", {}, el("legend", { text: "Voxel size in nm" }), el("p", { class: "muted", text: note }), el("div", { class: "sizes" }, ...labels), this.hint);
    const [, y, x] = this.fields;
    let isOwn = Boolean(sizes);
    x.addEventListener("input", () => (isOwn = true));
    y.addEventListener("input", () => isOwn || (x.value = y.value)); // pixels are nearly always square
    for (const field of this.fields) field.addEventListener("input", () => this.tell());
    this.tell();
  }

  value() {
    return this.fields.map((field) => field.valueAsNumber);
  }

  tell() {
    this.hint.textContent = voxelHint(this.value()).text;
    for (const field of this.fields) set(field, "aria-invalid", null);
  }

  /** Mark what is missing or wrong, and go there. @returns {string} what it is; empty where nothing is */
  refuse() {
    const { fault, text } = voxelHint(this.value());
    if (!fault) return "";
    const wrong = this.fields.filter(({ valueAsNumber: size }) => !(size > 0));
    for (const field of wrong) set(field, "aria-invalid", "true");
    wrong[0].focus();
    this.hint.textContent = ""; // it is said below
    const isMissing = wrong.some(({ valueAsNumber: size }) => !Number.isFinite(size));
    return isMissing ? `The voxel size is missing: give three numbers in nm, z, y and x. ${WHENCE}` : `The voxel size is wrong. ${text}`;
  }
}

class ClassRows {
  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.palette = store.palette;
    this.rows = el("div", { class: "rows" });
    const chips = Object.entries(store.presets).map(([name, classes]) =>
      el("button", { type: "button", text: name, data: { preset: name }, title: classes.map((entry) => entry.name).join(", "), on: { click: () => this.fill(classes) } }));
    const add = el("button", { type: "button", class: "quiet", id: "add-row", on: { click: () => this.add(this.fresh()).focus() } }, icon("plus"), "Add a class");
    const hint = el("p", { class: "muted", text: "Start from a cell of the paper, or write your own. Everything can be changed later." });
    this.part = el("fieldset", {}, el("legend", { text: "Classes" }), hint, el("div", { class: "chips" }, ...chips), this.rows, el("div", {}, add));
    this.add(this.fresh());
  }

  fresh() {
    return { name: "", color: freeColour(this.palette, this.value().map(({ color }) => color)) };
  }

  fill(classes) {
    this.rows.replaceChildren();
    for (const entry of classes) this.add(entry);
  }

  add({ name, color }) {
    const colour = el("input", { type: "color", value: color, "aria-label": "Colour" });
    const field = el("input", { type: "text", value: name, maxlength: 100, placeholder: "for example mitochondrion", "aria-label": "Name of the class", autocomplete: "off" });
    const remove = el("button", { type: "button", class: "quiet icon", "aria-label": "Remove this row", on: { click: () => row.remove() } }, icon("close"));
    const row = el("div", { class: "row" }, colour, field, remove);
    onEnter(field, () => field.value.trim() && this.add(this.fresh()).focus());
    this.rows.append(row);
    return field;
  }

  value() {
    return [...this.rows.children]
      .map((row) => ({ name: row.children[1].value.trim(), color: row.children[0].value.toLowerCase() }))
      .filter(({ name }) => name);
  }

  fault() {
    const classes = this.value();
    if (!classes.length) return "Name at least one class.";
    const names = classes.map(({ name }) => name);
    return names.map((name, i) => nameFault(name, names.slice(0, i))).find(Boolean) ?? "";
  }
}
