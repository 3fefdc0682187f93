/** Import and export of boxes, with what a format cannot hold said in words. */

import { api } from "./api.js";
import { openDialog } from "./dialogs.js";
import { el } from "./dom.js";
import { plural } from "./words.js";

const NAMES = { yolo: "YOLO", yolo_mark: "YOLO_mark", coco: "COCO", cvat: "CVAT", csv: "CSV" };
const SAVE_SOON_MS = 30_000; // how long the browser may take to fetch the download

/** @param {import("./store.js").Store} store */
export function openFiles(store) {
  const notes = el("div", { "aria-live": "polite", id: "file-notes" });
  openDialog("Import and export", [exportPart(store, notes), importPart(store, notes), notes], { id: "files-dialog" });
}

const option = (format) => el("option", { value: format, text: NAMES[format] ?? format });

/** @param {import("./store.js").Store} store */
function exportPart(store, notes) {
  const format = el("select", { id: "export-format", "aria-label": "Format" }, ...store.formats.map(option));
  const button = el("button", { class: "main", id: "export", text: "Export" });
  button.addEventListener("click", () => busy(button, notes, async () => {
    if (!(await store.settled())) throw new Error("The server is away, and an export holds only what is saved: try again when it is back.");
    const answer = await api.export(format.value);
    download(await answer.blob(), nameOf(answer, format.value));
    return ["Exported.", parseNotes(answer.headers.get("X-Notes"))];
  }));
  const text = `${plural(store.boxes.size, "box", "boxes")} on ${plural(store.bySlice().size, "slice")}.`;
  return el("fieldset", {}, el("legend", { text: "Export" }), el("p", { class: "muted", text }), el("div", { class: "row" }, format, button));
}

/** @param {import("./store.js").Store} store */
function importPart(store, notes) {
  const auto = el("option", { value: "auto", text: "Find the format out" });
  const format = el("select", { id: "import-format", "aria-label": "Format" }, auto, ...store.formats.map(option));
  const file = el("input", { type: "file", id: "import-file", "aria-label": "File" });
  const button = el("button", { id: "import", text: "Import", disabled: true });
  file.addEventListener("change", () => (button.disabled = !file.files.length));
  button.addEventListener("click", () => busy(button, notes, async () => {
    const { boxes, notes: said = [] } = await store.between(() => api.import(file.files[0], format.value));
    return [`${plural(boxes, "box", "boxes")} imported; Undo takes them back.`, said];
  }));
  const text = "A file, or a folder as a zip. On the slices that it speaks of its boxes replace yours, as one edit that Undo takes back.";
  return el("fieldset", {}, el("legend", { text: "Import" }), el("p", { class: "muted", text }), el("div", { class: "row" }, file), el("div", { class: "row" }, format, button));
}

/** Do it with the button asleep, and tell how it went. @param {() => Promise<[string, string[]]>} act */
async function busy(button, notes, act) {
  button.disabled = true;
  notes.replaceChildren(el("p", { class: "note", text: "One moment …" }));
  try {
    const [word, said] = await act();
    const list = said.length ? [el("ul", { class: "notes" }, ...said.map((text) => el("li", { text })))] : [];
    notes.replaceChildren(el("p", { text: word }), ...list);
  } catch (error) {
    notes.replaceChildren(el("p", { class: "note error", role: "alert", text: error.message }));
  } finally {
    button.disabled = false;
  }
}

/** @param {string|null} header a list as JSON @returns {string[]} */
function parseNotes(header) {
  try {
    return JSON.parse(header ?? "[]");
  } catch {
    return [];
  }
}

/** @param {Response} answer @param {string} format */
function nameOf(answer, format) {
  const given = answer.headers.get("Content-Disposition") ?? "";
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(given)?.[1];
  return encoded ? decodeURIComponent(encoded) : (/filename="?([^";]+)"?/i.exec(given)?.[1] ?? `labels-${format}`);
}

function download(blob, name) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), SAVE_SOON_MS);
}
