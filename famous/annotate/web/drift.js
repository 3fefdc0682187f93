/** Moves the slice while a drag is held at the canvas's edge, so that a box may be larger than what is on the screen. */

const EDGE_PX = 14; // how near the edge it begins
const RAMP_PX = 60; // how much farther out it is fastest
const MOST_PX_S = 1300;

/** How fast along one axis, −1 … 1: from where the pointer is, and only as long as there is more slice that way. */
function pull(at, length, first, last) {
  const out = at < EDGE_PX ? at - EDGE_PX : Math.max(at - (length - EDGE_PX), 0);
  const isMore = out < 0 ? first < 0 : last > length;
  return isMore ? Math.min(Math.max(out / RAMP_PX, -1), 1) : 0;
}

export class Drift {
  /**
   * @param {import("./view.js").View} view
   * @param {(point: import("./gestures.js").Point) => void} move what a moved pointer does
   */
  constructor(view, move) {
    this.view = view;
    this.move = move;
    this.stop();
  }

  /** The drag is over, or has not begun. */
  stop() {
    cancelAnimationFrame(this.asked);
    this.point = null;
    this.asked = this.at = 0;
    this.isArmed = false; // a drag that begins at the edge must leave it first
  }

  /** The pointer of a drag is here. @param {import("./gestures.js").Point} point */
  follow(point) {
    this.point = point;
    const [x, y] = this.way();
    this.isArmed ||= !x && !y;
    if (!this.isArmed || this.asked || (!x && !y)) return;
    this.at = performance.now();
    this.asked = requestAnimationFrame((now) => this.step(now));
  }

  way() {
    const { frame, screen, slice } = this.view;
    const { px, py } = this.point;
    return [
      pull(px, screen.width, frame.left, frame.left + slice.width * frame.scale),
      pull(py, screen.height, frame.top, frame.top + slice.height * frame.scale),
    ];
  }

  step(now) {
    this.asked = 0;
    const [x, y] = this.way();
    if (!x && !y) return;
    const far = (MOST_PX_S * Math.min(Math.max(now - this.at, 0), 50)) / 1000;
    this.at = now;
    this.view.panBy(-x * far, -y * far);
    const { px, py } = this.point;
    const [imageX, imageY] = this.view.toImage(px, py);
    this.move({ px, py, x: imageX, y: imageY });
    this.asked = requestAnimationFrame((next) => this.step(next));
  }
}
