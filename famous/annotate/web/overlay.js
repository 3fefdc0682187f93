/** Everything that lies on the slice: outline, ghosts, proposals, boxes, labels, the box being drawn, the scale bar. */

import * as draw from "./boxes.js";
import { area, onScreen } from "./geometry.js";
import { Labels } from "./labels.js";
import { drawScaleBar } from "./scalebar.js";

/**
 * @param {CanvasRenderingContext2D} context in CSS pixels, cleared
 * @param {import("./view.js").View} view
 * @param {object} store
 */
export function paintOverlay(context, view, store) {
  outline(context, view, store);
  if (view.showsGhosts) ghosts(context, view, store);
  const labels = new Labels(context, view);
  proposals(context, view, store);
  boxes(context, view, store, labels);
  offerScores(view, store, labels);
  band(context, view, store, labels);
  labels.paint();
  draw.drawWords(context, view.notice(), view.screen.width / 2, view.screen.height / 2, view.screen.width - 20);
  draw.drawWords(context, view.hint, view.screen.width / 2, 28, view.screen.width - 20);
  if (store.done.has(store.z)) draw.drawDoneMark(context, view.screen);
  const size = store.stack.voxel_size_nm;
  drawScaleBar(context, view.screen, (size ? size[2] : 1) / view.frame.scale, Boolean(size));
}

function outline(context, view, store) {
  const { left, top, right, bottom } = onScreen({ y0: 0, x0: 0, y1: view.slice.height, x1: view.slice.width }, view.frame);
  const isDone = store.done.has(store.z);
  context.strokeStyle = isDone ? "rgba(127,214,164,0.8)" : "rgba(128,128,128,0.5)";
  context.lineWidth = isDone ? 2 : 1;
  context.strokeRect(left - 1, top - 1, right - left + 2, bottom - top + 2);
}

function ghosts(context, view, store) {
  for (const z of [store.z - 1, store.z + 1]) {
    for (const box of store.boxesOn(z)) {
      if (draw.isSeen(box, view.frame, view.screen)) draw.drawGhost(context, box, view.frame, store.colour(box.class));
    }
  }
}

function proposals(context, view, store) {
  for (const box of store.proposals) {
    if (!draw.isSeen(box, view.frame, view.screen)) continue;
    const color = store.colour(box.class);
    const isFocused = box.key === view.proposalKey;
    draw.drawProposal(context, box, view.frame, { color, isFocused, isFaint: box.score < store.proposalThreshold });
  }
}

/** Scores at the proposals that count, and at the one in question. */
function offerScores(view, store, labels) {
  const seen = store.proposals.filter((box) => draw.isSeen(box, view.frame, view.screen));
  for (const box of seen.sort((a, b) => b.score - a.score)) {
    const score = box.score.toFixed(2);
    const whole = `${box.class} ${score}`;
    if (box.key === view.proposalKey) labels.ask(box, whole, store.colour(box.class));
    else if (box.score >= store.proposalThreshold) labels.offer(box, [whole, score], store.colour(box.class));
  }
}

/** Large boxes first, so that small ones lie on top; what is selected last. */
function boxes(context, view, store, labels) {
  const isSelected = (box) => store.selection.has(box.id);
  const seen = view.boxes().filter((box) => draw.isSeen(box, view.frame, view.screen));
  const drawn = seen.sort((a, b) => Number(isSelected(a)) - Number(isSelected(b)) || area(b) - area(a));
  for (const box of drawn) {
    const look = { color: store.colour(box.class), isSelected: isSelected(box), isHovered: box.id === view.hovered };
    draw.drawBox(context, box, view.frame, look);
  }
  for (const box of drawn) {
    const text = label(box, isSelected(box));
    if (isSelected(box) || box.id === view.hovered) labels.ask(box, text, store.colour(box.class));
    else if (view.showsLabels) labels.offer(box, [text], store.colour(box.class));
  }
  const gripped = view.gripped();
  if (!gripped) return;
  draw.drawHandles(context, gripped, view.frame, { color: store.colour(gripped.class), isSelected: isSelected(gripped) });
}

function label(box, withSize) {
  return withSize ? `${box.class} ${box.x1 - box.x0} × ${box.y1 - box.y0}` : box.class;
}

function band(context, view, store, labels) {
  if (!view.band) return;
  const { kind, box } = view.band;
  const color = kind === "draw" ? store.colour(store.className) : null;
  draw.drawBand(context, box, view.frame, color);
  if (color) labels.ask(box, label({ ...box, class: store.className ?? "" }, true), color);
}
