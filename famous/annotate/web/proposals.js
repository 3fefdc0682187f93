/**
 * The model's proposals, slice by slice: what was asked for, and is not boxed already.
 *
 * @typedef {{key: string, z: number, y0: number, x0: number, y1: number, x1: number, class: string, score: number}} Proposal
 */

import { iou } from "./overlap.js";

const SAME = 0.5; // IoU from which a box of the same class is the proposal's organelle

export class Proposals {
  constructor() {
    /** @type {Map<number, Proposal[]>} */
    this.bySlice = new Map();
    this.count = 0;
  }

  /** @param {number} z @returns {Proposal[]} */
  on(z) {
    return this.bySlice.get(z) ?? [];
  }

  /**
   * Keep an answer of /api/propose, without what is boxed already.
   * @param {{z: number, boxes: object[]}} answer
   * @param {object[]} boxes of the slice
   * @returns {{shown: number, labelled: number}}
   */
  keep({ z, boxes: found }, boxes) {
    const isBoxed = (box) => boxes.some((other) => other.class === box.class && iou(other, box) >= SAME);
    const fresh = found.filter((box) => !isBoxed(box)).sort((a, b) => b.score - a.score);
    this.bySlice.set(z, fresh.map((box) => Object.freeze({ ...box, z, key: `p${(this.count += 1)}` })));
    return { shown: fresh.length, labelled: found.length - fresh.length };
  }

  /** @param {number} z @param {Set<string>} keys @returns {Proposal[]} those taken away */
  take(z, keys) {
    const taken = this.on(z).filter(({ key }) => keys.has(key));
    this.bySlice.set(z, this.on(z).filter(({ key }) => !keys.has(key)));
    return taken;
  }

  /** Another model: what the old one proposed is void. */
  clear() {
    this.bySlice.clear();
  }
}
