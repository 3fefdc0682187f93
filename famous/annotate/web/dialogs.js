/** Dialogs: title, content, buttons; they close by Escape and give the focus back. */

import { el, icon } from "./dom.js";

/**
 * Make and open a dialog; it leaves the page when closed.
 * @param {string} title
 * @param {Node[]} content
 * @param {{id?: string, buttons?: HTMLElement[], wide?: boolean, onClose?: () => void}} [options]
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, content, { id, buttons = [], wide = false, onClose } = {}) {
  const close = () => dialog.close();
  const heading = el("h2", { text: title, id: `${id ?? "dialog"}-title` });
  const dialog = el(
    "dialog",
    { id, class: wide ? "wide" : null, "aria-labelledby": heading.id },
    el("div", { class: "dialog-head" }, heading, el("button", { class: "quiet icon", type: "button", "aria-label": "Close", on: { click: close } }, icon("close"))),
    el("div", { class: "dialog-body" }, ...content),
    buttons.length ? el("div", { class: "dialog-foot" }, ...buttons) : null,
  );
  const before = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected) before.focus({ preventScroll: true });
    onClose?.();
  });
  dialog.addEventListener("keydown", (event) => event.stopPropagation()); // the canvas keys sleep
  document.body.append(dialog);
  dialog.showModal();
  const first = dialog.querySelector("[autofocus], .dialog-body input, .dialog-body select, .dialog-foot button.main, .dialog-body button");
  (first ?? dialog.querySelector("button")).focus();
  return dialog;
}

/** Ask before something that cannot be seen coming. @returns {Promise<boolean>} */
export function confirmDialog(title, text, yes) {
  return new Promise((resolve) => {
    let answer = false;
    const agree = el("button", { class: "main", type: "button", text: yes, on: { click: () => { answer = true; dialog.close(); } } });
    const refuse = el("button", { class: "quiet", type: "button", text: "Cancel", on: { click: () => dialog.close() } });
    const dialog = openDialog(title, [el("p", { text })], { buttons: [refuse, agree], onClose: () => resolve(answer) });
  });
}

/** Do something on Enter; its press is then over, and does not click what has the focus next. */
export function onEnter(element, act) {
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    act();
  });
}
