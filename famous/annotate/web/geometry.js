/**
 * Boxes, handles, tiles and lengths as plain arithmetic: no page, no state, so that every line can be tested.
 *
 * A box is half-open in whole pixels of the slice. A view is {scale, left, top}: screen = image · scale + (left, top),
 * screen in CSS pixels.
 *
 * @typedef {{y0: number, x0: number, y1: number, x1: number}} Box
 * @typedef {{scale: number, left: number, top: number}} Frame
 * @typedef {{height: number, width: number}} Size
 */

/** Sides shorter than this are refused. */
export const MIN_SIDE_PX = 3;
const BESIDE_PX = 10; // how far a duplicate lies from its original
/** The eight handles; the letters say which sides they move. */
export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** @returns {number[]} x and y in the slice of a point on the screen */
export function toImage(frame, px, py) {
  return [(px - frame.left) / frame.scale, (py - frame.top) / frame.scale];
}

/** @returns {number[]} x and y on the screen of a point in the slice */
export function toScreen(frame, x, y) {
  return [x * frame.scale + frame.left, y * frame.scale + frame.top];
}

/** The frame with another scale in which the point under (px, py) stays where it is. */
export function zoomedAt(frame, scale, px, py) {
  const factor = scale / frame.scale;
  return { scale, left: px - (px - frame.left) * factor, top: py - (py - frame.top) * factor };
}

/** The frame that shows a box (or a whole slice) in the middle of a screen, with a margin in CSS pixels. */
export function framing(box, screen, margin, largest = Infinity) {
  const high = Math.max(box.y1 - box.y0, 1);
  const wide = Math.max(box.x1 - box.x0, 1);
  const room = { height: Math.max(screen.height - 2 * margin, 16), width: Math.max(screen.width - 2 * margin, 16) };
  const scale = Math.min(room.height / high, room.width / wide, largest);
  return {
    scale,
    left: (screen.width - (box.x0 + box.x1) * scale) / 2,
    top: (screen.height - (box.y0 + box.y1) * scale) / 2,
  };
}

/** Keep part of the slice on the screen: at least `rest` CSS pixels of it, or all that there is. */
export function heldOnScreen(frame, slice, screen, rest = 80) {
  const [wide, high] = [slice.width * frame.scale, slice.height * frame.scale];
  const [restX, restY] = [Math.min(rest, wide), Math.min(rest, high)];
  return {
    scale: frame.scale,
    left: clamp(frame.left, restX - wide, screen.width - restX),
    top: clamp(frame.top, restY - high, screen.height - restY),
  };
}

/** Box between two points, in whole pixels: the pixel edges nearest to them. */
export function boxBetween(xa, ya, xb, yb) {
  return {
    y0: Math.round(Math.min(ya, yb)),
    x0: Math.round(Math.min(xa, xb)),
    y1: Math.round(Math.max(ya, yb)),
    x1: Math.round(Math.max(xa, xb)),
  };
}

/** The part of a box that lies in the slice; a side is ≤ 0 where nothing does. */
export function clipped(box, slice) {
  return {
    y0: Math.max(box.y0, 0),
    x0: Math.max(box.x0, 0),
    y1: Math.min(box.y1, slice.height),
    x1: Math.min(box.x1, slice.width),
  };
}

/** Whether both sides are long enough to be a box. */
export function isLargeEnough(box) {
  return box.y1 - box.y0 >= MIN_SIDE_PX && box.x1 - box.x0 >= MIN_SIDE_PX;
}

/** Move a box by whole pixels; it stops at the edge of the slice and keeps its size. */
export function moved(box, dx, dy, slice) {
  const stepX = clamp(Math.round(dx), -box.x0, Math.max(slice.width - box.x1, -box.x0));
  const stepY = clamp(Math.round(dy), -box.y0, Math.max(slice.height - box.y1, -box.y0));
  return { y0: box.y0 + stepY, x0: box.x0 + stepX, y1: box.y1 + stepY, x1: box.x1 + stepX };
}

/** Move several boxes by the same way, as far as all of them stay in the slice. */
export function movedTogether(boxes, dx, dy, slice) {
  const around = surrounding(boxes);
  if (!around) return [];
  const stop = moved(around, dx, dy, slice);
  const [stepX, stepY] = [stop.x0 - around.x0, stop.y0 - around.y0];
  return boxes.map((box) => moved(box, stepX, stepY, slice));
}

/** Smallest box round all of them, or null. */
export function surrounding(boxes) {
  if (!boxes.length) return null;
  return boxes.reduce((all, box) => ({
    y0: Math.min(all.y0, box.y0),
    x0: Math.min(all.x0, box.x0),
    y1: Math.max(all.y1, box.y1),
    x1: Math.max(all.x1, box.x1),
  }), { y0: Infinity, x0: Infinity, y1: -Infinity, x1: -Infinity });
}

/**
 * Pull a handle by whole pixels. The box may be turned over, never leaves the slice and never gets under 3 px.
 *
 * @param {Box} box
 * @param {string} handle one of HANDLES
 */
export function resized(box, handle, dx, dy, slice) {
  const [x0, x1] = pulledSide(box.x0, box.x1, handle.includes("w"), handle.includes("e"), dx, slice.width);
  const [y0, y1] = pulledSide(box.y0, box.y1, handle.includes("n"), handle.includes("s"), dy, slice.height);
  return { y0, x0, y1, x1 };
}

