/** The dialog that starts a training. */

import { onEnter, openDialog } from "./dialogs.js";
import { el, write } from "./dom.js";
import { recall, remember } from "./memory.js";
import { learnable } from "./panels_model.js";
import { lackWords } from "./weights.js";

const FEW = 3; // done slices below which a model learns little

/** @param {import("./store.js").Store} store */
export function openTraining(store) {
  if (store.training?.state === "running") return openRunning(store);
  const { slices, words } = learnable(store);
  const minutes = el("input", { type: "number", id: "train-minutes", min: 1, max: 1440, step: 1, value: recall("minutes", 30), required: true });
  let missing = null;
  const start = () => {
    if (!minutes.reportValidity()) return;
    remember("minutes", minutes.valueAsNumber);
    dialog.close();
    store.assistant.train(minutes.valueAsNumber, Boolean(missing));
  };
  onEnter(minutes, () => slices && (missing ? button.focus() : start())); // a download takes its own button
  const hint = slices < FEW ? [el("p", { class: "note warn", text: advice(slices) })] : [];
  const content = [
    el("p", { text: `The model learns from ${words}. It trains in the background: go on labelling meanwhile. When it is ready its proposals for the slice come by themselves.` }),
    ...hint,
    el("div", { id: "weights-missing", hidden: true }),
    el("label", { class: "row" }, el("span", { text: "Train for" }), minutes, el("span", { text: "minutes" })),
  ];
  const button = el("button", { class: "main", id: "start-training", text: "Train", disabled: !slices, on: { click: start } });
  const dialog = openDialog("Train a model", content, { id: "train-dialog", buttons: [button] });
  const look = async () => {
    missing = await store.assistant.missingWeights();
    const place = dialog.querySelector("#weights-missing");
    place.hidden = !missing;
    place.replaceChildren(...(missing ? lackWords(missing, look) : []));
    write(button, missing?.source ? "Download and train" : "Train");
    button.disabled = !slices || Boolean(missing && !missing.source);
  };
  look();
}

const advice = (slices) =>
  slices ? "A model from so few slices finds little; five or more give it a chance." : "Mark at least one slice as done first: only done slices say what is background.";

/** @param {import("./store.js").Store} store */
function openRunning(store) {
  const stop = el("button", { id: "stop-now", text: "Stop training", on: { click: () => { dialog.close(); store.assistant.stop(); } } });
  if (store.training.elsewhere) return openDialog("Train a model", [el("p", { text: `${store.training.message}.` })], { id: "train-dialog" });
  const text = "A training is running; its progress is in the model panel. Stopping keeps the best model so far, if there is one.";
  const dialog = openDialog("Train a model", [el("p", { text })], { id: "train-dialog", buttons: [stop] });
}
