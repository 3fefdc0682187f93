/**
 * Two small panes: the stack cut along z through the cursor, xz and yz, in true proportions. Slices run downwards; the line
 * across is the slice being looked at, a click goes to another.
 */

import { api } from "./api.js";
import { lookUpTable } from "./pyramid.js";

const HALF = 64; // slices to each side of the cursor, at most
const SHOWN = HALF / 2; // slices above and below the pane's middle: near a face of the stack all lie on one side
const ACROSS = [40, 256]; // samples to each side, least and most
const EVERY_MS = 90; // between two questions
const AGAIN_MS = [200, 300, 500, 800, 1500]; // while slices are missing
const PATIENCE_MS = 4_000; // the server answers from what it holds; a question that got lost is asked again
const SQUARE_PX = 3; // larger pixels are shown as squares
const MOST_DPR = 3;

/**
 * @typedef {{rows: number, cols: number, z0: number, from: number, values: Uint8Array|Uint16Array}} Cut
 *   sample j of row i: slice z0 + i, pixels from + j · step
 */

export class Cuts {
  /**
   * @param {import("./view.js").View} view
   * @param {object} store
   * @param {{xz: HTMLCanvasElement, yz: HTMLCanvasElement}} canvases
   */
  constructor(view, store, { xz, yz }) {
    this.view = view;
    this.store = store;
    this.panes = [new Pane(xz, "x", store), new Pane(yz, "y", store)];
    this.at = null;
    this.tries = 0;
    this.askedAt = -Infinity;
    this.isAsking = false;
    store.on("cursor", (cursor) => this.look(cursor));
    for (const event of ["slice", "state"]) store.on(event, () => this.look(view.cursor));
    store.on("window", () => this.panes.forEach((pane) => pane.lookUp()));
    for (const event of ["boxes", "class", "theme"]) store.on(event, () => this.paint());
    for (const pane of this.panes) new ResizeObserver(() => this.resized()).observe(pane.canvas);
    document.addEventListener("visibilitychange", () => this.at && this.askSoon(0)); // nothing is asked while hidden
    this.look(view.cursor);
  }

  /** Go to the cursor; while it is nowhere, stay, at first in the middle of the slice. */
  look({ x, y, isInside }) {
    const { stack, z } = this.store;
    if (!stack) return;
    const before = this.at;
    const [, height, width] = stack.shape;
    const place = isInside ? { x, y } : (before ?? { x: width >> 1, y: height >> 1 });
    if (before && before.x === place.x && before.y === place.y && before.z === z) return;
    this.at = { ...place, z };
    this.tries = 0;
    this.paint();
    this.askSoon(EVERY_MS - (performance.now() - this.askedAt));
  }

  /** Another shape of pane shows more or less of the stack. */
  resized() {
    this.paint();
    if (this.at) this.askSoon(EVERY_MS);
  }

  askSoon(wait) {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.ask(), Math.max(wait, 0));
  }

  async ask() {
    if (this.isAsking || document.hidden) return;
    this.isAsking = true;
    this.askedAt = performance.now();
    const { x, y, z } = this.at;
    let missing = [];
    try {
      const across = Math.max(...this.panes.map((pane) => pane.across()));
      const half = Math.max(...this.panes.map((pane) => pane.half()));
      const answer = await api.cuts({ z, y, x, half, across }, PATIENCE_MS);
      const head = JSON.parse(answer.headers.get("X-Cuts"));
      this.take(head, await answer.arrayBuffer());
      missing = head.missing;
    } catch {
      missing = [z]; // the server is away: the page says so elsewhere
    } finally {
      this.isAsking = false;
    }
    const isBehind = this.at.x !== x || this.at.y !== y || this.at.z !== z;
    if (isBehind) this.askSoon(EVERY_MS - (performance.now() - this.askedAt));
    else if (missing.length) this.askSoon(AGAIN_MS[Math.min(this.tries++, AGAIN_MS.length - 1)]);
  }

  take(head, buffer) {
    const Values = this.store.stack.bits === 16 ? Uint16Array : Uint8Array;
    const all = new Values(buffer);
    const blank = new Set([...head.missing, ...(head.unreadable ?? [])]);
    const [[rows, across], [, along]] = [head.xz, head.yz];
    const common = { rows, z0: head.z0, step: head.step_px, blank };
    if (this.step !== head.step_px) this.askSoon(EVERY_MS); // how much fits is known only now
    this.step = head.step_px;
    this.panes[0].show({ ...common, cols: across, from: head.x0, values: all.subarray(0, rows * across) });
    this.panes[1].show({ ...common, cols: along, from: head.y0, values: all.subarray(rows * across) });
    this.paint();
  }

  paint() {
    if (this.isAsked || !this.at) return;
    this.isAsked = true;
    requestAnimationFrame(() => {
      this.isAsked = false;
      for (const pane of this.panes) pane.paint(this.at);
    });
  }
}

class Pane {
  /** @param {"x"|"y"} axis that runs across */
  constructor(canvas, axis, store) {
    this.canvas = canvas;
    this.axis = axis;
    this.store = store;
    this.cut = null;
    this.picture = new OffscreenCanvas(1, 1);
    canvas.style.cursor = "row-resize";
    const go = (event) => {
      if (this.at && event.buttons & 1) this.store.goTo(this.sliceAt(event.offsetY));
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.grabbed = { ...this.at };
      go(event);
    });
    canvas.addEventListener("pointermove", (event) => this.grabbed && go(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => this.release());
  }

  release() {
    this.grabbed = null;
    if (this.at) this.paint(this.at);
  }

