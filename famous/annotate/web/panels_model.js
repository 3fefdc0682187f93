/** The model: which one, its proposals on this slice, classes of it that the stack lacks, its training. */

import { freeColour } from "./classes.js";
import { $, el, oncePerFrame, set, write } from "./dom.js";
import { duration, plural, scoreWords } from "./words.js";

/** @param {import("./store.js").Store} store */
export function attachModel(store) {
  const { assistant } = store;
  $("propose").addEventListener("click", () => store.propose());
  $("propose-automatic").addEventListener("change", (event) => assistant.setAutomatic(event.target.checked));
  $("threshold").addEventListener("input", (event) => (store.proposalThreshold = event.target.valueAsNumber));
  $("threshold").addEventListener("keydown", (event) => event.stopPropagation());
  $("accept-all").addEventListener("click", () => store.acceptProposals(assistant.good.map(({ key }) => key)));
  $("reject-all").addEventListener("click", () => store.rejectProposals(store.proposals.map(({ key }) => key)));
  $("stop-training").addEventListener("click", () => assistant.stop());
  const draw = oncePerFrame(() => show(store));
  for (const event of ["state", "model", "proposals", "training", "slice", "class"]) store.on(event, draw);
  show(store);
}

const KIND = { trained: "trained on your boxes", packaged: "the one that ships" };

/** @param {import("./store.js").Store} store */
function show(store) {
  const { model, assistant, z } = store;
  $("model-none").hidden = Boolean(model);
  write($("model-none"), assistant.opening ? "Opening the model …" : "None yet. Label some slices, then press Train.");
  $("model-use").hidden = !model;
  write($("model-name"), model ? (KIND[model.kind] ?? model.kind) : "");
  set($("model-name"), "title", model ? `Version ${model.version}; classes: ${(model.classes ?? []).join(", ")}` : null);
  const asking = assistant.asking === z;
  $("propose").disabled = asking;
  write($("propose"), asking ? "Looking …" : "Propose");
  $("propose-automatic").checked = assistant.automatic;
  $("threshold").value = assistant.threshold;
  write($("threshold-value"), assistant.threshold.toFixed(2));
  const [good, all] = [assistant.good.length, store.proposals.length];
  $("accept-all").disabled = !good;
  write($("accept-all"), all ? `Accept ${good} of ${all}` : "Nothing proposed here");
  $("reject-all").disabled = !all;
  showUnknown(store);
  showTraining(store.training ?? {});
}

/** Say which of the model's classes the stack lacks, and offer to add them. @param {import("./store.js").Store} store */
function showUnknown(store) {
  const names = new Set(store.classes.map(({ name }) => name));
  const unknown = Object.entries(store.assistant.unknown).filter(([name]) => !names.has(name));
  const box = $("unknown");
  box.hidden = !unknown.length;
  const stamp = JSON.stringify([unknown, store.palette]);
  if (box.dataset.stamp === stamp) return;
  box.dataset.stamp = stamp;
  const lead = el("span", { class: "muted small", text: "Also found, but no class of yours:" });
  box.replaceChildren(lead, ...unknown.map(([name, count]) => offer(store, name, count)));
}

/** @param {import("./store.js").Store} store */
function offer(store, name, count) {
  const add = el("button", { class: "small", text: "Add class" });
  add.addEventListener("click", () => {
    const color = freeColour(store.palette, store.classes.map((entry) => entry.color));
    if (!store.setClasses(`add class ${name}`, [...store.classes, { name, color }])) return;
    store.settled().then((isSaved) => isSaved && store.propose());
  });
  return el("div", { class: "row" }, el("span", { class: "name", text: `${name} (${count})`, title: name }), add);
}

function showTraining({ state, epoch, epochs, loss, seconds_left: left, message, map50, map50_before: before, elsewhere }) {
  $("training").hidden = !["running", "failed", "done"].includes(state);
  $("stop-training").hidden = state !== "running" || Boolean(elsewhere);
  $("training-progress").hidden = state !== "running";
  const progress = $("training-progress");
  const isLearning = Boolean(epochs) && !message;
  if (isLearning) Object.assign(progress, { max: epochs, value: epoch ?? 0 });
  else progress.removeAttribute("value");
  const remaining = Number.isFinite(left) && left !== null ? `${duration(left)} left` : null;
  const words = {
    running: elsewhere ? [message] : [isLearning ? `Epoch ${epoch ?? 0} of ${epochs}` : aside(message), remaining],
    done: ["Trained", scoreWords(map50, before)],
    failed: ["Training failed", message],
  };
  write($("training-word"), (words[state] ?? []).filter(Boolean).join(" · "));
  set($("training-word"), "title", Number.isFinite(loss) && loss !== null ? `loss ${loss.toFixed(3)}` : null);
}

/** @param {string} [message] what is done before the first epoch or after the last, where that takes its time */
const aside = (message) => (message && message !== "getting ready" ? `${message} …` : "Training begins …");

/** How much there is to learn from. @param {import("./store.js").Store} store */
export function learnable(store) {
  const boxes = [...store.boxes.values()].filter(({ z }) => store.done.has(z)).length;
  return { slices: store.done.size, boxes, words: `${plural(store.done.size, "done slice")} with ${plural(boxes, "box", "boxes")}` };
}
