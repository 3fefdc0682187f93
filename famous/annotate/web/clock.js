/** Time spent per slice: seconds in which the page was seen and its user did something within the last 20 seconds. */

import { api } from "./api.js";

const IDLE_MS = 20_000;
const POST_MS = 15_000;
const TICK_MS = 1000;
const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel"];

export class Clock {
  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.store = store;
    /** @type {Map<number, number>} seconds not yet with the server */
    this.unsent = new Map();
    this.lastInput = -Infinity;
    this.lastTick = 0;
    this.lastPost = 0;
  }

  start() {
    this.lastTick = this.lastPost = performance.now();
    for (const sign of SIGNS) {
      addEventListener(sign, () => (this.lastInput = performance.now()), { capture: true, passive: true });
    }
    setInterval(() => this.tick(performance.now()), TICK_MS);
    addEventListener("pagehide", () => this.close());
  }

  /** Count what went by since the last tick. @param {number} now ms */
  tick(now, seen = document.visibilityState === "visible") {
    const passed = Math.min(now - this.lastTick, 5 * TICK_MS); // a machine that slept did not work
    this.lastTick = now;
    if (seen && now - this.lastInput < IDLE_MS) this.add(this.store.z, passed / 1000);
    if (now - this.lastPost >= POST_MS) {
      this.lastPost = now;
      this.post();
    }
  }

  add(z, seconds) {
    this.unsent.set(z, (this.unsent.get(z) ?? 0) + seconds);
    this.store.seconds.set(z, (this.store.seconds.get(z) ?? 0) + seconds);
    this.store.emit("time");
  }

  /** The user leaves the slice. */
  leave() {
    this.tick(performance.now());
    this.post();
  }

  /** Send what has gathered; what does not arrive waits for the next time. */
  async post() {
    for (const [z, seconds] of [...this.unsent]) {
      if (seconds < 1) continue;
      this.unsent.delete(z);
      try {
        await api.time(z, Math.round(seconds * 10) / 10);
      } catch {
        this.unsent.set(z, (this.unsent.get(z) ?? 0) + seconds);
      }
    }
  }

  close() {
    this.tick(performance.now());
    for (const [z, seconds] of [...this.unsent]) {
      if (seconds >= 1 && api.beaconTime(z, Math.round(seconds * 10) / 10)) this.unsent.delete(z);
    }
    this.store.queue.abandon();
  }
}
