/** Numbers and times as people read them. */

/** @param {number} seconds @returns {string} 1:05, 1:02:07 */
export function duration(seconds) {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** @param {number} count @param {string} one @param {string} [many] @returns {string} "1 box", "2 boxes" */
export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** @param {number} value @returns {string} at most three significant digits behind whole numbers */
export function short(value) {
  return String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)));
}

/** @param {number[]} sizes z, y, x in nm */
export function voxels(sizes) {
  return `${sizes.map((size) => Number(size.toPrecision(6))).join(" × ")} nm`;
}

/**
 * What a training came to.
 * @param {number|null|undefined} map50 @param {number|null|undefined} before of what it started from, where that was better
 * @returns {string|null}
 */
export function scoreWords(map50, before) {
  if (typeof map50 !== "number") return null;
  const score = `mAP50 ${map50.toFixed(2)}`;
  return typeof before === "number" ? `${score}, worse than the ${before.toFixed(2)} it started from: train longer` : score;
}

/**
 * What became of the unsent edits when the server's state was newer.
 * @param {number} kept @param {{edit: {label: string}, reason: string}[]} lost
 */
export function rebased(kept, lost) {
  const still = kept ? ` Kept and sent again: your ${plural(kept, "unsent edit")}.` : "";
  const gone = lost.map(({ edit, reason }) => ` Could not be kept: ${edit.label} (${reason}).`).join("");
  return `This stack was changed elsewhere, and its newest state is loaded.${still}${gone}`;
}
