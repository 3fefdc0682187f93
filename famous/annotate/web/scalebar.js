/** The scale bar: a round length that fits, and its drawing. */

const ROUND = [1, 2, 5];

/**
 * The longest round length (1, 2 or 5 · 10ⁿ) that fits into `room` CSS pixels.
 *
 * @param {number} perPx what one CSS pixel measures: nm, or pixels of the slice where the voxel size is not known
 * @param {boolean} isMetric whether that is nm
 * @returns {{px: number, label: string}}
 */
export function barFor(perPx, room, isMetric) {
  const most = perPx * room;
  const power = 10 ** Math.floor(Math.log10(most));
  let length = power * ROUND.filter((digit) => digit * power <= most * (1 + 1e-9)).at(-1);
  if (!isMetric) length = Math.max(length, 1);
  return { px: length / perPx, label: isMetric ? metric(length) : `${Number(length.toPrecision(3))} px` };
}

/** A length in nm as people write it: nm, µm from 1000 nm on, mm from 1000 µm on. */
export function metric(nm) {
  const short = (value) => String(Number(value.toPrecision(3)));
  if (nm >= 1e6) return `${short(nm / 1e6)} mm`;
  return nm >= 1000 ? `${short(nm / 1000)} µm` : `${short(nm)} nm`;
}

/**
 * Draw the bar in the lower right corner, legible on any grey.
 *
 * @param {CanvasRenderingContext2D} context in CSS pixels
 * @param {{height: number, width: number}} screen
 */
export function drawScaleBar(context, screen, perPx, isMetric) {
  const { px, label } = barFor(perPx, Math.min(screen.width / 5, 180), isMetric);
  const [right, bottom, thick] = [screen.width - 18, screen.height - 18, 4];
  context.save();
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.lineJoin = "round";
  context.strokeStyle = "rgba(0,0,0,0.75)";
  context.fillStyle = "#fff";
  context.lineWidth = 3;
  context.strokeRect(right - px, bottom - thick, px, thick);
  context.fillRect(right - px, bottom - thick, px, thick);
  const middle = right - Math.max(px, context.measureText(label).width) / 2;
  context.strokeText(label, middle, bottom - thick - 8);
  context.fillText(label, middle, bottom - thick - 8);
  context.restore();
}
