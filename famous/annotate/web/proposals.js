/**
 * The model's proposals, slice by slice: what was asked for, which classes they become, which are already boxes.
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
   * @param {(name: string) => string|null} toClass the stack's class of a model's class, or null
   * @returns {{shown: number, labelled: number, strange: string[]}}
   */
  keep({ z, boxes: found }, boxes, toClass) {
    const strange = new Set();
    const shown = [];
    let labelled = 0;
    for (const box of found) {
      const name = toClass(box.class);
      if (name === null) strange.add(box.class);
      else if (boxes.some((other) => other.class === name && iou(other, box) >= SAME)) labelled += 1;
      else shown.push(Object.freeze({ ...box, z, class: name, key: `p${(this.count += 1)}` }));
    }
    this.bySlice.set(z, shown.sort((a, b) => b.score - a.score));
    return { shown: shown.length, labelled, strange: [...strange] };
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

/**
 * Find the stack's class for a model's: the user's choice, the same name, or the same but for case and plural.
 * @param {string} name
 * @param {string[]} classes of the stack
 * @param {Record<string, string>} chosen model's class → stack's class
 * @returns {string|null}
 */
export function matchClass(name, classes, chosen) {
  if (classes.includes(chosen[name])) return chosen[name];
  if (classes.includes(name)) return name;
  return classes.find((own) => singular(own) === singular(name)) ?? null;
}

/** @param {string} name */
function singular(name) {
  const words = name.toLowerCase().replaceAll(/[_-]+/g, " ").trim();
  if (words.endsWith("mitochondria")) return words.replace(/mitochondria$/, "mitochondrion");
  if (words.endsWith("nuclei")) return words.replace(/nuclei$/, "nucleus");
  return words.replace(/(?<=[^su])s$/, "");
}
