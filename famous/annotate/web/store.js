/**
 * What the page knows. Edits apply here at once and go to the server in the background; panels and canvas listen.
 *
 * `confirmed` is the labelling that the server has acknowledged; what is shown is that with the unsent edits on top.
 */

import { api } from "./api.js";
import { FITS, MADE, SMALLEST_PX, apply, clipped, copy, follow, fromState, sliceOf } from "./changes.js";
import { Clock } from "./clock.js";
import { History } from "./history.js";
import { randomHex, uuid } from "./ids.js";
import { Assistant } from "./assistant.js";
import { Listened } from "./listened.js";
import { recall, remember } from "./memory.js";
import { Queue } from "./queue.js";
import { ShownAs } from "./shown_as.js";
import { Sync } from "./sync.js";
import { plural, rebased } from "./words.js";

export class Store extends Listened {
  constructor() {
    super();
    this.tab = randomHex(4);
    this.counter = 0;
    this.epoch = 0; // goes up with whatever changes the labelling
    this.ready = false;
    this.confirmed = { boxes: new Map(), done: new Set(), classes: [] };
    this.shown = copy(this.confirmed);
    this.revision = 0;
    this.undoLabel = this.redoLabel = null;
    this.history = new History(this);
    this.stack = this.className = this.cursor = null;
    this.proposed = this.palette = this.formats = [];
    this.presets = {};
    this.seconds = new Map();
    this.window = { low: 0, high: 255, inverted: false };
    this.selection = new Set();
    this.z = 0;
    this.assistant = new Assistant(this);
    this.clock = new Clock(this);
    this.shownAs = new ShownAs(this);
  }

  get boxes() {
    return this.shown.boxes;
  }

  get done() {
    return this.shown.done;
  }

  get classes() {
    return this.shown.classes;
  }

  get saved() {
    return this.sync ? this.sync.word : "saving";
  }

  emit(event, detail) {
    if (event === "cursor") this.cursor = detail;
    super.emit(event, detail);
  }

  // ------------------------------------------------------------------ loading

  /** Load the server's state, take over what is unsent, start listening to the server. */
  async start() {
    const state = await api.state();
    const { name, shape, fingerprint } = state.stack;
    this.key = fingerprint ?? `${name}:${shape.join("x")}`;
    this.queue = new Queue(this.key, this.tab);
    this.sync = new Sync(this, this.queue);
    this.z = recall(`${this.key}:z`, state.first ?? state.proposed[0] ?? Math.floor(shape[0] / 2));
    this.assistant.start(this.key);
    this.rebase(state);
    this.ready = true;
    this.takeOver();
    this.clock.start();
    this.sync.schedule();
  }

  /** Send what pages that are gone have left unsent. */
  takeOver() {
    const count = this.queue.adopt();
    if (!count) return;
    this.sync.unsure = true;
    this.rebuild();
    this.say(`Unsaved when this page was last closed: ${plural(count, "edit")}. Sending now.`);
    this.sync.flush();
  }

  /** Take the server's state as the ground, and lay the unsent edits on it. */
  rebase(state, { quiet = false } = {}) {
    const before = this.revision;
    this.confirmed = fromState(state);
    Object.assign(this, { stack: state.stack, proposed: state.proposed, presets: state.presets, palette: state.palette });
    Object.assign(this, { formats: state.formats, pyramid: state.pyramid, bits: state.stack.bits });
    this.seconds = new Map(Object.entries(state.seconds).map(([z, s]) => [Number(z), s]));
    const [low, high] = state.stack.window;
    if (!this.shownAs.unsent) this.window = { low, high, inverted: state.stack.inverted };
    this.note(state);
    const lost = this.rebuild();
    this.z = this.clampZ(this.z);
    this.emit("state");
    this.emit("window");
    this.assistant.hear(state);
    if (this.ready && !quiet) this.tellRebased(state.revision - before, lost);
  }

  /** Say what became of the unsent edits when another tab was first. */
  tellRebased(ahead, lost) {
    const own = this.queue.entries.filter(({ tried }) => tried).length;
    if (ahead > own || lost.length) this.sayOnce(rebased(this.queue.size, lost), lost.length ? "warn" : "info");
  }

