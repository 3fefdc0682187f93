/** Brings the contrast window and the inversion to the server; where that fails, later. */

import { api } from "./api.js";

export class ShownAs {
  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.store = store;
    this.unsent = false;
  }

  /** @param {{low: number, high: number, inverted: boolean}} window */
  async send(window) {
    this.unsent = true;
    try {
      await api.window(window.low, window.high, window.inverted);
      this.unsent = this.store.window !== window; // it was changed meanwhile
    } catch (error) {
      if (!error.status) return; // away: with the next pulse
      this.unsent = error.status >= 500;
      this.store.sayOnce(error.message, "error");
    }
  }

  /** Try again what has not arrived. */
  again(window) {
    if (this.unsent) this.send(window);
  }
}
