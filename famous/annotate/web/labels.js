/**
 * Words at boxes. Those that somebody asked for are always there; of the others, only what hides no other word and is no
 * wider than its box.
 */

import { FONT } from "./boxes.js";
import { onScreen } from "./geometry.js";

const LETTER_PX = 6.6; // about a letter's width
const HIGH_PX = 17;

/** @typedef {{left: number, top: number, wide: number, text: string, color: string}} Label */

export class Labels {
  /** @param {CanvasRenderingContext2D} context @param {import("./view.js").View} view */
  constructor(context, { frame, screen }) {
    Object.assign(this, { context, frame, screen });
    /** @type {Label[]} */
    this.asked = [];
    /** @type {Label[]} */
    this.offered = [];
    context.font = FONT;
  }

  /** Words that must be seen. */
  ask(box, text, color) {
    this.asked.push(this.place(box, text, color));
  }

  /** Words for where there is room. @param {string[]} texts the first that fits its box */
  offer(box, texts, color) {
    const text = texts.find((each) => (box.x1 - box.x0) * this.frame.scale >= each.length * LETTER_PX + 10);
    if (text) this.offered.push(this.place(box, text, color));
  }

  /** At the upper left corner of a box; inside it where the screen ends above, and never beyond the screen's sides. */
  place(box, text, color) {
    const { left, top } = onScreen(box, this.frame);
    const wide = this.context.measureText(text).width + 15;
    const x = Math.max(Math.min(Math.round(left) - 1, this.screen.width - wide - 2), 2);
    const y = Math.round(top) - 20;
    return { left: x, top: y < 0 ? y + 23 : y, wide, text, color };
  }

  /** Draw them, those offered first the first to have their place. */
  paint() {
    const taken = [...this.asked];
    for (const label of this.offered) {
      if (taken.some((other) => overlaps(label, other))) continue;
      taken.push(label);
      this.draw(label);
    }
    for (const label of this.asked) this.draw(label);
  }

  /** @param {Label} label */
  draw({ left, top, wide, text, color }) {
    const { context } = this;
    context.font = FONT;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillStyle = "rgba(16,18,22,0.82)";
    context.beginPath();
    context.roundRect(left, top, wide, HIGH_PX, 3);
    context.fill();
    context.fillStyle = color;
    context.fillRect(left, top + 2, 3, HIGH_PX - 4);
    context.fillStyle = "#fff";
    context.fillText(text, left + 8, top + 9);
    context.textBaseline = "alphabetic";
  }
}

/** @param {Label} a @param {Label} b */
function overlaps(a, b) {
  return a.left < b.left + b.wide && b.left < a.left + a.wide && Math.abs(a.top - b.top) < HIGH_PX;
}
