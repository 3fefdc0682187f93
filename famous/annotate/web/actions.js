/** What a user can do with boxes and slices, one method a deed; the table of keys and the buttons call these. */

import { api } from "./api.js";
import * as geometry from "./geometry.js";

const DROPPED_PX = 48; // side on the screen of a box made by key when none was drawn before
const SAVING_MS = 3000; // patience with edits that are on their way

const HINTS = {
  hand: "Hand: drag moves the slice. H or Esc: draw again",
  window: "Contrast: drag across; brightness: up and down. W or Esc: draw again",
};

/** "one box", "3 boxes" */
const count = (number, noun = "box", plural = `${noun}es`) => (number === 1 ? `one ${noun}` : `${number} ${plural}`);

export class Actions {
  /** @param {import("./view.js").View} view @param {object} store */
  constructor(view, store) {
    this.view = view;
    this.store = store;
    /** @type {"draw"|"hand"|"window"} */
    this.tool = "draw";
    this.lastSize = null;
    this.pending = null;
    this.busy = new Set();
    this.letsGo = false; // Tab goes on to the rest of the page
    store.on("selection", () => {
      this.letsGo = false;
      if (store.selection.size) view.fresh = view.proposalKey = null;
    });
  }

  // ------------------------------------------------------------------ which boxes are meant

  selected() {
    return [...this.store.selection].map((id) => this.store.boxes.get(id)).filter((box) => box?.z === this.store.z);
  }

  /** Those selected, else the one just drawn, else the one under the cursor. */
  meant() {
    const selected = this.selected();
    if (selected.length) return selected;
    const box = this.store.boxes.get(this.view.fresh) ?? this.underCursor(this.store.boxesOn(this.store.z));
    return box ? [box] : [];
  }

  underCursor(boxes) {
    const { pointer, frame } = this.view;
    if (!pointer) return null;
    const [x, y] = this.view.toImage(pointer.px, pointer.py);
    return geometry.boxAt(boxes, x, y, 4 / frame.scale);
  }

  /** Take note of the size of a box that was drawn, for those made by key. */
  remember(box) {
    this.lastSize = { height: box.y1 - box.y0, width: box.x1 - box.x0 };
  }

  // ------------------------------------------------------------------ making, moving, removing

  /** Make a box of the current class; refused with a word where too little of it is on the slice. @returns {string|null} */
  add(box, label) {
    const { store, view } = this;
    const name = store.className;
    if (!name) return this.refuse("Make a class first: a box needs one.");
    const cut = geometry.clipped(box, view.slice);
    if (!geometry.isLargeEnough(cut)) {
      const [high, wide] = [Math.max(cut.y1 - cut.y0, 0), Math.max(cut.x1 - cut.x0, 0)];
      const size = geometry.area(cut) ? `${wide} × ${high} px` : "nothing";
      return this.refuse(`Too small: ${size} on the slice. A box needs 3 px each way; zoom in for small things.`);
    }
    this.remember(cut);
    return store.addBoxes(label ?? `draw ${name}`, [{ z: store.z, ...cut, class: name }])[0] ?? null;
  }

  refuse(text) {
    this.store.say(text, "warn");
    return null;
  }

  /** Make a box without the mouse: at the cursor, else in the middle of the screen; beside one that is there already. */
  drop() {
    const { view, store } = this;
    const { px, py } = view.pointer ?? { px: view.screen.width / 2, py: view.screen.height / 2 };
    const [x, y] = view.toImage(px, py);
    const side = Math.max(Math.round(DROPPED_PX / view.frame.scale), geometry.MIN_SIDE_PX);
    const size = this.lastSize ?? { height: side, width: side };
    const [x0, y0] = [Math.round(x - size.width / 2), Math.round(y - size.height / 2)];
    const box = geometry.clipped({ y0, x0, y1: y0 + size.height, x1: x0 + size.width }, view.slice);
    const [placed] = this.beside([{ ...box, class: store.className }], { mayStay: true }) ?? [];
    if (!placed) return this.refuse("There is a box of this class here already.");
    const id = this.add(placed);
    return id && store.select([id]);
  }

