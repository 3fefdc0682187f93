/** The list of slices to label: those proposed, those with boxes, those that the user added. */

import { $, el, icon, oncePerFrame, set, write } from "./dom.js";
import { recall, remember } from "./memory.js";
import { duration, plural } from "./words.js";

const WORD = { empty: "not begun", started: "begun", done: "done" };

/** Every slice of the list, in order. @param {import("./store.js").Store} store @param {number[]} added */
export function listed(store, added) {
  const all = new Set([...store.proposed, ...store.done, ...added, ...store.bySlice().keys()]);
  return [...all].filter((z) => z < store.stack.shape[0]).sort((a, b) => a - b);
}

/** @param {import("./store.js").Store} store @param {number} z @returns {"empty"|"started"|"done"} */
export function markOf(store, z) {
  if (store.done.has(z)) return "done";
  return store.boxesOn(z).length ? "started" : "empty";
}

/** @param {import("./store.js").Store} store @param {import("./actions.js").Actions} actions */
export function attachSlices(store, actions) {
  const panel = new SliceList(store, actions);
  const draw = oncePerFrame(() => panel.show());
  for (const event of ["state", "boxes", "slice", "time"]) store.on(event, draw);
  $("add-slice").addEventListener("click", () => panel.addHere());
  $("suggest-slice").addEventListener("click", () => panel.suggest());
  store.on("advice", (why) => write($("suggest-reason"), why));
  $("copy-boxes").addEventListener("click", () => actions.copyFromLabelled());
  $("interpolate").addEventListener("click", () => actions.interpolate());
  panel.show();
}

class SliceList {
  /** @param {import("./store.js").Store} store @param {import("./actions.js").Actions} actions */
  constructor(store, actions) {
    this.store = store;
    this.actions = actions;
    this.list = $("slices");
    /** @type {Map<number, HTMLElement>} */
    this.rows = new Map();
    this.added = recall(`${store.key}:added`, []);
    this.shownZ = null;
    this.list.addEventListener("click", (event) => this.click(event));
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  click(event) {
    const row = event.target.closest("li");
    if (row) this.store.goTo(Number(row.dataset.z));
  }

  key(event) {
    const order = [...this.rows.keys()];
    const near = order.findIndex((z) => z >= this.store.z);
    const at = near < 0 ? order.length : near;
    const onRow = order[at] === this.store.z;
    const steps = { ArrowDown: onRow ? at + 1 : at, ArrowUp: at - 1, Home: 0, End: order.length - 1 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    const z = order[Math.max(0, Math.min(order.length - 1, steps[event.key]))];
    if (z !== undefined) this.store.goTo(z);
  }

  addHere() {
    if (!this.added.includes(this.store.z)) this.added.push(this.store.z);
    remember(`${this.store.key}:added`, this.added);
    this.show();
  }

  async suggest() {
    $("suggest-slice").disabled = true;
    await this.actions.nextSlice();
    $("suggest-slice").disabled = false;
  }

  show() {
    const { store } = this;
    const slices = listed(store, this.added);
    this.order(slices);
    for (const z of slices) this.fill(this.rows.get(z), z);
    const done = slices.filter((z) => store.done.has(z)).length;
    write($("progress-word"), `${done} of ${slices.length} done`);
    Object.assign($("progress"), { max: Math.max(1, slices.length), value: done });
    $("add-slice").disabled = this.rows.has(store.z);
    write($("add-slice"), this.rows.has(store.z) ? `Slice ${store.z} is listed` : `Add slice ${store.z}`);
    this.follow();
  }

  /** Make the rows those of these slices, in order, touching only what differs. */
  order(slices) {
    const wanted = new Set(slices);
    for (const [z, row] of this.rows) if (!wanted.has(z)) row.remove();
    this.rows = new Map(slices.map((z) => [z, this.rows.get(z) ?? this.make(z)]));
    let place = this.list.firstChild;
    for (const row of this.rows.values()) {
      if (row === place) place = row.nextSibling;
      else this.list.insertBefore(row, place);
    }
  }

  make(z) {
    const cells = ["mark", "z", "boxes", "time"].map((name) => el("span", { class: name }));
    cells[1].textContent = z;
    return el("li", { role: "option", class: "slice", id: `slice-${z}`, data: { z } }, ...cells);
  }

  fill(row, z) {
    const { store } = this;
    const mark = markOf(store, z);
    const count = store.boxesOn(z).length;
    const [sign, , boxes, time] = row.children;
    if (row.dataset.mark !== mark) sign.replaceChildren(icon(mark));
    row.dataset.mark = mark;
    row.classList.toggle("own", !store.proposed.includes(z));
    write(boxes, count ? plural(count, "box", "boxes") : "");
    const seconds = store.seconds.get(z) ?? 0;
    write(time, seconds >= 1 ? duration(seconds) : "");
    set(row, "aria-selected", String(z === store.z));
    const own = store.proposed.includes(z) ? "" : ", added by you";
    set(row, "aria-label", `Slice ${z}, ${WORD[mark]}, ${plural(count, "box", "boxes")}${own}`);
    set(row, "title", `Slice ${z}: ${WORD[mark]}${own}`);
  }

  /** Keep the row of the current slice in sight, once per change of slice. */
  follow() {
    const { z } = this.store;
    const row = this.rows.get(z);
    set(this.list, "aria-activedescendant", row ? row.id : null);
    if (row && this.shownZ !== z) row.scrollIntoView({ block: "nearest" });
    this.shownZ = z;
  }
}