/** One axis of `resized`. */
function pulledSide(low, high, pullsLow, pullsHigh, way, end) {
  if (!pullsLow && !pullsHigh) return [low, high];
  const fixed = pullsLow ? high : low;
  let free = clamp((pullsLow ? low : high) + Math.round(way), 0, end);
  if (Math.abs(free - fixed) < MIN_SIDE_PX) {
    const outward = pullsLow ? -1 : 1;
    const side = free === fixed ? outward : Math.sign(free - fixed);
    free = fixed + side * MIN_SIDE_PX;
    if (free < 0 || free > end) free = fixed - side * MIN_SIDE_PX;
  }
  return [Math.min(fixed, free), Math.max(fixed, free)];
}

/** A box on the screen, {left, top, right, bottom} in CSS pixels. */
export function onScreen(box, frame) {
  const [left, top] = toScreen(frame, box.x0, box.y0);
  const [right, bottom] = toScreen(frame, box.x1, box.y1);
  return { left, top, right, bottom };
}

/**
 * Where the handles of a box lie on the screen. Those of a small box step back outwards, so that none lies on another
 * and the box itself can still be gripped.
 *
 * @returns {{name: string, x: number, y: number}[]}
 */
export function handleSpots(box, frame, size = 10) {
  const { left, top, right, bottom } = onScreen(box, frame);
  const backX = Math.max(0, (3 * size - (right - left)) / 2);
  const backY = Math.max(0, (3 * size - (bottom - top)) / 2);
  const xs = { w: left - backX, e: right + backX };
  const ys = { n: top - backY, s: bottom + backY };
  const [midX, midY] = [(left + right) / 2, (top + bottom) / 2];
  return HANDLES.map((name) => ({
    name,
    x: xs[name.includes("w") ? "w" : name.includes("e") ? "e" : ""] ?? midX,
    y: ys[name.includes("n") ? "n" : name.includes("s") ? "s" : ""] ?? midY,
  }));
}

/**
 * The handle at a point on the screen, or null: within reach of its middle, else anywhere along an edge that is long
 * enough. Corners go before edges.
 */
export function handleAt(box, frame, px, py, reach = 7) {
  const spots = handleSpots(box, frame);
  const near = spots
    .map((spot) => ({ ...spot, away: Math.max(Math.abs(spot.x - px), Math.abs(spot.y - py)) }))
    .filter((spot) => spot.away <= reach)
    .sort((a, b) => a.away - b.away || a.name.length - b.name.length)[0];
  return near ? near.name : edgeAt(onScreen(box, frame), px, py);
}

/** The edge of a rectangle on the screen that a point lies on, or null; small rectangles have handles only. */
function edgeAt({ left, top, right, bottom }, px, py, reach = 4) {
  if (right - left < 40 || bottom - top < 40) return null;
  const within = px >= left - reach && px <= right + reach && py >= top - reach && py <= bottom + reach;
  if (!within) return null;
  const away = { w: Math.abs(px - left), e: Math.abs(px - right), n: Math.abs(py - top), s: Math.abs(py - bottom) };
  const nearest = Object.keys(away).sort((a, b) => away[a] - away[b])[0];
  return away[nearest] <= reach ? nearest : null;
}

/**
 * The smallest box at a point of the slice, or null; among boxes of one size the last. A box may be missed by `slack`
 * pixels, so that tiny ones can be gripped when the slice is small on the screen; boxes that are truly hit go first.
 */
export function boxAt(boxes, x, y, slack = 0) {
  return smallestAt(boxes, x, y, 0) ?? (slack > 0 ? smallestAt(boxes, x, y, slack) : null);
}

function smallestAt(boxes, x, y, slack) {
  let best = null;
  for (const box of boxes) {
    const hit = x >= box.x0 - slack && x < box.x1 + slack && y >= box.y0 - slack && y < box.y1 + slack;
    if (hit && (!best || area(box) <= area(best))) best = box;
  }
  return best;
}

/** Square pixels in a box; 0 where it is empty. */
export function area(box) {
  return Math.max(box.y1 - box.y0, 0) * Math.max(box.x1 - box.x0, 0);
}

/** Boxes that share at least one pixel with a marquee. */
export function boxesIn(boxes, marquee) {
  return boxes.filter(
    (box) => box.x0 < marquee.x1 && box.x1 > marquee.x0 && box.y0 < marquee.y1 && box.y1 > marquee.y0,
  );
}

/** Boxes in the order in which one reads: rows of the slice a fiftieth of its height apart, then from left to right. */
export function readingOrder(boxes, slice) {
  const row = (box) => Math.floor((box.y0 + box.y1) / 2 / Math.max(slice.height / 50, 1));
  return [...boxes].sort((a, b) => row(a) - row(b) || a.x0 - b.x0 || a.y0 - b.y0);
}

/** Whether two boxes have the same corners. */
export function sameBox(a, b) {
  return a.y0 === b.y0 && a.x0 === b.x0 && a.y1 === b.y1 && a.x1 === b.x1;
}

/** Whether a box of the same class has the same corners. */
export function isRepeated(box, others) {
  return others.some((other) => other.class === box.class && sameBox(other, box));
}

/**
 * Boxes moved together, down to the right, else up to the left, until none repeats another.
 *
 * @param {object[]} boxes with their classes
 * @param {object[]} others that must not be repeated
 * @param {{mayStay?: boolean}} [how] whether they are left where they are if they repeat none there
 * @returns {object[]|null} null where there is no such place
 */
export function apart(boxes, others, slice, { mayStay = false } = {}) {
  const ways = Array.from({ length: others.length + 1 }, (_, i) => (i + (mayStay ? 0 : 1)) * BESIDE_PX);
  for (const way of [...ways, ...ways.map((each) => -each)]) {
    const placed = movedTogether(boxes, way, way, slice).map((box, i) => ({ ...box, class: boxes[i].class }));
    if (!placed.some((box) => isRepeated(box, others))) return placed;
  }
  return null;
}