  /** Boxes moved until none repeats one that is on the slice, or null. @param {{mayStay?: boolean}} [how] */
  beside(boxes, how) {
    return geometry.apart(boxes, this.store.boxesOn(this.store.z), this.view.slice, how);
  }

  remove() {
    const boxes = this.selected();
    const fresh = this.store.boxes.get(this.view.fresh);
    if (!boxes.length && fresh) boxes.push(fresh);
    if (boxes.length) this.store.removeBoxes(`delete ${count(boxes.length)}`, boxes.map(({ id }) => id));
    return boxes.length > 0;
  }

  duplicate() {
    const boxes = this.meant();
    if (!boxes.length) return null;
    const placed = this.beside(boxes);
    if (!placed) return this.refuse("There is no room beside for a duplicate.");
    const copies = placed.map((box) => ({ z: this.store.z, ...box }));
    return this.store.select(this.store.addBoxes(`duplicate ${count(boxes.length)}`, copies));
  }

  selectAll() {
    this.store.select(this.store.boxesOn(this.store.z).map(({ id }) => id));
  }

  /** Move (or with `resizes` pull the lower right corner of) what is selected; saved when the key is let go. */
  nudge(dx, dy, resizes = false) {
    const boxes = this.view.boxes().filter(({ id }) => this.store.selection.has(id));
    const { slice } = this.view;
    const handle = dx ? "e" : "s";
    const next = resizes
      ? boxes.map((box) => {
          const pulled = geometry.resized(box, handle, dx, dy, slice);
          return pulled.x0 === box.x0 && pulled.y0 === box.y0 ? pulled : geometry.clipped(box, slice);
        })
      : geometry.movedTogether(boxes, dx, dy, slice);
    const label = `${resizes ? "resize" : "move"} ${count(boxes.length)}`;
    if (this.pending && this.pending !== label) this.flush();
    this.pending = label;
    this.view.draft = new Map(boxes.map(({ id }, i) => [id, next[i]]));
    this.view.invalidate("overlay");
  }

  /** Save what was nudged. */
  flush() {
    if (!this.pending) return;
    const [label, draft] = [this.pending, this.view.draft];
    this.pending = this.view.draft = null;
    if (draft) this.store.changeBoxes(label, draft);
    this.view.invalidate("overlay");
  }

  /** Forget what was nudged and not yet saved. @returns {boolean} whether there was something */
  drawBack() {
    const was = this.pending !== null;
    this.pending = null;
    if (was) this.view.draft = null;
    this.view.invalidate("overlay");
    return was;
  }

  // ------------------------------------------------------------------ classes

  /** Class by its number, 1 … 9: of what is selected, else of the next box. */
  classify(number) {
    const { store } = this;
    const entry = store.classes[number - 1];
    if (!entry) return;
    const boxes = this.selected().filter((box) => box.class !== entry.name);
    if (!store.selection.size) store.setClass(entry.name);
    else if (boxes.length) {
      store.changeBoxes(`make ${count(boxes.length)} ${entry.name}`, new Map(boxes.map(({ id }) => [id, { class: entry.name }])));
    }
  }

  // ------------------------------------------------------------------ walking

  /** Go to the next (or previous) box, then proposal, and round. @returns {boolean} false: the focus may move on */
  walk(step) {
    const { store, view } = this;
    const boxes = geometry.readingOrder(store.boxesOn(store.z), view.slice);
    const stops = [...boxes, ...geometry.readingOrder(store.proposals, view.slice)];
    const now = stops.findIndex((stop) => (stop.key ? stop.key === view.proposalKey : store.selection.has(stop.id)));
    if (this.letsGo || !stops.length) return false;
    const next = stops[now < 0 ? (step > 0 ? 0 : stops.length - 1) : (now + step + stops.length) % stops.length];
    store.select(next.key ? [] : [next.id]);
    this.focusProposal(next.key ?? null);
    view.canvas.focus({ preventScroll: true });
    view.reveal(next);
    view.lookAt((next.x0 + next.x1) / 2, (next.y0 + next.y1) / 2);
    return true;
  }

  focusProposal(key) {
    this.view.proposalKey = key;
    this.view.invalidate("overlay");
  }

