/**
 * Edits that the server has not yet acknowledged, kept in localStorage so that a closed or crashed tab loses none.
 *
 * Every page load has a queue of its own. One whose page is gone is adopted by the next page on the same stack: the
 * server knows edits by their id, so that adopting one that did arrive does no harm.
 *
 * @typedef {{edit: import("./changes.js").Edit, tried: boolean}} Entry  tried: it may have arrived without an answer
 */

const ABANDONED_MS = 10_000; // a living page with something unsent writes its queue more often than this

export class Queue {
  /** @param {string} stackKey @param {string} tab */
  constructor(stackKey, tab) {
    this.prefix = `famous:unsent:${stackKey}:`;
    this.key = this.prefix + tab;
    /** @type {Entry[]} */
    this.entries = [];
    this.kept = true; // false: the browser refuses to store
  }

  get size() {
    return this.entries.length;
  }

  /** @param {import("./changes.js").Edit} edit */
  push(edit) {
    this.entries.push({ edit, tried: false });
    this.write();
  }

  /** @param {Set<string>} ids of edits */
  drop(ids) {
    this.entries = this.entries.filter(({ edit }) => !ids.has(edit.id));
    this.write();
  }

  /** @param {Set<string>} ids of edits that went out and got no answer */
  markTried(ids) {
    for (const entry of this.entries) entry.tried ||= ids.has(entry.edit.id);
    this.write();
  }

  /** Store the queue; an empty one leaves nothing behind. */
  write(at = Date.now()) {
    try {
      if (this.size) localStorage.setItem(this.key, JSON.stringify({ at, entries: this.entries }));
      else localStorage.removeItem(this.key);
      this.kept = true;
    } catch {
      this.kept = false;
    }
  }

  /** Say that this page goes: the next one may take over at once. */
  abandon() {
    if (this.size) this.write(0);
  }

  /** Take over the queues of pages that are gone. @returns {number} how many edits came */
  adopt(now = Date.now()) {
    let count = 0;
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(this.prefix) || key === this.key) continue;
      const found = parse(localStorage.getItem(key));
      if (found && now - found.at < ABANDONED_MS) continue;
      const known = new Set(this.entries.map(({ edit }) => edit.id));
      const fresh = (found?.entries ?? []).filter(({ edit }) => !known.has(edit.id));
      this.entries.unshift(...fresh.map(({ edit }) => ({ edit, tried: true })));
      this.write();
      if (this.kept) localStorage.removeItem(key);
      count += fresh.length;
    }
    return count;
  }
}

/** @param {string|null} text @returns {{at: number, entries: Entry[]}|null} null where it is broken */
function parse(text) {
  try {
    const found = JSON.parse(text ?? "");
    const whole = Array.isArray(found.entries) && found.entries.every(({ edit }) => Array.isArray(edit?.changes));
    return whole ? found : null;
  } catch {
    return null;
  }
}
