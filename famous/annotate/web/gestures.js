/**
 * What a drag does. A gesture is {move(point), end(point), cancel()}; a point is {px, py, x, y}: on the screen in CSS
 * pixels, and in the slice. Nothing is saved before `end`. One that `drifts` moves the slice at the canvas's edge.
 */

import * as geometry from "./geometry.js";

const CLICK_PX = 4; // a drag shorter than this is a click

/** @typedef {{px: number, py: number, x: number, y: number}} Point */

const isClick = (from, to) => Math.hypot(to.px - from.px, to.py - from.py) < CLICK_PX;
const count = (number) => (number === 1 ? "one box" : `${number} boxes`);

/** Move the slice. */
export function pan(actions, from) {
  let last = from;
  return {
    cursor: "grabbing",
    move(point) {
      actions.view.panBy(point.px - last.px, point.py - last.py);
      last = point;
    },
    end() {},
    cancel() {},
  };
}

/** Change the contrast (across) and the brightness (up); saved at the end. */
export function windowDrag(actions, from) {
  const { store } = actions;
  const before = store.window;
  const [middle, width] = [(before.low + before.high) / 2, Math.max(before.high - before.low, 1e-6)];
  const at = (point) => {
    const wide = width * Math.exp((from.px - point.px) / 250);
    const turn = before.inverted ? -1 : 1;
    const centre = middle + (turn * (point.py - from.py) * width) / 400;
    return { low: centre - wide / 2, high: centre + wide / 2 };
  };
  return {
    cursor: "move",
    move: (point) => store.setWindow(at(point), { final: false }),
    end: (point) => store.setWindow(at(point), { final: true }),
    cancel: () => store.setWindow(before, { final: false }),
  };
}

/** Draw a box; a click selects instead. */
export function drawing(actions, from) {
  const { view } = actions;
  const boxTo = (point) => geometry.boxBetween(from.x, from.y, point.x, point.y);
  const show = (band) => {
    view.band = band;
    view.invalidate("overlay");
  };
  return {
    drifts: true,
    move(point) {
      const box = isClick(from, point) ? null : geometry.clipped(boxTo(point), view.slice);
      show(box && geometry.area(box) ? { kind: "draw", box } : null);
    },
    end(point) {
      show(null);
      if (isClick(from, point)) return click(actions, from);
      actions.store.select([]);
      view.fresh = actions.add(boxTo(point));
      return view.invalidate("overlay");
    },
    cancel: () => show(null),
  };
}

/** Select the box, else the proposal, under a point; with `toggle` one more or one less. */
export function click(actions, point, toggle = false) {
  const { store, view } = actions;
  const slack = CLICK_PX / view.frame.scale;
  const box = geometry.boxAt(store.boxesOn(store.z), point.x, point.y, slack);
  const proposal = box ? null : geometry.boxAt(store.proposals, point.x, point.y, slack);
  view.fresh = null;
  if (box || !toggle) store.select(box ? [box.id] : [], { toggle });
  actions.focusProposal(proposal?.key ?? null);
}

/** Select every box that the marquee touches, besides those selected before. */
export function marquee(actions, from) {
  const { store, view } = actions;
  const before = [...store.selection];
  const boxTo = (point) => geometry.boxBetween(from.x, from.y, point.x, point.y);
  const done = () => {
    view.band = null;
    view.invalidate("overlay");
  };
  return {
    drifts: true,
    cursor: "crosshair",
    move(point) {
      if (isClick(from, point)) return;
      view.band = { kind: "marquee", box: boxTo(point) };
      const touched = geometry.boxesIn(store.boxesOn(store.z), view.band.box).map(({ id }) => id);
      store.select([...before, ...touched]);
      view.invalidate("overlay");
    },
    end(point) {
      done();
      if (isClick(from, point)) click(actions, from, true);
    },
    cancel() {
      done();
      store.select(before.filter((id) => store.boxes.get(id)?.z === store.z));
    },
  };
}

/** Change boxes while dragging: `fieldsAt(point)` → Map id → corners; kept at the end if anything changed. */
function changing(actions, from, { label, cursor, fieldsAt, onClick }) {
  const { store, view } = actions;
  const show = (draft) => {
    view.draft = draft;
    view.invalidate("overlay");
  };
  return {
    drifts: true,
    cursor,
    move: (point) => show(isClick(from, point) && !view.draft ? null : fieldsAt(point)),
    end(point) {
      const draft = view.draft;
      show(null);
      if (draft) store.changeBoxes(label, fieldsAt(point));
      else onClick?.();
    },
    cancel: () => show(null),
  };
}

/** Move what is selected. */
export function moving(actions, from) {
  const { view } = actions;
  const boxes = actions.selected();
  return changing(actions, from, {
    label: `move ${count(boxes.length)}`,
    cursor: "move",
    fieldsAt(point) {
      const placed = geometry.movedTogether(boxes, point.x - from.x, point.y - from.y, view.slice);
      return new Map(boxes.map(({ id }, i) => [id, placed[i]]));
    },
    onClick: () => click(actions, from),
  });
}

/** Pull a handle of a box; one just drawn is selected by that. */
export function resizing(actions, from, box, handle) {
  const { view, store } = actions;
  if (!store.selection.has(box.id)) store.select([box.id]);
  return changing(actions, from, {
    label: `resize ${box.class}`,
    cursor: `${handle}-resize`,
    fieldsAt(point) {
      const pulled = geometry.resized(box, handle, point.x - from.x, point.y - from.y, view.slice);
      actions.remember(pulled);
      return new Map([[box.id, pulled]]);
    },
  });
}

/** Two fingers: move and zoom at once. */
export function pinch(actions, first, second) {
  const { view } = actions;
  let [a, b] = [first, second];
  const apart = (p, q) => Math.max(Math.hypot(p.px - q.px, p.py - q.py), 1);
  return {
    /** @param {Point} p @param {Point} q */
    moveBoth(p, q) {
      const middle = [(p.px + q.px) / 2, (p.py + q.py) / 2];
      view.panBy(middle[0] - (a.px + b.px) / 2, middle[1] - (a.py + b.py) / 2);
      view.zoomBy(apart(p, q) / apart(a, b), ...middle);
      [a, b] = [p, q];
    },
    move() {},
    end() {},
    cancel() {},
  };
}

/** The gesture that a press begins. */
export function gestureFor(actions, event, point) {
  const { view, store } = actions;
  const tool = actions.isHeld ? "hand" : actions.tool;
  if (event.button === 1 || event.button === 2 || tool === "hand") return pan(actions, point);
  if (tool === "window") return windowDrag(actions, point);
  const gripped = view.gripped();
  const handle = gripped && !event.altKey ? geometry.handleAt(gripped, view.frame, point.px, point.py) : null;
  if (handle && !event.shiftKey) return resizing(actions, point, gripped, handle);
  if (event.shiftKey || event.ctrlKey || event.metaKey) return marquee(actions, point);
  const hit = geometry.boxAt(store.boxesOn(store.z), point.x, point.y);
  return hit && store.selection.has(hit.id) && !event.altKey ? moving(actions, point) : drawing(actions, point);
}
