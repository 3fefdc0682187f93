/**
 * The algebra of changes: what one does to a labelling, and whether it still fits there. Pure, no network, no page.
 *
 * @typedef {{id: string, z: number, y0: number, x0: number, y1: number, x1: number, class: string}} Box
 * @typedef {{name: string, color: string}} ClassEntry
 * @typedef {{boxes: Map<string, Box>, done: Set<number>, classes: ClassEntry[]}} Labelling
 * @typedef {{op: "add"|"remove"|"change"|"done"|"classes"|"rename", [key: string]: any}} Change
 * @typedef {{id: string, label: string, changes: Change[]}} Edit
 */

/** What a change finds: "fits", "made" (it is already so), or a reason in words. */
export const FITS = "fits";
export const MADE = "made";
/** Shortest side of a box. */
export const SMALLEST_PX = 3;

/** @param {Labelling} labelling @returns {Labelling} */
export function copy({ boxes, done, classes }) {
  return { boxes: new Map(boxes), done: new Set(done), classes: [...classes] };
}

/** @param {object} state answer of /api/state @returns {Labelling} */
export function fromState(state) {
  return {
    boxes: new Map(state.boxes.map((box) => [box.id, Object.freeze({ ...box })])),
    done: new Set(state.done),
    classes: state.classes.map((entry) => ({ ...entry })),
  };
}

const CHECKS = {
  add: ({ boxes, classes }, { box }) => {
    if (boxes.has(box.id)) return MADE; // ids belong to their maker: it arrived before
    return classes.some(({ name }) => name === box.class) ? FITS : `the class ${box.class} is gone`;
  },
  remove: ({ boxes }, { box }) => {
    const found = boxes.get(box.id);
    if (!found) return MADE;
    return agrees(found, box) ? FITS : "the box was changed meanwhile";
  },
  change: ({ boxes, classes }, { id, from, to }) => {
    const found = boxes.get(id);
    if (!found) return "the box was deleted meanwhile";
    if (agrees(found, to)) return MADE;
    if (!agrees(found, from)) return "the box was changed meanwhile";
    const known = to.class === undefined || classes.some(({ name }) => name === to.class);
    return known ? FITS : `the class ${to.class} is gone`;
  },
  done: ({ done }, { z, from, to }) => {
    if (done.has(z) === to) return MADE;
    return done.has(z) === from ? FITS : "the slice was marked otherwise meanwhile";
  },
  classes: ({ boxes, classes }, { from, to }) => {
    if (sameClasses(classes, to)) return MADE;
    if (!sameClasses(classes, from)) return "the classes were changed meanwhile";
    const names = new Set(to.map(({ name }) => name));
    const held = [...boxes.values()].find((box) => !names.has(box.class));
    return held ? `there are boxes of the class ${held.class}` : FITS;
  },
  rename: ({ classes }, { from, to }) => {
    const names = new Set(classes.map(({ name }) => name));
    if (!names.has(from)) return names.has(to) ? MADE : `the class ${from} is gone`;
    return names.has(to) ? `a class ${to} exists already` : FITS;
  },
};

const ACTS = {
  add: ({ boxes }, { box }) => boxes.set(box.id, Object.freeze({ ...box })),
  remove: ({ boxes }, { box }) => boxes.delete(box.id),
  change: ({ boxes }, { id, to }) => boxes.set(id, Object.freeze({ ...boxes.get(id), ...to })),
  done: ({ done }, { z, to }) => (to ? done.add(z) : done.delete(z)),
  classes: (labelling, { to }) => (labelling.classes = to.map((entry) => ({ ...entry }))),
  rename: (labelling, { from, to }) => {
    labelling.classes = labelling.classes.map((entry) => (entry.name === from ? { ...entry, name: to } : entry));
    for (const box of labelling.boxes.values()) {
      if (box.class === from) labelling.boxes.set(box.id, Object.freeze({ ...box, class: to }));
    }
  },
};

/** @param {Labelling} labelling @param {Change} change @returns {string} FITS, MADE or the reason why not */
export function check(labelling, change) {
  return CHECKS[change.op](labelling, change);
}

/**
 * Make an edit, all of its changes or none; changes the labelling given.
 * @param {Labelling} labelling
 * @param {Edit} edit
 * @returns {{verdict: string, changes: Change[]}} FITS with the changes that were needed, MADE, or the reason why not
 */
export function apply(labelling, edit) {
  const trial = edit.changes.length > 1 ? copy(labelling) : labelling;
  const needed = [];
  for (const change of edit.changes) {
    const verdict = check(trial, change);
    if (verdict === MADE) continue;
    if (verdict !== FITS) return { verdict, changes: [] };
    ACTS[change.op](trial, change);
    needed.push(change);
  }
  if (trial !== labelling) Object.assign(labelling, trial);
  return { verdict: needed.length ? FITS : MADE, changes: needed };
}

/** Make changes that the server has made, without asking; a box that is gone is passed over. */
export function follow(labelling, changes) {
  for (const change of changes) {
    if (change.op !== "change" || labelling.boxes.has(change.id)) ACTS[change.op](labelling, change);
  }
}

/** The slice that all these changes are on, or null. @param {Change[]} changes @param {Map<string, Box>} boxes */
export function sliceOf(changes, boxes) {
  const slices = new Set();
  for (const change of changes) {
    if (change.op === "done") slices.add(change.z);
    else if (change.box) slices.add(change.box.z);
    else if (change.op === "change" && boxes.has(change.id)) slices.add(boxes.get(change.id).z);
  }
  return slices.size === 1 ? [...slices][0] : null;
}

/**
 * A box in whole pixels within its slice, with or without an id.
 * @param {Omit<Box, "id"> & {id?: string}} box
 * @param {[number, number, number]} shape of the stack
 * @returns {Box|null} null where less than SMALLEST_PX is left of a side
 */
export function clipped({ id, z, y0, x0, y1, x1, class: name }, [, height, width]) {
  const within = (value, limit) => Math.max(0, Math.min(limit, Math.round(value)));
  const box = { z, y0: within(y0, height), x0: within(x0, width), y1: within(y1, height), x1: within(x1, width), class: name };
  if (Math.min(box.y1 - box.y0, box.x1 - box.x0) < SMALLEST_PX) return null;
  return id ? { id, ...box } : box;
}

/** @param {Box} box @param {Partial<Box>} fields */
function agrees(box, fields) {
  return Object.entries(fields).every(([name, value]) => box[name] === value);
}

/** @param {ClassEntry[]} one @param {ClassEntry[]} other */
function sameClasses(one, other) {
  return one.length === other.length && one.every(({ name, color }, i) => name === other[i].name && color === other[i].color);
}
