/** The line at the bottom: where the cursor is, the grey value there, the zoom, the voxel size. */

import { $, oncePerFrame, write } from "./dom.js";
import { openSetup } from "./setup.js";
import { duration, short, voxels } from "./words.js";

/** @param {import("./store.js").Store} store @param {import("./view.js").View|null} view */
export function attachStatus(store, view) {
  const draw = oncePerFrame(() => show(store, view));
  for (const event of ["state", "slice", "cursor", "time", "window", "view"]) store.on(event, draw);
  $("open-voxels").addEventListener("click", () => openSetup(store, store.classes.length ? { only: "voxels" } : {}));
  show(store, view);
}

/** @param {import("./store.js").Store} store */
function show(store, view) {
  const cursor = store.cursor;
  const inside = cursor && cursor.isInside !== false && Number.isFinite(cursor.x);
  write($("position"), inside ? place(store, cursor) : `z ${store.z}`);
  write($("grey"), inside && cursor.grey !== null && cursor.grey !== undefined ? `grey ${short(cursor.grey)}` : "");
  write($("slice-time"), `${duration(store.seconds.get(store.z) ?? 0)} on this slice`);
  const scale = view?.frame?.scale;
  write($("zoom"), scale ? `${short(scale * 100)} %` : "");
  const size = store.stack.voxel_size_nm;
  write($("open-voxels"), size ? `voxel ${voxels(size)} (z y x)` : "voxel size unknown");
}

/** @param {import("./store.js").Store} store */
function place(store, { x, y }) {
  const size = store.stack.voxel_size_nm;
  const pixels = `z ${store.z}   y ${Math.floor(y)}   x ${Math.floor(x)}`;
  if (!size) return pixels;
  const um = [store.z, y, x].map((value, axis) => ((value * size[axis]) / 1000).toFixed(2));
  return `${pixels}   ·   ${um.join(", ")} µm`;
}
