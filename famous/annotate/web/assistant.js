/** The model's side of the store: which model, its proposals on this slice, the training in the background. */

import { api } from "./api.js";
import { recall, remember } from "./memory.js";
import { Proposals } from "./proposals.js";
import { scoreWords } from "./words.js";

const SETTLE_MS = 350; // on a slice, before proposals come by themselves
const NONE = "There is no model yet: label some slices, then train one.";
const OPENING = "The model is still being opened: ask again in a moment.";

/** @typedef {{name: string, folder: string, variable: string, source: string, megabytes: number|null}} MissingWeights */

export class Assistant {
  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.store = store;
    this.pile = new Proposals();
    this.model = null;
    this.opening = false; // there is a model, but which one is not known yet
    this.training = { state: "idle" };
    this.threshold = 0.25;
    this.automatic = false; // propose on every slice that is opened
    this.awaited = false; // a training has ended, its model is not here yet
    this.asking = null; // the slice that is being asked for
    this.unknown = {}; // classes that the model found last and the stack lacks → how often
  }

  /** @param {string} key of the stack */
  start(key) {
    this.key = key;
    this.threshold = recall("threshold", 0.25);
    this.automatic = recall(`${key}:automatic`, false);
  }

  /** Proposals of the current slice, best first. */
  get proposals() {
    return this.pile.on(this.store.z);
  }

  /** Those with a score at or above the threshold. */
  get good() {
    return this.proposals.filter(({ score }) => score >= this.threshold);
  }

  /** Take news of the model and of the training. */
  hear({ model, opening = false, training }) {
    if (training && JSON.stringify(training) !== JSON.stringify(this.training)) {
      const before = this.training.state;
      this.training = training;
      this.store.emit("training");
      if (before === "running") this.tellEnd(training);
    }
    if (opening !== this.opening) {
      this.opening = opening;
      this.store.emit("model");
    }
    if (JSON.stringify(model) === JSON.stringify(this.model) || model === undefined) return;
    const isNew = model && (this.model ? model.version !== this.model.version : this.awaited);
    this.model = model;
    this.unknown = {};
    this.pile.clear();
    this.store.emit("model");
    this.store.emit("proposals");
    if (model) this.awaited = false;
    if (isNew && this.store.ready) this.propose({ quiet: true });
  }

  tellEnd({ state, message, map50, map50_before: before }) {
    const score = scoreWords(map50, before);
    this.awaited = state === "done";
    const isWorse = typeof before === "number";
    if (state === "done") this.store.say(`The model is trained.${score ? ` On its own check slices: ${score}.` : ""}`, isWorse ? "warn" : undefined);
    if (state === "failed") this.store.say(`Training failed: ${message ?? "no reason given"}`, "error");
  }

  /** Ask for proposals on the current slice. @param {{quiet?: boolean}} [how] quiet: nobody asked, so say little */
  async propose({ quiet = false } = {}) {
    const { store } = this;
    const z = store.z;
    if (!this.model) return quiet || store.say(this.opening ? OPENING : NONE, "warn");
    if (this.asking === z) return;
    this.asking = z;
    store.emit("proposals");
    try {
      const answer = await api.propose(z);
      const result = this.pile.keep(answer, store.boxesOn(z));
      this.unknown = answer.unknown ?? {};
      if (!quiet && store.z === z) this.tell(result);
    } catch (error) {
      if (!quiet) store.say(error.message, "error");
    } finally {
      if (this.asking === z) this.asking = null;
      store.emit("proposals");
    }
  }

  tell({ shown, labelled }) {
    if (shown) return;
    if (labelled) this.store.say(`The model finds nothing here that is not boxed already (${labelled} found).`);
    else if (Object.keys(this.unknown).length) this.store.say("What the model finds here has classes that this stack lacks: see the model panel.", "warn");
    else this.store.say("The model finds nothing on this slice.");
  }

  /** The user came to another slice. */
  arrive() {
    clearTimeout(this.timer);
    if (!this.automatic || !this.model) return;
    this.timer = setTimeout(() => {
      const { z, done } = this.store;
      if (!done.has(z) && !this.pile.bySlice.has(z)) this.propose({ quiet: true });
    }, SETTLE_MS);
  }

  /** @param {Iterable<string>} keys @returns {string[]} ids of the new boxes */
  accept(keys) {
    const taken = this.pile.take(this.store.z, new Set(keys));
    if (!taken.length) return [];
    const label = taken.length === 1 ? "accept a proposal" : `accept ${taken.length} proposals`;
    const ids = this.store.addBoxes(label, taken);
    this.store.emit("proposals");
    return ids;
  }

  /** @param {Iterable<string>} keys */
  reject(keys) {
    this.pile.take(this.store.z, new Set(keys));
    this.store.emit("proposals");
  }

  /** @param {number} value 0 … 1 */
  setThreshold(value) {
    this.threshold = Math.max(0, Math.min(1, value));
    remember("threshold", this.threshold);
    this.store.emit("proposals");
  }

  /** @param {boolean} on */
  setAutomatic(on) {
    this.automatic = on;
    remember(`${this.key}:automatic`, on);
    this.store.emit("model");
    this.arrive();
  }

  /** @param {number} minutes @param {boolean} [download] whether weights that are missing may be fetched */
  async train(minutes, download = false) {
    await this.tryTraining(() => api.train(minutes, download));
  }

  /** What a training would lack, if that is known. @returns {Promise<MissingWeights|null>} */
  async missingWeights() {
    try {
      return (await api.weights()).missing;
    } catch {
      return null; // a start says what is wrong
    }
  }

  async stop() {
    await this.tryTraining(() => api.stopTraining());
  }

  /** @param {() => Promise<object>} call whose answer may hold the training's state */
  async tryTraining(call) {
    try {
      const answer = await call();
      this.hear({ training: answer.training ?? (answer.state ? answer : undefined) });
    } catch (error) {
      this.store.say(error.message, "error");
    }
  }
}