  /** Show the confirmed labelling with the unsent edits on it; drop those that no longer fit. */
  rebuild() {
    const lost = [];
    this.shown = copy(this.confirmed);
    for (const entry of this.queue.entries) {
      const { verdict, changes } = apply(this.shown, entry.edit);
      if (entry.tried) continue; // the server knows whether it has it
      if (verdict === FITS) entry.edit = { ...entry.edit, changes };
      else lost.push({ edit: entry.edit, reason: verdict === MADE ? null : verdict });
    }
    this.queue.drop(new Set(lost.map(({ edit }) => edit.id)));
    this.changed();
    return lost.filter(({ reason }) => reason);
  }

  /** The labelling changed: keep selection and class sensible, tell the listeners. */
  changed() {
    this.epoch += 1;
    const kept = [...this.selection].filter((id) => this.boxes.has(id));
    if (kept.length < this.selection.size) this.select(kept);
    this.emit("boxes");
    if (!this.classes.some(({ name }) => name === this.className)) this.className = this.classes[0]?.name ?? null;
    if (this.classesSeen !== this.classes) this.emit("class");
    this.classesSeen = this.classes;
    this.emit("saved");
  }

  note({ revision, undo, redo }) {
    Object.assign(this, { revision, undoLabel: undo ?? null, redoLabel: redo ?? null });
  }

  /** For the next visit; as a cookie too, so that the server can begin with this slice. */
  rememberSlice() {
    remember(`${this.key}:z`, this.z);
    document.cookie = `famous-slice-${this.key.slice(0, 16)}=${this.z}; path=/; SameSite=Strict`;
  }

  // ------------------------------------------------------------------ what the server says (called by Sync)

  /** The server has these edits. */
  confirm(edits, answer) {
    for (const edit of edits) apply(this.confirmed, edit);
    this.queue.drop(new Set(edits.map(({ id }) => id)));
    this.note(answer);
    this.epoch += 1;
    this.emit("saved");
  }

  /** The server cannot make this edit. */
  takeBack(id, why) {
    const edit = this.queue.entries.find((entry) => entry.edit.id === id)?.edit;
    this.queue.drop(new Set([id]));
    const lost = this.rebuild();
    const known = edit && apply(copy(this.confirmed), edit).verdict === MADE;
    if (!known) this.say(`Taken back: ${edit?.label ?? "an edit"}. ${why}`, "error");
    for (const { edit: other, reason } of lost) this.say(`Taken back too: ${other.label} (${reason}).`, "error");
  }

  /** Send everything first. @returns {Promise<boolean>} whether the server has it all */
  settled() {
    return this.sync.run(() => this.sync.drain());
  }

  /**
   * Let the server change the labelling by itself, between two edits, and load what it has made.
   * @template T @param {() => Promise<T>} call @returns {Promise<T>}
   */
  between(call) {
    return this.sync.run(async () => {
      if (!(await this.sync.drain())) throw new Error("The server is away: try again when it is back.");
      const answer = await call();
      await this.sync.reload({ quiet: true });
      return answer;
    });
  }

  /** The server has undone or redone something. */
  follow(answer) {
    const z = sliceOf(answer.changes, this.confirmed.boxes);
    follow(this.confirmed, answer.changes);
    this.note(answer);
    const lost = this.rebuild();
    for (const { edit, reason } of lost) this.say(`Could not be kept: ${edit.label} (${reason}).`, "warn");
    if (z !== null && z !== this.z) this.goTo(z);
  }

  /** A pulse came. */
  hear(news) {
    this.assistant.hear(news);
    this.shownAs.again(this.window);
  }

  // ------------------------------------------------------------------ looking

  goTo(z) {
    const target = this.clampZ(z);
    if (target === this.z) return;
    this.clock.leave();
    this.z = target;
    this.rememberSlice();
    if (this.selection.size) this.select([]);
    this.emit("slice");
    this.emit("proposals");
    this.assistant.arrive();
  }

  clampZ(z) {
    return Math.max(0, Math.min(this.stack.shape[0] - 1, Math.round(z)));
  }

  setClass(name) {
    if (name === this.className || !this.classes.some((entry) => entry.name === name)) return;
    this.className = name;
    this.emit("class");
  }

  /** @param {string} name @returns {string} its colour */
  colour(name) {
    return this.classes.find((entry) => entry.name === name)?.color ?? "#b9b9b9";
  }

  /** @param {Iterable<string>} ids @param {{toggle?: boolean}} [how] */
  select(ids, { toggle = false } = {}) {
    const next = new Set(toggle ? this.selection : []);
    for (const id of ids) {
      if (toggle && next.has(id)) next.delete(id);
      else if (this.boxes.has(id)) next.add(id);
    }
    this.selection = next;
    this.emit("selection");
  }

  boxesOn(z) {
    return this.bySlice().get(z) ?? [];
  }

