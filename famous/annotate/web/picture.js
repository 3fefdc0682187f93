/** The slice on the canvas: the right tiles of the right level, and something sensible while they are on their way. */

import { fromTheMiddle, levelFor, visibleTiles } from "./pyramid.js";

/**
 * @typedef {{z: number, frame: import("./geometry.js").Frame, screen: import("./geometry.js").Size,
 *   slice: import("./geometry.js").Size, depth: number, ratio: number, background: string}} Scene
 */

const HOLD_MS = 160; // so long the slice before stays whole, rather than a coarse picture of the new one
const WAIT_MS = 700; // after that the slice before is dimmed, and a word says that the new one is awaited
const NEAREST_FROM = 2; // screen pixels per slice pixel from which on pixels are seen as squares

export class Picture {
  /** @param {import("./tiles.js").Tiles} tiles */
  constructor(tiles) {
    this.tiles = tiles;
    /** @type {number|null} the slice that was last seen whole */
    this.held = null;
    this.turnedAt = 0;
    this.z = -1;
    this.asked = "";
    /** Nothing of the slice itself can be seen, for so long that it must be said. */
    this.isWaiting = false;
    /** @type {{z: number, image: HTMLImageElement}|null} a whole slice as one coarse picture, while its tiles come */
    this.preview = null;
  }

  /** Whether there is such a picture of a slice. */
  hasPreview(z) {
    return this.preview !== null && this.preview.z === z && this.preview.image.complete && this.preview.image.naturalWidth > 0;
  }

  /**
   * Paint the slice, and ask for the tiles that are missing.
   *
   * @param {CanvasRenderingContext2D} context in device pixels
   * @param {Scene} scene
   * @returns {boolean} whether what was painted is final; else paint again soon
   */
  paint(context, scene, now) {
    const level = levelFor(scene.frame.scale * scene.ratio, this.tiles.pyramid.levels);
    if (scene.z !== this.z) {
      if (this.held === null || this.held === this.z) this.turnedAt = now;
      this.z = scene.z;
    }
    this.ask(scene, level);
    context.fillStyle = scene.background;
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
    context.imageSmoothingEnabled = scene.frame.scale * scene.ratio < NEAREST_FROM;
    this.isWaiting = false;
    const isWhole = this.isWhole(scene, scene.z, level);
    if (isWhole) {
      if (this.preview?.z === scene.z) this.preview = null;
      this.held = scene.z;
      this.paintLevel(context, scene, scene.z, level);
    } else {
      this.paintMeanwhile(context, scene, level, now);
    }
    return isWhole;
  }

  paintMeanwhile(context, scene, level, now) {
    const isNew = this.held !== null && this.held !== scene.z;
    const hasCoarse = this.hasPreview(scene.z) || this.tiles.has({ z: scene.z, level: this.tiles.pyramid.levels - 1, row: 0, col: 0 });
    const passed = now - this.turnedAt;
    const isFaulty = this.tiles.faultOn(scene.z) !== null;
    this.isWaiting = !hasCoarse && (isFaulty || this.held === null || passed > WAIT_MS);
    if (isNew && !isFaulty && (passed < HOLD_MS || !hasCoarse)) this.paintLevels(context, scene, this.held, level);
    if (isNew && this.isWaiting) this.dim(context, scene);
    if (!isNew || passed >= HOLD_MS) this.paintLevels(context, scene, scene.z, level);
  }

  /** What is seen is another slice: show that it is not the one meant. */
  dim(context, { background }) {
    context.globalAlpha = 0.65;
    context.fillStyle = background;
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
    context.globalAlpha = 1;
  }

  /** Paint what there is of a slice, the finest on top. */
  paintLevels(context, scene, z, level) {
    if (this.hasPreview(z)) this.paintPreview(context, scene);
    let coarsest = level;
    while (coarsest < this.tiles.pyramid.levels - 1 && !this.isWhole(scene, z, coarsest)) coarsest += 1;
    if (!this.hasPreview(z)) for (let coarse = coarsest; coarse > level; coarse -= 1) this.paintLevel(context, scene, z, coarse);
    if (level > 0 && coarsest > level) this.paintLevel(context, scene, z, level - 1);
    this.paintLevel(context, scene, z, level);
  }

  paintPreview(context, { frame, slice, ratio }) {
    const at = [frame.left, frame.top, slice.width * frame.scale, slice.height * frame.scale];
    context.drawImage(this.preview.image, ...at.map((length) => length * ratio));
  }

  range(scene, level, margin = 0) {
    return visibleTiles(scene.frame, scene.screen, scene.slice, level, this.tiles.pyramid.side, margin);
  }

  isWhole(scene, z, level) {
    const { row0, row1, col0, col1 } = this.range(scene, level);
    for (let row = row0; row < row1; row += 1) {
      for (let col = col0; col < col1; col += 1) if (!this.tiles.has({ z, level, row, col })) return false;
    }
    return true;
  }

  paintLevel(context, { frame, screen, slice, ratio }, z, level) {
    const { side } = this.tiles.pyramid;
    const { row0, row1, col0, col1 } = visibleTiles(frame, screen, slice, level, side);
    const step = side * 2 ** level;
    // edges of tiles lie on whole screen pixels: no seams, and an unscaled copy where the scale is 1
    const across = (x) => Math.round((Math.min(x, slice.width) * frame.scale + frame.left) * ratio);
    const down = (y) => Math.round((Math.min(y, slice.height) * frame.scale + frame.top) * ratio);
    for (let row = row0; row < row1; row += 1) {
      for (let col = col0; col < col1; col += 1) {
        const picture = this.tiles.picture({ z, level, row, col });
        if (!picture) continue;
        const [left, top] = [across(col * step), down(row * step)];
        context.drawImage(picture, left, top, across((col + 1) * step) - left, down((row + 1) * step) - top);
      }
    }
  }

  /** Ask for what is seen, then its surroundings, then the neighbour slices. */
  ask(scene, level) {
    const { z, depth } = scene;
    const seen = this.range(scene, level);
    const asked = [z, level, seen.row0, seen.row1, seen.col0, seen.col1].join();
    if (asked === this.asked) return;
    this.asked = asked;
    const top = this.tiles.pyramid.levels - 1;
    const whole = (slice) => ({ z: slice, level: top, row: 0, col: 0 });
    const at = (slice, range) => fromTheMiddle(range).map(([row, col]) => ({ z: slice, level, row, col }));
    const neighbours = [z + 1, z - 1].filter((slice) => slice >= 0 && slice < depth);
    const around = at(z, this.range(scene, level, 1));
    this.tiles.want(
      [whole(z), ...at(z, seen)],
      [...around, ...neighbours.map(whole), ...neighbours.flatMap((slice) => at(slice, seen))],
    );
  }
}
