/**
 * The one table of keys: what it says is what happens, and what the help lists.
 *
 * `keys` is read by the machine as well: alternatives are separated by " / ", "Arrows" are four keys, "1 … 9" nine. Letters
 * are matched by what is printed on the key, digits by their place, so that other keyboards work too. Ctrl is also ⌘.
 *
 * @typedef {import("./actions.js").Actions} Actions
 * @typedef {{keys: string, does: string, group: string, run?: (actions: Actions, event: KeyboardEvent) => unknown}} Key
 *   `run` may return false: not handled after all, the browser may have the key. Without `run` it is the mouse's.
 */

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const PAN_PX = 120;
const ZOOM = 1.4;

const mouse = (keys, does) => ({ keys, does, group: "Mouse" });
const box = (keys, does, run) => ({ keys, does, group: "Boxes", run });
const slice = (keys, does, run) => ({ keys, does, group: "Slices", run });
const model = (keys, does, run) => ({ keys, does, group: "Model", run });
const look = (keys, does, run) => ({ keys, does, group: "View", run });

/** Arrows: nudge what is selected; with nothing selected, turn the slices. */
function arrows(actions, event, step, resizes = false) {
  const [dx, dy] = WAYS[event.key];
  if (actions.store.selection.size) return actions.nudge(dx * step, dy * step, resizes);
  return resizes ? false : actions.turn((dx + dy) * step);
}

function pan(actions, event) {
  const [dx, dy] = WAYS[event.key];
  actions.view.panBy(-dx * PAN_PX, -dy * PAN_PX);
}

/** @type {Key[]} */
export const KEYS = [
  mouse("Drag", "draw a box of the current class"),
  mouse("Click", "select the box or proposal"),
  mouse("Drag a handle", "resize the box, which selects it; edges work too"),
  mouse("Drag inside", "move the selected boxes; with Alt draw inside them"),
  mouse("Shift+Click", "select one more, or one less"),
  mouse("Shift+Drag", "select all boxes touched"),
  mouse("Wheel / Pinch", "zoom to the cursor"),
  mouse("Alt+Wheel / Shift+Wheel", "previous or next slice"),
  mouse("Middle drag / Right drag / Space+Drag", "move the slice"),
  mouse("Click in a cut", "go to that slice"),

  slice("PageUp / [", "previous slice", (a) => a.turn(-1)),
  slice("PageDown / ]", "next slice", (a) => a.turn(1)),
  slice("D", "this slice is done, or not", (a) => a.toggleDone()),
  slice("N", "slice where labels would teach most", (a) => a.nextSlice({ aloud: true })),

  box("1 … 9", "class of the selected boxes, else of the next one", (a, event) => a.classify(digitOf(event))),
  box("Tab", "next box or proposal, in a circle", (a) => a.walk(1)),
  box("Shift+Tab", "previous box or proposal", (a) => a.walk(-1)),
  box("B", "new box at the cursor, of the size of the last one", (a) => a.drop()),
  box("Arrows", "move the selected boxes by 1 px; with none selected, change slice", (a, event) => arrows(a, event, 1)),
  box("Shift+Arrows", "the same by 10", (a, event) => arrows(a, event, 10)),
  box("Alt+Arrows", "resize at the lower right by 1 px", (a, event) => arrows(a, event, 1, true)),
  box("Alt+Shift+Arrows", "resize by 10 px", (a, event) => arrows(a, event, 10, true)),
  box("S", "snap to the organelle's edge", (a) => a.snap()),
  box("Delete / Backspace", "delete the selected boxes, else the one just drawn", (a, event) => a.remove() || (event.key === "Backspace" && a.reject())),
  box("Ctrl+D", "duplicate", (a) => a.duplicate()),
  box("Ctrl+A", "select all boxes of the slice", (a) => a.selectAll()),
  box("C", "copy the last labelled slice's boxes", (a) => a.copyFromLabelled()),
  box("I", "interpolate to the nearest labelled slice", (a) => a.interpolate()),
  box("Ctrl+Z", "undo", (a) => a.store.undo()),
  box("Ctrl+Shift+Z / Ctrl+Y", "redo", (a) => a.store.redo()),
  box("Escape", "cancel, then select nothing; once more, and Tab leaves the slice", (a) => a.escape()),

  model("P", "propose boxes for this slice", (a) => a.propose()),
  model("Enter", "accept the proposal under the cursor, or the one walked to", (a) => a.accept()),
  model("A", "accept all above the score", (a) => a.acceptAbove()),
  model("X / Backspace", "reject the proposal", (a) => a.reject()),

  look("Home", "whole slice", (a) => a.view.fit()),
  look("0", "one screen pixel per pixel", (a) => a.zoomTo(1)),
  look("+ / =", "zoom in", (a) => a.zoom(ZOOM)),
  look("-", "zoom out", (a) => a.zoom(1 / ZOOM)),
  look("Ctrl+Arrows", "move the slice", pan),
  look("Space", "hold to move the slice by dragging", (a) => a.hold()),
  look("H", "hand: drag moves the slice, again to draw", (a) => a.use("hand")),
  look("W", "window: drag changes contrast (across) and brightness (up), again to draw", (a) => a.use("window")),
  look("V", "invert", (a) => a.store.setWindow({ inverted: !a.store.window.inverted })),
  look("G", "ghosts of the neighbour slices on or off", (a) => a.toggle("showsGhosts")),
  look("L", "class names on or off", (a) => a.toggle("showsLabels")),
  look("?", "this list", (a) => a.store.emit("help")),
];

