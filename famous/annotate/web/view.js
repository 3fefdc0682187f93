/**
 * The canvas: where the slice lies on the screen, and when it is painted. Two layers, so that a moving cursor repaints no
 * tiles: the slice on the canvas given, boxes and bars on one laid over it.
 */

import { framing, heldOnScreen, toImage, toScreen, zoomedAt } from "./geometry.js";
import { paintOverlay } from "./overlay.js";
import { Picture } from "./picture.js";
import { FIT_MARGIN_PX } from "./pyramid.js";
import { Tiles } from "./tiles.js";

const MOST_SCALE = 64; // screen pixels per slice pixel
const ZOOM_MS = 55; // a zoom has gone 63 % of its way after so long
const AGAIN_MS = 100; // while tiles are awaited: what is shown meanwhile changes with time
const REST_MS = 120; // the cursor rests: worth a full-size tile for its grey value

export class View {
  /**
   * @param {HTMLCanvasElement} canvas positioned and sized by the page
   * @param {object} store
   */
  constructor(canvas, store) {
    this.canvas = canvas;
    this.store = store;
    this.over = layOver(canvas);
    this.context = canvas.getContext("2d", { alpha: false });
    this.overContext = this.over.getContext("2d");
    this.frame = { scale: 1, left: 0, top: 0 };
    this.screen = { height: 0, width: 0 };
    this.slice = { height: 1, width: 1 };
    this.ratio = 1;
    this.background = "#101215";
    this.cursor = { x: 0, y: 0, z: 0, grey: null, isExact: false, isInside: false };
    /** @type {Map<string, object>|null} boxes as they are being moved: id → fields */
    this.draft = null;
    /** @type {{kind: "draw"|"marquee", box: import("./geometry.js").Box}|null} */
    this.band = null;
    this.hovered = null;
    /** @type {string|null} the box just drawn: it has handles, but is not selected, so that keys mean the next box */
    this.fresh = null;
    this.proposalKey = null;
    /** @type {string|null} words at the top: which tool is in hand */
    this.hint = null;
    this.showsGhosts = true;
    this.showsLabels = true;
    this.goal = null;
    this.dirty = { picture: true, overlay: true };
    this.paintedAt = 0;
    this.asked = 0;
    this.pointer = null;
    this.isFitted = true;
    this.listen();
    this.load();
  }

