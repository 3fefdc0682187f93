/** The slider through the stack: proposed slices as hollow marks, begun ones half as long and filled, done ones across. */

import { $, fitCanvas, oncePerFrame, set } from "./dom.js";

const PAD = 12; // CSS pixels above and below

/** @param {import("./store.js").Store} store */
export function attachSlider(store) {
  const slider = $("z-slider");
  const draw = oncePerFrame(() => show(store, slider));
  for (const event of ["state", "boxes", "slice", "theme"]) store.on(event, draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(draw).observe(slider);
  slider.addEventListener("pointerdown", (event) => {
    slider.setPointerCapture(event.pointerId);
    store.goTo(sliceAt(store, slider, event.clientY));
  });
  slider.addEventListener("pointermove", (event) => {
    if (slider.hasPointerCapture(event.pointerId)) store.goTo(sliceAt(store, slider, event.clientY));
  });
  slider.addEventListener("keydown", (event) => key(store, event));
}

function key(store, event) {
  const last = store.stack.shape[0] - 1;
  const page = Math.max(1, Math.round(last / 10));
  const { z } = store;
  const to = { ArrowDown: z + 1, ArrowRight: z + 1, ArrowUp: z - 1, ArrowLeft: z - 1, PageDown: z + page, PageUp: z - page, Home: 0, End: last };
  if (!(event.key in to)) return;
  event.preventDefault();
  event.stopPropagation();
  store.goTo(to[event.key]);
}

function sliceAt(store, slider, clientY) {
  const { top, height } = slider.getBoundingClientRect();
  return ((clientY - top - PAD) / (height - 2 * PAD)) * (store.stack.shape[0] - 1);
}

/** @param {import("./store.js").Store} store */
function show(store, slider) {
  const last = Math.max(1, store.stack.shape[0] - 1);
  set(slider, "aria-valuemax", store.stack.shape[0] - 1);
  set(slider, "aria-valuenow", store.z);
  const done = store.done.has(store.z) ? ", done" : "";
  set(slider, "aria-valuetext", `slice ${store.z}, ${store.boxesOn(store.z).length} boxes${done}`);
  const { context, width, height } = fitCanvas(slider.querySelector("canvas"));
  const y = (z) => PAD + (z / last) * (height - 2 * PAD);
  const style = getComputedStyle(slider);
  paintTrack(context, { width, height }, style.borderRightColor);
  paintMarks(context, store, { y, width, ink: style.color, accent: getComputedStyle(slider.querySelector(".thumb")).borderTopColor });
  slider.querySelector(".thumb").style.top = `${y(store.z)}px`;
}

function paintTrack(context, { width, height }, colour) {
  context.fillStyle = colour;
  context.fillRect(width / 2 - 1.5, PAD, 3, height - 2 * PAD);
}

function paintMarks(context, store, { y, width, ink, accent }) {
  const bar = (z, wide, high, colour) => {
    context.fillStyle = colour;
    context.fillRect((width - wide) / 2, y(z) - high / 2, wide, high);
  };
  context.strokeStyle = ink;
  context.lineWidth = 1;
  for (const z of store.proposed) {
    if (store.done.has(z) || store.boxesOn(z).length) continue;
    context.beginPath();
    context.arc(width / 2, y(z), 2.5, 0, 2 * Math.PI);
    context.stroke();
  }
  for (const z of store.bySlice().keys()) if (!store.done.has(z)) bar(z, 9, 3, ink);
  for (const z of store.done) bar(z, width - 10, 3, accent);
}