  turn(step) {
    this.store.goTo(this.store.z + step);
  }

  toggleDone() {
    const { z, done } = this.store;
    this.store.setDone(z, !done.has(z));
  }

  // ------------------------------------------------------------------ tools and the view

  /** Take up a tool, or lay it down again. */
  use(tool) {
    this.tool = this.tool === tool ? "draw" : tool;
    this.view.hint = HINTS[this.tool] ?? null;
    this.view.invalidate("overlay");
    this.store.emit("tool", this.tool);
  }

  /** The hand, as long as the key is held. */
  hold() {
    this.isHeld = true;
    this.store.emit("tool", "hand");
  }

  letGo() {
    if (!this.isHeld) return;
    this.isHeld = false;
    this.store.emit("tool", this.tool);
  }

  /** One step back: out of the drag, the tool, the selection; then Tab may leave the slice. */
  escape() {
    const { view, store } = this;
    if (this.cancelGesture?.()) return;
    if (this.tool !== "draw") this.use(this.tool);
    else if (store.selection.size) store.select([]);
    else this.letsGo = !view.fresh && !view.proposalKey;
    view.fresh = view.proposalKey = null;
    view.invalidate("overlay");
  }

  zoom(factor) {
    const { pointer } = this.view;
    this.view.zoomBy(factor, pointer?.px, pointer?.py, { smooth: true });
  }

  zoomTo(scale) {
    const { pointer, frame } = this.view;
    this.view.zoomBy(scale / frame.scale / window.devicePixelRatio, pointer?.px, pointer?.py, { smooth: true });
  }

  /** @param {"showsGhosts"|"showsLabels"} what */
  toggle(what) {
    this.view[what] = !this.view[what];
    this.view.invalidate("overlay");
    this.store.say(`${what === "showsGhosts" ? "Ghosts" : "Class names"} ${this.view[what] ? "on" : "off"}.`);
  }

  // ------------------------------------------------------------------ from other slices

  /** Labelled slices other than this one, rising. */
  labelled() {
    const slices = new Set([...this.store.boxes.values()].map(({ z }) => z));
    slices.delete(this.store.z);
    return [...slices].sort((a, b) => a - b);
  }

  /** Copy all boxes of the nearest labelled slice below, else above; those that are here already are left out. */
  copyFromLabelled() {
    const { store } = this;
    const slices = this.labelled();
    const from = slices.filter((z) => z < store.z).at(-1) ?? slices[0];
    if (from === undefined) return this.refuse("No other slice has boxes to copy.");
    const there = store.boxesOn(from);
    const fresh = there.filter((box) => !geometry.isRepeated(box, store.boxesOn(store.z)));
    if (!fresh.length) return this.refuse(`All boxes of slice ${from} are here already.`);
    const copies = fresh.map(({ id, ...box }) => ({ ...box, z: store.z }));
    store.addBoxes(`copy ${count(fresh.length)} from slice ${from}`, copies);
    const left = there.length - fresh.length;
    const known = left ? `; ${count(left)} ${left === 1 ? "was" : "were"} here already` : "";
    return store.say(`Copied ${count(fresh.length)} from slice ${from}${known}.`);
  }

  /** Fill the slices between this one and the nearest labelled one; on an empty slice, between its two neighbours. */
  interpolate() {
    const { store } = this;
    const keys = this.gap();
    if (!keys) return this.refuse("Interpolation needs two labelled slices with unlabelled ones between them.");
    const [from, to] = keys;
    const ids = from === store.z || to === store.z ? this.selected().map(({ id }) => id) : [];
    return this.once("interpolate", async () => {
      await this.saved();
      const { boxes } = await api.interpolate(from, to, ids.length ? ids : null);
      if (!boxes.length) return this.refuse(`No box of slice ${from} has a partner of its class on slice ${to}.`);
      const made = store.addBoxes(`interpolate between slices ${from} and ${to}`, boxes);
      return store.say(`Made ${count(made.length)} on the slices between ${from} and ${to}.`);
    });
  }

