/** Messages over the slice: they go by themselves, errors only when they are closed. */

import { $, el, icon } from "./dom.js";

const STAY_MS = { info: 5000, warn: 9000 };
const MOST = 4;

/** @param {import("./store.js").Store} store */
export function attachToasts(store) {
  store.on("say", ({ text, kind }) => show(text, kind));
}

function show(text, kind) {
  const box = $("toasts");
  const same = [...box.children].find((toast) => toast.dataset.text === text);
  same?.remove();
  const close = el("button", { class: "quiet icon", "aria-label": "Close this message", on: { click: () => toast.remove() } }, icon("close"));
  const toast = el("div", { class: `toast ${kind}`, role: kind === "error" ? "alert" : null, data: { text } }, el("span", { text }), close);
  box.append(toast);
  while (box.children.length > MOST) box.firstChild.remove();
  if (STAY_MS[kind]) leaveAfter(toast, STAY_MS[kind]);
}

/** Go after a while, but not while the user reads with the pointer or the focus on it. */
function leaveAfter(toast, wait) {
  setTimeout(() => {
    if (toast.matches(":hover, :focus-within")) leaveAfter(toast, 1500);
    else toast.remove();
  }, wait);
}
