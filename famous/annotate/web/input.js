/** Mouse, wheel, fingers and keys on the canvas. */

import { Actions } from "./actions.js";
import { Drift } from "./drift.js";
import { boxAt, handleAt } from "./geometry.js";
import { gestureFor, pinch } from "./gestures.js";
import { BY_CHORD, KEYS, chordOf } from "./keys.js";

export { KEYS };

const WHEEL_ZOOM = 0.0022; // per pixel of a mouse's wheel
const PINCH_ZOOM = 0.011; // per pixel of a trackpad's pinch
const NOTCH_PX = 60; // of the wheel, a slice further
const LINE_PX = 33;
const TRACKPAD_MS = 400; // so long a trackpad stays one

/**
 * Connect a view with mouse, fingers and keyboard.
 *
 * @param {import("./view.js").View} view
 * @param {object} store
 * @returns {Actions} for buttons that do what keys do
 */
export function attachInput(view, store) {
  const actions = new Actions(view, store);
  attachPointer(view, store, actions);
  attachWheel(view, actions);
  attachKeys(view, actions);
  return actions;
}

// -------------------------------------------------------------------- mouse and fingers

function attachPointer(view, store, actions) {
  const { canvas } = view;
  canvas.addEventListener("blur", () => (actions.letsGo = false));
  canvas.style.touchAction = "none"; // fingers are ours
  const pressed = new Map();
  let gesture = null;
  const pointOf = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - left, event.clientY - top];
    const [x, y] = view.toImage(px, py);
    return { px, py, x, y };
  };
  const drift = new Drift(view, (point) => gesture?.move(point));
  const stop = () => {
    const was = gesture;
    gesture = null;
    drift.stop();
    was?.cancel();
    return Boolean(was);
  };
  actions.cancelGesture = () => actions.drawBack() || stop();
  store.on("slice", () => {
    actions.pending = null;
    stop();
  });
  const showCursor = (point) => {
    canvas.style.cursor = gesture?.cursor ?? cursorAt(actions, point);
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    actions.flush();
    const point = pointOf(event);
    pressed.set(event.pointerId, point);
    if (pressed.size === 2) {
      stop();
      gesture = pinch(actions, ...pressed.values());
    } else if (!gesture && pressed.size === 1 && store.stack) gesture = gestureFor(actions, event, point);
    showCursor(point);
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    const point = pointOf(event);
    if (pressed.has(event.pointerId)) pressed.set(event.pointerId, point);
    if (gesture?.moveBoth && pressed.size === 2) gesture.moveBoth(...pressed.values());
    else gesture?.move(point);
    if (gesture?.drifts) drift.follow(point);
    if (event.pointerType !== "touch") view.setPointer(point);
    if (!gesture) hover(view, store, point);
    showCursor(point);
  });
  canvas.addEventListener("pointerup", (event) => {
    const point = pointOf(event);
    pressed.delete(event.pointerId);
    const was = gesture;
    gesture = null;
    drift.stop();
    was?.end(point);
    hover(view, store, point);
    showCursor(point);
  });
  canvas.addEventListener("pointercancel", (event) => {
    pressed.delete(event.pointerId);
    stop();
  });
  canvas.addEventListener("pointerleave", () => {
    if (gesture) return;
    view.hovered = null;
    view.setPointer(null);
    view.invalidate("overlay");
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  store.on("tool", () => view.pointer && showCursor({ ...view.pointer }));
}

function hover(view, store, { x, y }) {
  if (!store.stack) return;
  const id = boxAt(store.boxesOn(store.z), x, y, 4 / view.frame.scale)?.id ?? null;
  if (id === view.hovered) return;
  view.hovered = id;
  view.invalidate("overlay");
}

/** The mouse's shape, which tells what a drag would do. */
function cursorAt(actions, { px, py }) {
  const { view, store } = actions;
  if (actions.isHeld || actions.tool === "hand") return "grab";
  if (actions.tool === "window") return "move";
  const gripped = view.gripped();
  const handle = gripped && handleAt(gripped, view.frame, px, py);
  if (handle) return `${handle}-resize`;
  return view.hovered && store.selection.has(view.hovered) ? "move" : "crosshair";
}

// -------------------------------------------------------------------- wheel

/**
 * A mouse's wheel zooms; two fingers on a trackpad move the slice, and zoom when they pinch (browsers say Ctrl then). With
 * Alt or Shift both turn the slices.
 */
function attachWheel(view, actions) {
  let trackpadAt = -Infinity;
  let turned = 0;
  const turn = (way) => {
    turned += way;
    const steps = Math.trunc(turned / NOTCH_PX);
    turned -= steps * NOTCH_PX;
    if (steps) actions.turn(Math.abs(way) >= NOTCH_PX ? Math.sign(steps) : steps);
  };
  const onWheel = (event) => {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? LINE_PX : event.deltaMode === 2 ? 400 : 1;
    const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
    if (event.altKey || event.shiftKey) return turn(dy || dx);
    turned = 0;
    const { left, top } = view.canvas.getBoundingClientRect();
    const at = [event.clientX - left, event.clientY - top];
    const isNotched = event.deltaMode !== 0 || (Math.abs(event.wheelDeltaY ?? 120) % 120 === 0 && dx === 0);
    if (event.ctrlKey) return view.zoomBy(Math.exp(-clampWay(dy) * (isNotched ? WHEEL_ZOOM : PINCH_ZOOM)), ...at);
    if (!isNotched) trackpadAt = event.timeStamp;
    const isTrackpad = event.timeStamp - trackpadAt < TRACKPAD_MS;
    return isTrackpad ? view.panBy(-dx, -dy) : view.zoomBy(Math.exp(-clampWay(dy) * WHEEL_ZOOM), ...at, { smooth: true });
  };
  view.canvas.addEventListener("wheel", onWheel, { passive: false });
}

const clampWay = (way) => Math.min(Math.max(way, -240), 240);

// -------------------------------------------------------------------- keys

const isText = (element) =>
  element?.isContentEditable ||
  element?.matches?.('textarea, select, input:not([type="range"], [type="checkbox"], [type="radio"], [type="button"])');

/** Whether the element that has the focus needs this key for itself. */
function isTaken(element, chord) {
  if (isText(element)) return true;
  if (element?.matches?.('input[type="range"], [role="slider"], [role="listbox"], [role="option"], [role="tab"], [role="radio"]')) {
    return /Arrow|Home|End|Page|Enter|Space|Tab/.test(chord);
  }
  const isBare = !element || element === document.body || element.tagName === "CANVAS";
  return !isBare && /^(?:Shift\+)?(?:Enter|Space|Tab)$/.test(chord);
}

function attachKeys(view, actions) {
  addEventListener("keydown", (event) => {
    const { key, code, ctrlKey, metaKey, altKey, shiftKey } = event;
    const isAltGraph = event.getModifierState?.("AltGraph") ?? false;
    const chord = chordOf({ key: key ?? "", code, ctrlKey, metaKey, altKey, shiftKey, isAltGraph });
    if (!chord || event.isComposing || event.defaultPrevented || !actions.store.stack) return;
    if (document.querySelector("dialog[open]") || isTaken(document.activeElement, chord)) return;
    if (!chord.includes("Arrow") && chord !== "Escape") actions.flush();
    if (!/Tab|Escape/.test(chord)) actions.letsGo = false;
    for (const { entry } of BY_CHORD.get(chord) ?? []) {
      if (entry.run(actions, event) === false) continue;
      event.preventDefault();
      return;
    }
  });
  addEventListener("keyup", ({ key }) => {
    if (key === " ") actions.letGo();
    if (key.startsWith("Arrow")) actions.flush();
  });
  const leave = () => {
    actions.letGo();
    actions.flush();
  };
  addEventListener("blur", leave);
  addEventListener("pagehide", leave);
}
