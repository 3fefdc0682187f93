/** Undo and redo: the server's, and while it is away those of what was never sent. */

export class History {
  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.store = store;
    /** @type {import("./changes.js").Edit[]} unsent edits undone while the server is away */
    this.withdrawn = [];
  }

  /** What undo takes back, and what redo makes again; null where there is nothing. */
  get labels() {
    const { queue, undoLabel, redoLabel } = this.store;
    return { undo: queue.entries.at(-1)?.edit.label ?? undoLabel, redo: this.withdrawn.at(-1)?.label ?? redoLabel };
  }

  /** @returns {Promise<void>} */
  async undo() {
    const { queue, sync } = this.store;
    const last = queue.entries.at(-1);
    if (!sync.away || !last || last.tried) return sync.step("undo");
    queue.drop(new Set([last.edit.id]));
    this.withdrawn.push(last.edit);
    this.store.rebuild();
  }

  /** @returns {Promise<void>} */
  async redo() {
    const edit = this.withdrawn.pop();
    if (edit) this.store.commit(edit.label, edit.changes, this.withdrawn);
    else await this.store.sync.step("redo");
  }
}