  listen() {
    const { store } = this;
    const overlay = () => this.invalidate("overlay");
    store.on("state", () => this.load());
    for (const event of ["boxes", "selection", "class", "model"]) store.on(event, overlay);
    store.on("proposals", () => {
      if (!store.proposals.some(({ key }) => key === this.proposalKey)) this.proposalKey = null;
      overlay();
    });
    store.on("slice", () => this.turn());
    store.on("window", () => {
      this.tiles?.setWindow(store.window);
      if (this.picture?.preview && this.picture.preview.window !== JSON.stringify(store.window)) this.picture.preview = null;
      this.invalidate();
    });
    store.on("theme", () => requestAnimationFrame(() => this.readTheme()));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.readTheme());
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    this.readTheme();
  }

  /** Take the stack as it now is; the tiles begin anew only if it is another one. */
  load() {
    const { stack, pyramid } = this.store;
    if (!stack) return;
    const [, height, width] = stack.shape;
    const coding = { bits: stack.bits, offset: stack.offset ?? 0, scale: stack.scale ?? 1 };
    const version = (stack.fingerprint ?? "").slice(0, 16);
    const stamp = JSON.stringify([stack.name, version, stack.shape, coding, pyramid]);
    if (stamp !== this.stamp) {
      this.stamp = stamp;
      this.slice = { height, width };
      Object.assign(this.cursor, { x: width >> 1, y: height >> 1 }); // until the mouse comes
      this.tiles?.close();
      const hooks = { onArrival: (tile) => this.arrived(tile), onFault: () => this.invalidate() };
      this.tiles = new Tiles(coding, { side: pyramid.tile, levels: pyramid.levels, version }, hooks);
      this.picture = new Picture(this.tiles);
      this.takePreview(document.getElementById("first"));
      this.resize();
      this.fit();
    }
    this.tiles.setWindow(this.store.window);
    this.invalidate();
  }

  /** Go on with the picture that was there before this program came. @param {HTMLImageElement|null} image */
  takePreview(image) {
    if (!image?.dataset.z) return;
    this.picture.preview = { z: Number(image.dataset.z), image, window: JSON.stringify(this.store.window) };
    image.addEventListener("load", () => this.invalidate("picture"));
    this.handed = image;
  }

  arrived(tile) {
    if (tile.z !== this.store.z) return;
    this.invalidate("picture");
    if (this.pointer) this.readCursor();
  }

  turn() {
    this.hovered = null;
    this.fresh = null;
    this.draft = null;
    this.band = null;
    this.invalidate();
    this.readCursor();
  }

  readTheme() {
    this.background = getComputedStyle(this.canvas).backgroundColor || this.background;
    if (this.background === "rgba(0, 0, 0, 0)") this.background = "#101215";
    this.invalidate();
  }

  // ------------------------------------------------------------------ where the slice lies

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    const wasFitted = this.isFitted || !this.screen.width;
    this.screen = { height, width };
    if (wasFitted) this.fit();
    else this.place(this.frame);
    this.invalidate();
  }

  /** Show the whole slice. */
  fit() {
    if (!this.screen.width) return;
    this.goal = null;
    this.place(framing({ y0: 0, x0: 0, y1: this.slice.height, x1: this.slice.width }, this.screen, FIT_MARGIN_PX));
    this.isFitted = true;
  }

  leastScale() {
    return Math.min(this.screen.height / this.slice.height, this.screen.width / this.slice.width, 1) / 3;
  }

  /** Zoom by a factor; what lies under (atX, atY), in CSS pixels, stays there. */
  zoomBy(factor, atX = this.screen.width / 2, atY = this.screen.height / 2, { smooth = false } = {}) {
    const from = this.goal?.scale ?? this.frame.scale;
    const scale = Math.min(Math.max(from * factor, this.leastScale()), MOST_SCALE);
    this.isFitted = false;
    if (smooth && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.goal = { scale, atX, atY };
    else {
      this.goal = null;
      this.place(zoomedAt(this.frame, scale, atX, atY));
    }
    this.invalidate();
  }

  panBy(dx, dy) {
    this.goal = null;
    this.isFitted = false;
    this.place({ ...this.frame, left: this.frame.left + dx, top: this.frame.top + dy });
  }

  /** Bring a box into the middle, and nearer where it is tiny on the screen. */
  centreOn(box) {
    const most = Math.max(this.frame.scale, Math.min(4, 60 / Math.max(box.y1 - box.y0, box.x1 - box.x0)));
    this.goal = null;
    this.isFitted = false;
    this.place(framing(box, this.screen, FIT_MARGIN_PX * 2, most));
  }

  /** Bring a box onto the screen if it is not there. */
  reveal(box) {
    const [left, top] = this.toScreen(box.x0, box.y0);
    const [right, bottom] = this.toScreen(box.x1, box.y1);
    const isSeen = left >= 0 && top >= 0 && right <= this.screen.width && bottom <= this.screen.height;
    if (!isSeen || Math.max(right - left, bottom - top) < 12) this.centreOn(box);
  }

  place(frame) {
    this.frame = heldOnScreen(frame, this.slice, this.screen);
    this.invalidate();
    if (this.pointer) this.readCursor();
  }

  toImage(px, py) {
    return toImage(this.frame, px, py);
  }

  toScreen(x, y) {
    return toScreen(this.frame, x, y);
  }

  // ------------------------------------------------------------------ the cursor

  /** The mouse is at a point of the canvas (CSS pixels), or has left it (null). */
  setPointer(point) {
    this.pointer = point;
    if (point) this.readCursor();
    else this.store.emit("cursor", { ...this.cursor, isInside: false, grey: null });
  }

  /** Look at a place of the slice without the mouse. */
  lookAt(x, y) {
    this.pointer = null;
    this.tellCursor(x, y);
  }

  readCursor() {
    const [x, y] = this.pointer ? this.toImage(this.pointer.px, this.pointer.py) : [this.cursor.x, this.cursor.y];
    this.tellCursor(x, y);
  }

  tellCursor(x, y) {
    const { z } = this.store;
    const [row, col] = [Math.floor(y), Math.floor(x)];
    const isInside = row >= 0 && col >= 0 && row < this.slice.height && col < this.slice.width;
    const found = isInside ? this.tiles?.grey(z, row, col) : null;
    const size = this.store.stack?.voxel_size_nm;
    const um = size ? { x: (x * size[2]) / 1000, y: (y * size[1]) / 1000, z: ((z + 0.5) * size[0]) / 1000 } : null;
    this.cursor = { x: col, y: row, z, um, grey: found?.grey ?? null, isExact: found?.level === 0, isInside };
    this.store.emit("cursor", this.cursor);
    clearTimeout(this.resting);
    if (isInside && !this.cursor.isExact) this.resting = setTimeout(() => this.fetchExact(z, row, col), REST_MS);
  }

  fetchExact(z, y, x) {
    const { side } = this.tiles.pyramid;
    this.tiles.wantAlso({ z, level: 0, row: Math.floor(y / side), col: Math.floor(x / side) });
  }

  // ------------------------------------------------------------------ boxes as they look now

  /** Boxes of the slice, those being moved where they now are. */
  boxes() {
    const boxes = [...this.store.boxesOn(this.store.z)];
    return this.draft ? boxes.map((box) => ({ ...box, ...this.draft.get(box.id) })) : boxes;
  }

  /** The one box that has handles, or null: the only one selected, else the one just drawn. */
  gripped() {
    const { selection } = this.store;
    const id = selection.size === 1 ? [...selection][0] : selection.size ? null : this.fresh;
    return id === null ? null : (this.boxes().find((box) => box.id === id) ?? null);
  }

  // ------------------------------------------------------------------ painting

  /** Paint again with the next frame. @param {"picture"|"overlay"} [what] both where not said */
  invalidate(what) {
    if (what !== "overlay") this.dirty.picture = true;
    if (what !== "picture") this.dirty.overlay = true;
    if (!this.asked) this.asked = requestAnimationFrame((now) => this.paint(now));
  }

  paint(now) {
    this.asked = 0;
    if (!this.screen.width || !this.tiles) return;
    this.zoomOn(Math.min(now - this.paintedAt, 50));
    this.paintedAt = now;
    const isResized = this.fitCanvases();
    const { picture, overlay } = this.dirty;
    this.dirty = { picture: false, overlay: false };
    if (picture || isResized) this.paintPicture(now);
    if (overlay || isResized || this.dirty.overlay) this.paintOver();
    this.dirty.overlay = false;
    if (this.frame !== this.told) this.store.emit("view", (this.told = this.frame));
    if (this.goal) this.invalidate();
  }

  /** One step of a smooth zoom. */
  zoomOn(passed) {
    if (!this.goal) return;
    const { scale, atX, atY } = this.goal;
    const way = Math.log(scale / this.frame.scale) * (1 - Math.exp(-passed / ZOOM_MS));
    const isThere = Math.abs(Math.log(scale / this.frame.scale)) < 0.004;
    if (isThere) this.goal = null;
    this.place(zoomedAt(this.frame, isThere ? scale : this.frame.scale * Math.exp(way), atX, atY));
  }

  /** Give the canvases as many pixels as the screen has there; this clears them. @returns {boolean} whether it did */
  fitCanvases() {
    this.ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(this.screen.width * this.ratio), Math.round(this.screen.height * this.ratio)];
    const wrong = [this.canvas, this.over].filter((canvas) => canvas.width !== width || canvas.height !== height);
    for (const canvas of wrong) Object.assign(canvas, { width, height });
    return wrong.length > 0;
  }

  paintPicture(now) {
    const { frame, screen, slice, ratio, background } = this;
    const scene = { z: this.store.z, depth: this.store.stack.shape[0], frame, screen, slice, ratio, background };
    const wasWaiting = this.picture.isWaiting;
    const isFinal = this.picture.paint(this.context, scene, now);
    this.handed?.remove();
    this.handed = null;
    if (this.picture.isWaiting !== wasWaiting) this.dirty.overlay = true;
    clearTimeout(this.again);
    if (!isFinal) this.again = setTimeout(() => this.invalidate("picture"), AGAIN_MS);
    if (isFinal && !this.isReady) performance.mark("famous:sharp");
    if (!this.isSettled && (isFinal || this.tiles.faultOn(this.store.z) !== null)) {
      this.isSettled = true;
      this.store.emit("settled"); // now there is time for what costs the server more
    }
    this.isFinal = isFinal;
    this.isReady ||= isFinal;
  }

  /** What to say in place of a slice that cannot be seen yet, or null. */
  notice() {
    if (!this.picture?.isWaiting) return null;
    return this.tiles.faultOn(this.store.z) ?? `Slice ${this.store.z} is being read …`;
  }

  paintOver() {
    const context = this.overContext;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.screen.width, this.screen.height);
    paintOverlay(context, this, this.store);
  }
}

/** A second canvas of the same place and size on top of the first, which lets the mouse through. */
function layOver(canvas) {
  const over = document.createElement("canvas");
  over.setAttribute("aria-hidden", "true");
  over.className = "overlay";
  const { style } = over;
  style.position = "absolute";
  style.pointerEvents = "none";
  canvas.after(over);
  const follow = () => {
    style.left = `${canvas.offsetLeft}px`;
    style.top = `${canvas.offsetTop}px`;
    style.width = `${canvas.clientWidth}px`;
    style.height = `${canvas.clientHeight}px`;
  };
  new ResizeObserver(follow).observe(canvas);
  follow();
  return over;
}
