/**
 * Keeps the page and the server of one mind: sends what is unsent in order, asks every so often what is new.
 *
 * Whatever changes the server's labelling runs in one chain, so that a base revision is never used twice.
 */

import { ApiError, AwayError, api } from "./api.js";

const BATCH = 50; // edits a request
const PULSE_MS = 1500;
const PATIENT_MS = 10_000; // longest wait between two tries

export class Sync {
  /** @param {import("./store.js").Store} store @param {import("./queue.js").Queue} queue */
  constructor(store, queue) {
    this.store = store;
    this.queue = queue;
    this.away = false;
    this.unsure = false; // something may have arrived without an answer: look at the server's state once all is sent
    this.failures = 0;
    this.chain = Promise.resolve();
    this.waiting = 0; // jobs in the chain
    this.draining = false;
    this.timer = 0;
  }

  /** "saved" only where the server has said so. */
  get word() {
    if (this.away) return `offline (${this.queue.size} waiting)`;
    return this.queue.size || this.waiting ? "saving" : "saved";
  }

  /** @template T @param {() => Promise<T>} job @returns {Promise<T>} */
  run(job) {
    this.waiting += 1;
    this.store.emit("saved");
    const done = this.chain.then(job).finally(() => {
      this.waiting -= 1;
      this.store.emit("saved");
    });
    this.chain = done.catch(() => {});
    return done;
  }

  /** Send what is unsent; called as often as one likes. */
  flush() {
    if (this.draining || !this.queue.size) return;
    this.draining = true;
    this.run(() => this.drain()).finally(() => {
      this.draining = false;
    });
  }

  /** @returns {Promise<boolean>} whether everything is with the server */
  async drain() {
    while (this.queue.size) {
      const edits = this.queue.entries.slice(0, this.alone ? 1 : BATCH).map(({ edit }) => edit);
      try {
        const answer = await api.edits(this.store.revision, edits);
        this.alone = false;
        this.answered();
        this.store.confirm(edits, answer);
      } catch (error) {
        if (!(await this.mend(error, edits))) return false;
      }
    }
    if (this.unsure) return this.reload();
    return true;
  }

  /** @returns {Promise<boolean>} whether to go on */
  async mend(error, edits) {
    if (error instanceof AwayError) {
      this.queue.markTried(new Set(edits.map(({ id }) => id)));
      this.unsure = true;
      this.lost(error);
      return false;
    }
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 409) return this.reload();
    if (error.status >= 500 || error.status === 429) {
      this.store.sayOnce(`Not saved yet: ${error.message} It is tried again.`, "error");
      this.failures += 1;
      return false;
    }
    this.answered();
    return this.refused(error, edits);
  }

  /** Take back the edit that the server named; where it named none, send them one by one. */
  refused(error, edits) {
    const named = error.data.edit ?? edits.find(({ id }) => error.message.includes(id))?.id;
    const guilty = edits.length === 1 ? edits[0].id : named;
    this.alone = guilty === undefined;
    if (guilty !== undefined) this.store.takeBack(guilty, error.message);
    return true;
  }

  /** Load the server's state and lay the unsent edits on it. @returns {Promise<boolean>} whether it came */
  async reload({ quiet = false } = {}) {
    try {
      const state = await api.state();
      this.answered();
      this.unsure = this.queue.entries.some(({ tried }) => tried);
      this.store.rebase(state, { quiet });
      return true;
    } catch (error) {
      if (error instanceof AwayError) this.lost(error);
      else this.store.say(error.message, "error");
      return false;
    }
  }

  /**
   * Undo or redo on the server, once everything is there.
   * @param {"undo"|"redo"} which
   */
  step(which) {
    return this.run(async () => {
      if (!(await this.drain())) return;
      try {
        const answer = await api[which](this.store.revision);
        this.answered();
        this.store.follow(answer);
      } catch (error) {
        await this.stepFailed(error, which);
      }
    });
  }

  async stepFailed(error, which) {
    if (error instanceof AwayError) {
      this.unsure = true;
      this.lost(error);
      this.store.say(`The server is away; ${which} works again when it is back.`, "warn");
    } else if (error.status === 409) {
      if (await this.reload()) this.store.say(`Another tab was first: look, then ${which} again.`, "warn");
    } else {
      this.store.say(error.message, error.status === 422 ? "info" : "error");
    }
  }

  answered() {
    this.failures = 0;
    if (!this.away) return;
    this.away = false;
    this.store.say("The server is back.");
    this.store.emit("saved");
  }

  /** @param {AwayError} error */
  lost(error) {
    this.failures += 1;
    if (!this.away) {
      this.away = true;
      const kept = this.queue.kept ? "Go on labelling: what you do is kept in this browser." : "";
      this.store.sayOnce(`${error.message} ${kept}`, "warn");
    }
    this.store.emit("saved");
    this.schedule();
  }

  /** Start asking; each answer or failure plans the next question. */
  schedule() {
    clearTimeout(this.timer);
    const wait = this.failures ? Math.min(PATIENT_MS, 250 * 2 ** this.failures) : PULSE_MS;
    this.timer = setTimeout(() => this.pulse(), wait);
  }

  async pulse() {
    const { revision, epoch } = this.store;
    try {
      const news = await api.pulse(revision);
      const failures = this.failures;
      this.answered();
      if (this.queue.size) this.failures = failures; // the queue's own tries set the pace
      this.store.hear(news);
      if (this.queue.adopt()) this.unsure = true;
      await this.catchUp(news.revision !== revision && epoch === this.store.epoch);
    } catch (error) {
      if (error instanceof AwayError) this.lost(error);
      else if (error instanceof ApiError) this.store.sayOnce(error.message, "error");
      else throw error;
    } finally {
      this.schedule();
    }
  }

  /** @param {boolean} behind whether another tab has changed something */
  async catchUp(behind) {
    if (this.queue.size) {
      this.queue.write(); // a sign of life
      this.flush();
    } else if ((behind || this.unsure) && !this.waiting) {
      await this.run(() => this.reload());
    }
  }
}
