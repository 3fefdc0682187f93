/** The top bar: which stack and slice, done or not, undo and redo, what is saved. */

import { openCounts } from "./counts.js";
import { $, el, icon, oncePerFrame, returnFocus, set, write } from "./dom.js";
import { openFiles } from "./files.js";
import { openTraining } from "./training.js";

/** @param {import("./store.js").Store} store */
export function attachTop(store) {
  for (const [id, name] of [["previous-slice", "left"], ["next-in-z", "right"], ["open-counts", "table"]]) $(id).append(icon(name));
  for (const which of ["undo", "redo"]) $(which).append(icon(which), el("span"));
  attachButtons(store);
  attachNumber(store);
  const draw = oncePerFrame(() => show(store));
  for (const event of ["state", "slice", "boxes", "saved", "training", "model"]) store.on(event, draw);
  show(store);
}

/** @param {import("./store.js").Store} store */
function attachButtons(store) {
  const click = (id, act) => $(id).addEventListener("click", act);
  click("previous-slice", () => store.goTo(store.z - 1));
  click("next-in-z", () => store.goTo(store.z + 1));
  click("undo", () => store.undo());
  click("redo", () => store.redo());
  click("done-switch", () => store.setDone(store.z, !store.done.has(store.z)));
  click("open-counts", () => openCounts(store));
  click("open-files", () => openFiles(store));
  click("open-train", () => openTraining(store));
  click("open-help", () => store.emit("help"));
}

/** @param {import("./store.js").Store} store */
function attachNumber(store) {
  const number = $("slice-number");
  const go = () => {
    if (number.value !== "" && Number.isFinite(number.valueAsNumber)) store.goTo(number.valueAsNumber);
    number.value = store.z;
  };
  number.addEventListener("change", go);
  number.addEventListener("focus", () => number.select());
  number.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Enter" && event.key !== "Escape") return;
    if (event.key === "Enter") go();
    returnFocus();
  });
}

/** @param {import("./store.js").Store} store */
function show(store) {
  const last = store.stack.shape[0] - 1;
  write($("stack-name"), store.stack.name);
  set($("stack-name"), "title", store.stack.name);
  document.title = `${store.stack.name} · famous annotate`;
  const number = $("slice-number");
  set(number, "max", last);
  if (document.activeElement !== number) number.value = store.z;
  write($("slice-of"), `/ ${last}`);
  set($("slice-of"), "title", `Slices are counted from 0 to ${last}`);
  $("previous-slice").disabled = store.z === 0;
  $("next-in-z").disabled = store.z === last;
  const done = store.done.has(store.z);
  set($("done-switch"), "aria-checked", String(done));
  write($("done-label"), done ? "Slice is done" : "Slice done");
  set($("done-switch"), "title", `${$("done-word").textContent} (D)`);
  const { undo, redo } = store.history.labels;
  showStep("undo", "Undo", undo, "Ctrl+Z");
  showStep("redo", "Redo", redo, "Ctrl+Shift+Z");
  showSaved(store);
  write($("open-train"), store.training?.state === "running" ? "Training …" : "Train");
}

function showStep(id, word, label, key) {
  const button = $(id);
  button.disabled = !label;
  write(button.lastChild, label ? `${word} ${label}` : word);
  set(button, "title", label ? `${word}: ${label} (${key})` : `Nothing to ${id}`);
}

const SAVED = { saved: "Saved", saving: "Saving …" };

/** @param {import("./store.js").Store} store */
function showSaved(store) {
  const box = $("saved");
  const state = store.saved.startsWith("offline") ? "offline" : store.saved;
  box.dataset.state = state;
  const count = store.queue.size;
  const away = count ? `Server away, ${count} ${count === 1 ? "edit waits" : "edits wait"}` : "Server away";
  write($("saved-word"), SAVED[state] ?? away);
  const where = state === "offline" ? "What you do is kept in this browser and sent when the server is back." : "Saved means: on the disk.";
  set(box, "title", where);
}
