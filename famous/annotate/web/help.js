/** The short list of keys, and the work in five lines. */

import { openDialog } from "./dialogs.js";
import { $, el } from "./dom.js";

const STEPS = [
  "Draw a tight box round every organelle of your classes, on the slices listed at the left.",
  "Turn Slice done on when nothing is missing: only then what has no box counts as background.",
  "Train. The model proposes dashed boxes: accept the right ones, reject the others.",
  "Next slice goes where labels would teach the model most.",
  "Everything is saved as you go. Undo has no end.",
];

/** @param {import("./store.js").Store} store @param {{keys: string, does: string, group?: string}[]} keys */
export function attachHelp(store, keys) {
  store.on("help", () => {
    if (!$("help-dialog")) openHelp(keys);
  });
}

function openHelp(keys) {
  const groups = [...new Set(keys.map(({ group }) => group ?? "Keys"))];
  const parts = groups.map((group) => el("section", { class: "key-group" }, el("h3", { text: group }), listOf(keys.filter((key) => (key.group ?? "Keys") === group))));
  const steps = el("ol", { class: "notes" }, ...STEPS.map((text) => el("li", { text })));
  const dialog = openDialog("Keys and help", [steps, el("div", { class: "columns" }, ...parts)], { id: "help-dialog", wide: true });
  dialog.addEventListener("keydown", (event) => event.key === "?" && dialog.close());
}

function listOf(keys) {
  const pairs = keys.map(({ keys: chords, does }) => {
    const marks = chords.split(" / ").map((chord) => el("kbd", { text: chord }));
    return el("div", {}, el("dt", {}, ...marks), el("dd", { text: does }));
  });
  return el("dl", { class: "keys" }, ...pairs);
}