  /** Boxes by slice, sorted anew only when they changed. @returns {Map<number, object[]>} */
  bySlice() {
    if (this.slicesOf !== this.shown || this.slicesAt !== this.epoch) this.slices = Map.groupBy(this.boxes.values(), ({ z }) => z);
    [this.slicesOf, this.slicesAt] = [this.shown, this.epoch];
    return this.slices;
  }

  /** @param {number} z @returns {Map<string, number>} class → boxes on the slice */
  countsOn(z) {
    const counts = new Map();
    for (const { class: name } of this.boxesOn(z)) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  }

  /** @param {{low?: number, high?: number, inverted?: boolean}} change @param {{final?: boolean}} [how] */
  setWindow(change, { final = true } = {}) {
    this.window = { ...this.window, ...change };
    this.emit("window");
    if (!final) return;
    this.shownAs.send(this.window);
  }

  // ------------------------------------------------------------------ editing

  /** Make an edit: at once here, soon on the server. @returns {boolean} whether it fitted */
  commit(label, changes, withdrawn = []) {
    if (!changes.length) return false;
    const edit = { id: uuid(), label, changes };
    const { verdict } = apply(this.shown, edit);
    if (verdict === MADE) return true;
    if (verdict !== FITS) {
      this.say(`${label}: ${verdict}.`, "warn");
      return false;
    }
    this.history.withdrawn = withdrawn;
    this.queue.push(edit);
    if (!this.queue.kept) this.sayOnce("This browser keeps nothing for the page: stay here until it says saved.", "warn");
    this.changed();
    this.sync.flush();
    return true;
  }

  /** @param {string} label @param {object[]} fields of each box @returns {string[]} ids of those added */
  addBoxes(label, fields) {
    const boxes = fields.map((box) => this.clip(box)).filter(Boolean);
    const added = boxes.map((box) => ({ id: `${this.tab}-${(this.counter += 1)}`, ...box }));
    const made = this.commit(label, added.map((box) => ({ op: "add", box })));
    return made ? added.map(({ id }) => id) : [];
  }

  /** @param {string} label @param {Map<string, object>} fieldsOf id → fields to change */
  changeBoxes(label, fieldsOf) {
    const changes = [];
    for (const [id, fields] of fieldsOf) {
      const box = this.boxes.get(id);
      const wanted = box && this.clip({ ...box, ...fields });
      const names = wanted ? Object.keys(wanted).filter((name) => wanted[name] !== box[name]) : [];
      const pick = (source) => Object.fromEntries(names.map((name) => [name, source[name]]));
      if (names.length) changes.push({ op: "change", id, from: pick(box), to: pick(wanted) });
    }
    return this.commit(label, changes);
  }

  /** @param {string} label @param {Iterable<string>} ids */
  removeBoxes(label, ids) {
    const boxes = [...ids].map((id) => this.boxes.get(id)).filter(Boolean);
    return this.commit(label, boxes.map((box) => ({ op: "remove", box })));
  }

  /** @param {number} z @param {boolean} done */
  setDone(z, done) {
    return this.commit(done ? `mark slice ${z} done` : `mark slice ${z} not done`, [{ op: "done", z, from: !done, to: done }]);
  }

  setClasses(label, classes) {
    return this.commit(label, [{ op: "classes", from: this.classes, to: classes }]);
  }

  renameClass(from, to) {
    const current = this.className === from;
    const made = this.commit(`rename ${from} to ${to}`, [{ op: "rename", from, to }]);
    if (made && current) this.setClass(to);
    return made;
  }

  /** The box within the slice; null, with a word, where too little is left. */
  clip(box) {
    const inside = clipped(box, this.stack.shape);
    if (!inside) this.say(`A box needs ${SMALLEST_PX} pixels on each side within the slice.`, "warn");
    return inside;
  }

  undo() {
    return this.history.undo();
  }

  redo() {
    return this.history.redo();
  }

  // ------------------------------------------------------------------ the model

  get model() {
    return this.assistant.model;
  }
  get training() {
    return this.assistant.training;
  }
  get proposals() {
    return this.assistant.proposals;
  }
  get proposalThreshold() {
    return this.assistant.threshold;
  }
  set proposalThreshold(value) {
    this.assistant.setThreshold(value);
  }
  propose() {
    return this.assistant.propose();
  }
  acceptProposals(keys) {
    return this.assistant.accept(keys);
  }
  rejectProposals(keys) {
    return this.assistant.reject(keys);
  }
}

export const store = new Store();
