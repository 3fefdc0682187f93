/** How much two boxes share. */

/** Area of the intersection over that of the union, 0 … 1. */
export function iou(a, b) {
  const high = Math.min(a.y1, b.y1) - Math.max(a.y0, b.y0);
  const wide = Math.min(a.x1, b.x1) - Math.max(a.x0, b.x0);
  if (high <= 0 || wide <= 0) return 0;
  const shared = high * wide;
  return shared / ((a.y1 - a.y0) * (a.x1 - a.x0) + (b.y1 - b.y0) * (b.x1 - b.x0) - shared);
}