const EXPANDED = {
  Arrows: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"],
  "1 … 9": ["1", "2", "3", "4", "5", "6", "7", "8", "9"],
};

/** Every chord of an entry: "Ctrl+Shift+Z / Ctrl+Y" → ["Ctrl+Shift+Z", "Ctrl+Y"]. */
export function chordsOf({ keys }) {
  return keys.split(" / ").flatMap((chord) => {
    const last = Object.keys(EXPANDED).find((name) => chord.endsWith(name));
    return last ? EXPANDED[last].map((key) => chord.slice(0, -last.length) + key) : [chord];
  });
}

/** Chord → entries, in the table's order; one chord may stand twice, the first that does not say false has it. */
export const BY_CHORD = Map.groupBy(
  KEYS.filter(({ run }) => run).flatMap((entry) => chordsOf(entry).map((chord) => ({ chord, entry }))),
  ({ chord }) => chord,
);

const digitOf = ({ code, key }) => Number(/^(?:Digit|Numpad)(\d)$/.exec(code)?.[1] ?? key);

/**
 * The chord of a key press, as the table writes it; null for a modifier alone.
 *
 * Letters go by what the key types, or by its place where that is no Latin letter. Signs go by what is typed, whatever
 * modifiers that took on this keyboard.
 *
 * @param {{key: string, code: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean, shiftKey: boolean, isAltGraph?: boolean}} event
 */
export function chordOf(event) {
  const { key, code } = event;
  if (["Control", "Shift", "Alt", "Meta", "AltGraph", "Dead", "Unidentified"].includes(key)) return null;
  const ctrl = !event.isAltGraph && (event.ctrlKey || event.metaKey) ? "Ctrl+" : "";
  const alt = !event.isAltGraph && event.altKey ? "Alt+" : "";
  const shift = event.shiftKey ? "Shift+" : "";
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(code);
  const isSign = key.length === 1 && !/[\p{L}\d\s]/u.test(key);
  if (/^\d$/.test(key)) return ctrl + alt + key;
  if (digit && !shift && !event.isAltGraph && key.length === 1) return ctrl + alt + digit[1];
  if (isSign) return ctrl + key;
  const placed = /^Key([A-Z])$/.exec(code)?.[1];
  const isLetter = key.length === 1 && /\p{L}/u.test(key);
  if (isLetter) return ctrl + alt + shift + (/^[a-z]$/i.test(key) ? key.toUpperCase() : (placed ?? key.toUpperCase()));
  return ctrl + alt + shift + (key === " " ? "Space" : key);
}
