/**
 * Boxes on the canvas. Each line is drawn in its class's colour on a wider dark one, so that it is seen on any grey; what
 * is selected has a white line outside and white handles as well, so that no colour is needed to tell. The handles of a
 * box just drawn are dark: it can be pulled, but keys do not mean it.
 */

import { handleSpots, onScreen } from "./geometry.js";

const CASING = "rgba(0,0,0,0.7)";
const DASHES = { ghost: [2, 4], proposal: [7, 5] };
const HANDLE_PX = 9;
const TINT_TO_PX = 160; // larger boxes are not tinted, so that their grey values can be judged
export const FONT = "600 12px system-ui, sans-serif";

/** Rectangle on the screen with its lines on the middle of pixels, so that they are sharp. */
function sharp(box, frame) {
  const { left, top, right, bottom } = onScreen(box, frame);
  const snap = (value) => Math.round(value - 0.5) + 0.5;
  const [x, y] = [snap(left), snap(top)];
  return [x, y, Math.max(snap(right) - x, 1), Math.max(snap(bottom) - y, 1)];
}

/** Whether any of a box is on the screen. */
export function isSeen(box, frame, screen) {
  const { left, top, right, bottom } = onScreen(box, frame);
  return right >= -4 && bottom >= -4 && left <= screen.width + 4 && top <= screen.height + 4;
}

/**
 * A box of this slice.
 *
 * @param {CanvasRenderingContext2D} context in CSS pixels
 * @param {{color: string, isSelected?: boolean, isHovered?: boolean}} look
 */
export function drawBox(context, box, frame, { color, isSelected = false, isHovered = false }) {
  const [x, y, wide, high] = sharp(box, frame);
  const tint = (isSelected ? 0.16 : 0.1) * (1 - Math.max(wide, high) / TINT_TO_PX);
  if ((isSelected || isHovered) && tint > 0) {
    context.fillStyle = color;
    context.globalAlpha = tint;
    context.fillRect(x, y, wide, high);
    context.globalAlpha = 1;
  }
  line(context, x, y, wide, high, CASING, isSelected ? 7 : 4.5);
  if (isSelected) line(context, x, y, wide, high, "#fff", 5);
  line(context, x, y, wide, high, color, isHovered && !isSelected ? 3 : 2);
}

/** A rectangle's outline; its dashes are its own and do not reach what is drawn next. */
function line(context, x, y, wide, high, style, thick, dashes = []) {
  context.strokeStyle = style;
  context.lineWidth = thick;
  context.setLineDash(dashes);
  context.strokeRect(x, y, wide, high);
  context.setLineDash([]);
}

/** The eight handles of a box: white with its colour inside, or dark with its colour round them. */
export function drawHandles(context, box, frame, { color, isSelected }) {
  for (const { x, y } of handleSpots(box, frame)) {
    const [left, top] = [Math.round(x - HANDLE_PX / 2) + 0.5, Math.round(y - HANDLE_PX / 2) + 0.5];
    context.fillStyle = isSelected ? "#fff" : "#16181c";
    context.fillRect(left, top, HANDLE_PX, HANDLE_PX);
    line(context, left, top, HANDLE_PX, HANDLE_PX, isSelected ? "rgba(0,0,0,0.85)" : color, 1);
    if (!isSelected) continue;
    context.fillStyle = color;
    context.fillRect(left + 2.5, top + 2.5, HANDLE_PX - 5, HANDLE_PX - 5);
  }
}

/** A box of a neighbour slice: faint dots. */
export function drawGhost(context, box, frame, color) {
  const [x, y, wide, high] = sharp(box, frame);
  context.globalAlpha = 0.75;
  line(context, x, y, wide, high, "rgba(0,0,0,0.45)", 2.5);
  line(context, x, y, wide, high, color, 1.5, DASHES.ghost);
  context.globalAlpha = 1;
}

/** A box that the model proposes: dashes, white between them; a thin line where its score is too low to count. */
export function drawProposal(context, box, frame, { color, isFocused, isFaint }) {
  const [x, y, wide, high] = sharp(box, frame);
  if (isFaint && !isFocused) {
    context.globalAlpha = 0.5;
    line(context, x, y, wide, high, color, 1, DASHES.proposal);
    context.globalAlpha = 1;
    return;
  }
  line(context, x, y, wide, high, CASING, isFocused ? 6 : 4);
  if (isFocused) line(context, x, y, wide, high, "#fff", 4);
  line(context, x, y, wide, high, color, 2, DASHES.proposal);
}

/** The box being drawn, or the marquee. */
export function drawBand(context, box, frame, color) {
  const [x, y, wide, high] = sharp(box, frame);
  line(context, x, y, wide, high, CASING, 3);
  line(context, x, y, wide, high, color ?? "#fff", 1.5, color ? [] : [4, 4]);
}

/** A quiet word and tick in the upper right corner of the screen: this slice is done. */
export function drawDoneMark(context, screen) {
  const [right, top] = [screen.width - 14, 12];
  context.font = FONT;
  context.textAlign = "right";
  context.textBaseline = "middle";
  const wide = context.measureText("done").width + 32;
  context.fillStyle = "rgba(16,18,22,0.72)";
  context.beginPath();
  context.roundRect(right - wide, top, wide, 22, 11);
  context.fill();
  context.fillStyle = "#fff";
  context.fillText("done", right - 10, top + 11.5);
  context.strokeStyle = "#7fd6a4";
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(right - wide + 9, top + 11.5);
  context.lineTo(right - wide + 12.5, top + 15);
  context.lineTo(right - wide + 18.5, top + 7.5);
  context.stroke();
  context.textBaseline = "alphabetic";
}

/** Words round a point of the screen, no wider than there is room; none for null. */
export function drawWords(context, text, x, y, room) {
  if (!text) return;
  context.font = "14px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  const wide = Math.min(context.measureText(text).width + 32, room);
  context.fillStyle = "rgba(16,18,22,0.85)";
  context.beginPath();
  context.roundRect(x - wide / 2, y - 17, wide, 34, 6);
  context.fill();
  context.fillStyle = "#fff";
  context.fillText(text, x, y, wide - 20);
  context.textBaseline = "alphabetic";
}
