/** Something that others listen to, and that can tell its user a word. */

const NOT_AGAIN_MS = 60_000;

export class Listened {
  constructor() {
    /** @type {Map<string, Set<(detail?: any) => void>>} */
    this.listeners = new Map();
    /** @type {Map<string, number>} text → when it was said last */
    this.said = new Map();
  }

  /** @param {string} event @param {(detail?: any) => void} listener @returns {() => void} stops listening */
  on(event, listener) {
    const all = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, all.add(listener));
    return () => all.delete(listener);
  }

  /** @param {string} event @param {any} [detail] */
  emit(event, detail) {
    for (const listener of this.listeners.get(event) ?? []) listener(detail);
  }

  /** @param {string} text @param {"info"|"warn"|"error"} [kind] */
  say(text, kind = "info") {
    this.emit("say", { text, kind });
  }

  /** Tell the user, but not the same within a minute. */
  sayOnce(text, kind) {
    const now = Date.now();
    if (now - (this.said.get(text) ?? 0) > NOT_AGAIN_MS) this.say(text, kind);
    this.said.set(text, now);
  }
}
