/**
 * Which tiles show a view, and the grey values in them: arithmetic of the image pyramid.
 *
 * Level L is the slice halved L times; a tile has `side` pixels of its level, those at the far edges fewer.
 *
 * @typedef {{low: number, high: number, inverted: boolean}} Window
 * @typedef {{row0: number, row1: number, col0: number, col1: number}} TileRange half-open
 */

/** Room round a slice that is seen whole, in CSS pixels. */
export const FIT_MARGIN_PX = 24;

/** The level whose pixels are about as large as the screen's: at most 1.2 of them to a screen pixel's side. */
export function levelFor(deviceScale, levels) {
  const level = Math.floor(Math.log2(1 / deviceScale) + 0.25);
  return Math.min(Math.max(level, 0), levels - 1);
}

/** Pixels of the whole slice at a level. */
export function sizeAt(level, slice) {
  const halved = (side) => Math.max(Math.ceil(side / 2 ** level), 1);
  return { height: halved(slice.height), width: halved(slice.width) };
}

/**
 * Tiles of a level that a screen shows.
 *
 * @param {import("./geometry.js").Frame} frame
 * @param {import("./geometry.js").Size} screen in CSS pixels
 * @param {number} margin so many tiles more on each side
 * @returns {TileRange}
 */
export function visibleTiles(frame, screen, slice, level, side, margin = 0) {
  const step = side * 2 ** level * frame.scale;
  const size = sizeAt(level, slice);
  const [rows, cols] = [Math.ceil(size.height / side), Math.ceil(size.width / side)];
  const within = (value, end) => Math.min(Math.max(value, 0), end);
  return {
    row0: within(Math.floor(-frame.top / step) - margin, rows),
    row1: within(Math.ceil((screen.height - frame.top) / step) + margin, rows),
    col0: within(Math.floor(-frame.left / step) - margin, cols),
    col1: within(Math.ceil((screen.width - frame.left) / step) + margin, cols),
  };
}

/** Tiles of a range as [row, col], those nearest to its middle first. */
export function fromTheMiddle({ row0, row1, col0, col1 }) {
  const [midRow, midCol] = [(row0 + row1 - 1) / 2, (col0 + col1 - 1) / 2];
  const tiles = [];
  for (let row = row0; row < row1; row += 1) for (let col = col0; col < col1; col += 1) tiles.push([row, col]);
  const away = ([row, col]) => (row - midRow) ** 2 + (col - midCol) ** 2;
  return tiles.sort((a, b) => away(a) - away(b));
}

/**
 * Look-up table from tile values to pixels of the canvas (little-endian RGBA, opaque).
 *
 * @param {Window} window in grey values
 * @param {{bits: number, offset: number, scale: number}} coding grey value = offset + scale · tile value
 * @returns {Uint32Array} of 2^bits
 */
export function lookUpTable(window, coding) {
  const table = new Uint32Array(2 ** coding.bits);
  const span = Math.max(window.high - window.low, 1e-12);
  for (let value = 0; value < table.length; value += 1) {
    const share = (coding.offset + coding.scale * value - window.low) / span;
    const shown = Math.round(255 * Math.min(Math.max(window.inverted ? 1 - share : share, 0), 1));
    table[value] = (0xff000000 | (shown << 16) | (shown << 8) | shown) >>> 0;
  }
  return table;
}