  show(cut) {
    this.cut = cut;
    this.lookUp();
  }

  /** Turn grey values into a picture; slices that are missing are left clear. */
  lookUp() {
    const { cut, store } = this;
    if (!cut) return;
    const { bits, offset = 0, scale = 1 } = store.stack;
    const table = lookUpTable(store.window, { bits, offset, scale });
    const image = new ImageData(cut.cols, cut.rows);
    const pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < cut.values.length; i += 1) pixels[i] = table[cut.values[i]];
    for (let row = 0; row < cut.rows; row += 1) {
      if (cut.blank.has(cut.z0 + row)) pixels.fill(0, row * cut.cols, (row + 1) * cut.cols);
    }
    Object.assign(this.picture, { width: cut.cols, height: cut.rows });
    this.picture.getContext("2d").putImageData(image, 0, 0);
    if (this.at) this.paint(this.at);
  }

  /** How many pixels across a slice is thick. */
  thickness() {
    const size = this.store.stack.voxel_size_nm ?? [1, 1, 1];
    return size[0] / size[this.axis === "x" ? 2 : 1];
  }

  /** Samples to each side: as many as fill the pane together with `SHOWN` slices to each side, or the whole depth. */
  across() {
    const { clientWidth: wide, clientHeight: high } = this.canvas;
    const deep = Math.min(SHOWN, this.store.stack.shape[0] / 2);
    const fitting = (deep * this.thickness() * (wide / (high || 1))) / (this.cut?.step ?? 1);
    return Math.round(Math.min(Math.max(fitting, ACROSS[0]), ACROSS[1]));
  }

  /** Slices to each side that the pane has room for. */
  half() {
    const aside = this.at ? Math.abs(this.middle() - this.at.z - 0.5) : 0;
    return Math.min(HALF, Math.ceil(this.canvas.clientHeight / 2 / this.scales().down + aside) + 1);
  }

  /** What lies at half the pane's height, in slices: the cursor's, but near its faces the stack fills the pane. */
  middle() {
    const { z } = this.grabbed ?? this.at;
    const [depth] = this.store.stack.shape;
    const reach = Math.min(this.canvas.clientHeight / 2 / this.scales().down, depth / 2);
    return Math.min(Math.max(z + 0.5, reach), depth - reach);
  }

  /** Screen pixels per slice pixel across, and per slice down: the same number of nm to each. */
  scales() {
    const across = this.canvas.clientWidth / ((2 * this.across() + 1) * (this.cut?.step ?? 1));
    return { across, down: across * this.thickness() };
  }

  /** The slice at a height of the pane; while dragging, the pane stays where it was gripped. */
  sliceAt(top) {
    return Math.floor(this.middle() + (top - this.canvas.clientHeight / 2) / this.scales().down);
  }

  /** @param {{x: number, y: number, z: number}} at voxel in the middle */
  paint(at) {
    this.at = at;
    const { canvas, store } = this;
    const { clientWidth: wide, clientHeight: high } = canvas;
    if (!wide || !high || !store.stack) return;
    const ratio = Math.min(window.devicePixelRatio || 1, MOST_DPR);
    const [width, height] = [Math.round(wide * ratio), Math.round(high * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, wide, high);
    const { across, down } = this.scales();
    const middle = this.middle();
    const toX = (value) => wide / 2 + (value - at[this.axis] - 0.5) * across;
    const toY = (z) => high / 2 + (z - middle) * down;
    if (this.cut) {
      const { cols, rows, from, step, z0 } = this.cut;
      context.imageSmoothingEnabled = across * step < SQUARE_PX;
      context.drawImage(this.picture, toX(from), toY(z0), cols * step * across, rows * down);
    }
    this.paintBoxes(context, at, toX, toY);
    this.paintCross(context, toX(at[this.axis] + 0.5), toY(at.z), toY(at.z + 1));
  }

  /** Where boxes of the slices cross the cut. */
  paintBoxes(context, at, toX, toY) {
    const [low, high, other] = this.axis === "x" ? ["x0", "x1", "y"] : ["y0", "y1", "x"];
    const { down } = this.scales();
    const half = Math.ceil(this.canvas.clientHeight / 2 / down) + 1;
    const middle = Math.floor(this.middle());
    const thick = Math.max(down - 1, 2);
    for (let z = middle - half; z <= middle + half; z += 1) {
      for (const box of this.store.boxesOn(z)) {
        if (at[other] < box[`${other}0`] || at[other] >= box[`${other}1`]) continue;
        const [left, right] = [toX(box[low]), toX(box[high])];
        const top = toY(z + 0.5) - thick / 2;
        context.strokeStyle = "rgba(0,0,0,0.7)";
        context.lineWidth = 3;
        context.strokeRect(left, top, right - left, thick);
        context.strokeStyle = this.store.colour(box.class);
        context.lineWidth = 1.5;
        context.strokeRect(left, top, right - left, thick);
      }
    }
  }

  paintCross(context, x, top, bottom) {
    const { clientWidth: wide, clientHeight: high } = this.canvas;
    const [above, below] = bottom - top < 4 ? [(top + bottom) / 2, null] : [top, bottom];
    const lines = [[x, 0, x, high], [0, above, wide, above]];
    if (below !== null) lines.push([0, below, wide, below]);
    for (const [style, thick] of [["rgba(0,0,0,0.45)", 3], ["rgba(255,255,255,0.75)", 1]]) {
      context.strokeStyle = style;
      context.lineWidth = thick;
      context.beginPath();
      for (const [x0, y0, x1, y1] of lines) {
        context.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
        context.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
      }
      context.stroke();
    }
  }
}