  /** The server interpolates what it has: let what was just drawn get there first. */
  async saved() {
    const end = performance.now() + SAVING_MS;
    while (this.store.saved !== "saved" && performance.now() < end) await new Promise((done) => setTimeout(done, 30));
  }

  /** The two labelled slices to interpolate between, or null. @returns {[number, number]|null} */
  gap() {
    const { z } = this.store;
    const slices = this.labelled();
    const [below, above] = [slices.filter((other) => other < z).at(-1), slices.find((other) => other > z)];
    if (!this.store.boxesOn(z).length) return below === undefined || above === undefined ? null : [below, above];
    const far = [below, above].filter((other) => other !== undefined && Math.abs(other - z) > 1);
    far.sort((a, b) => Math.abs(a - z) - Math.abs(b - z));
    return far.length ? [Math.min(far[0], z), Math.max(far[0], z)] : null;
  }

  // ------------------------------------------------------------------ help from recipe and model

  /** Pull boxes tight round what is in them. */
  snap() {
    const boxes = this.meant();
    if (!boxes.length) return this.refuse("Select a box, or point at one, to snap it.");
    return this.once("snap", async () => {
      const answers = await Promise.allSettled(boxes.map((box) => api.snap(box.z, corners(box), box.class)));
      const tight = new Map();
      boxes.forEach((box, i) => {
        const isUntouched = this.store.boxes.get(box.id) === box;
        if (answers[i].value?.box && isUntouched) tight.set(box.id, corners(answers[i].value.box));
      });
      const refused = answers.filter(({ status }) => status === "rejected");
      if (refused.length) {
        const which = boxes.length > 1 ? `${count(refused.length)} left as drawn: ` : "";
        this.store.say(which + refused[0].reason.message, "warn");
      }
      const isChanged = this.store.changeBoxes(`snap ${count(tight.size)}`, tight);
      if (tight.size && !isChanged) this.store.say(tight.size === 1 ? "The box is tight already." : "The boxes are tight already.");
    });
  }

  propose() {
    return this.store.propose();
  }

  /** The proposal meant: the one walked to, else the one under the cursor. */
  proposal() {
    const { store, view } = this;
    return store.proposals.find(({ key }) => key === view.proposalKey) ?? this.underCursor(store.proposals);
  }

  accept() {
    return this.settle((key) => this.store.acceptProposals([key]));
  }

  reject() {
    return this.settle((key) => this.store.rejectProposals([key]));
  }

  /** Do something with the proposal meant, and go on to the next if one was walked to. @returns {boolean} */
  settle(act) {
    const found = this.proposal();
    if (!found) return false;
    const order = geometry.readingOrder(this.store.proposals, this.view.slice);
    const next = order[order.findIndex(({ key }) => key === found.key) + 1]?.key ?? null;
    const wasWalked = found.key === this.view.proposalKey;
    act(found.key);
    if (wasWalked && this.store.proposals.some(({ key }) => key === next)) this.focusProposal(next);
    return true;
  }

  acceptAbove() {
    const { proposals, proposalThreshold } = this.store;
    const keys = proposals.filter(({ score }) => score >= proposalThreshold).map(({ key }) => key);
    if (!keys.length) return this.refuse(`No proposal has a score of ${proposalThreshold} or more.`);
    return this.store.acceptProposals(keys);
  }

  /** Go to the slice where labels would teach most. @param {{aloud?: boolean}} [how] aloud: say why on the slice too */
  nextSlice({ aloud = false } = {}) {
    return this.once("next", async () => {
      const { z, reason } = await api.next(this.store.z);
      if (z !== null) this.store.goTo(z);
      const why = reason && z !== null ? `Slice ${z}: ${reason}` : (reason ?? "");
      this.store.emit("advice", why);
      if (why && aloud) this.store.say(why);
    });
  }

  /** Do something that takes a while, not twice at once; say what went wrong. */
  async once(name, act) {
    if (this.busy.has(name)) return;
    this.busy.add(name);
    try {
      await act();
    } catch (error) {
      this.store.say(error.message, "error");
    } finally {
      this.busy.delete(name);
    }
  }
}

function corners({ y0, x0, y1, x1 }) {
  return { y0, x0, y1, x1 };
}
