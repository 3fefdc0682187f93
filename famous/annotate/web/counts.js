/** The table of counts: a row per slice, a column per class, the time spent; also as tab-separated text. */

import { openDialog } from "./dialogs.js";
import { el } from "./dom.js";
import { duration } from "./words.js";

/**
 * @param {import("./store.js").Store} store
 * @returns {{head: string[], rows: {z: number, done: boolean, counts: number[], total: number, seconds: number}[], sums: number[]}}
 */
export function countTable(store) {
  const names = store.classes.map(({ name }) => name);
  const lingered = [...store.seconds].filter(([, seconds]) => seconds >= 1).map(([z]) => z); // others were only passed by
  const slices = new Set([...store.bySlice().keys(), ...store.done, ...lingered]);
  const rows = [...slices].sort((a, b) => a - b).map((z) => {
    const here = store.countsOn(z);
    const counts = names.map((name) => here.get(name) ?? 0);
    return { z, done: store.done.has(z), counts, total: store.boxesOn(z).length, seconds: store.seconds.get(z) ?? 0 };
  });
  const sums = names.map((_, i) => rows.reduce((sum, { counts }) => sum + counts[i], 0));
  return { head: names, rows, sums };
}

/** @param {ReturnType<typeof countTable>} table @returns {string} tab-separated, with a head */
export function asTsv({ head, rows }) {
  const lines = rows.map(({ z, done, counts, total, seconds }) => [z, done ? "yes" : "no", ...counts, total, seconds.toFixed(1)].join("\t"));
  return [["slice", "done", ...head, "all", "seconds"].join("\t"), ...lines].join("\n") + "\n";
}

/** @param {import("./store.js").Store} store */
export function openCounts(store) {
  const table = countTable(store);
  const copy = el("button", { id: "copy-counts", text: "Copy as table", title: "Tab-separated, for a spreadsheet" });
  copy.addEventListener("click", () => copyText(store, asTsv(table)));
  const content = table.rows.length
    ? [el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Counts" }, draw(store, table))]
    : [el("p", { class: "muted", text: "Nothing is labelled yet." })];
  const dialog = openDialog("Counts per class and slice", content, { id: "counts-dialog", wide: true, buttons: table.rows.length ? [copy] : [] });
  dialog.addEventListener("click", (event) => {
    const z = event.target.closest("button[data-z]")?.dataset.z;
    if (z === undefined) return;
    dialog.close();
    store.goTo(Number(z));
  });
}

function draw(store, { head, rows, sums }) {
  const cell = (count) => el("td", { text: count, class: count ? null : "zero" });
  const line = ({ z, done, counts, total, seconds }) =>
    el("tr", {}, el("td", {}, el("button", { class: "link", text: `Slice ${z}`, data: { z } })), el("td", { text: done ? "done" : "" }), ...counts.map(cell), cell(total), el("td", { text: duration(seconds) }));
  const titles = ["", "", ...head, "All", "Time"].map((text) => el("th", { scope: "col", text, title: text }));
  const seconds = rows.reduce((sum, row) => sum + row.seconds, 0);
  const done = rows.filter((row) => row.done).length;
  const foot = ["All", `${done} done`, ...sums, store.boxes.size, duration(seconds)].map((text) => el("td", { text }));
  return el("table", {}, el("thead", {}, el("tr", {}, ...titles)), el("tbody", {}, ...rows.map(line)), el("tfoot", {}, el("tr", {}, ...foot)));
}

/** The clipboard needs a page on localhost; elsewhere a selected text does it. */
async function copyText(store, text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { class: "hint" });
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  store.say("The table is copied.");
}
