/** The contrast window: a histogram with two ends to drag, numbers, automatic, inverted. */

import { api } from "./api.js";
import { $, fitCanvas, oncePerFrame, set } from "./dom.js";
import { short } from "./words.js";

const PATIENCE_MS = 5000; // with a slice that does not come
const CUT = 0.0035; // share of the pixels beyond each end of the automatic window

/** @param {import("./store.js").Store} store */
export function attachContrast(store) {
  new Contrast(store).start();
}

/**
 * The window that leaves out the darkest and the brightest pixels.
 * @param {{low: number, high: number, counts: number[]}} histogram
 * @returns {[number, number]}
 */
export function automatic({ low, high, counts }) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const step = (high - low) / counts.length;
  const edge = (order) => {
    let sum = 0;
    return order.find((bin) => (sum += counts[bin]) > CUT * total) ?? order[0];
  };
  const bins = counts.map((_, bin) => bin);
  const first = edge(bins);
  const last = edge([...bins].reverse());
  return [low + first * step, low + (last + 1) * step];
}

class Contrast {
  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.store = store;
    this.box = $("histogram");
    this.histogram = null;
    this.draw = oncePerFrame(() => this.show());
  }

  start() {
    for (const event of ["window", "theme", "state"]) this.store.on(event, this.draw);
    new ResizeObserver(this.draw).observe(this.box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", this.draw);
    for (const end of ["low", "high"]) {
      this.attachEnd(end);
      this.attachNumber(end);
    }
    $("auto-window").addEventListener("click", () => this.auto());
    $("invert").addEventListener("click", () => this.store.setWindow({ inverted: !this.store.window.inverted }));
    this.loadSoon();
    this.show();
  }

  /** The histogram reads many slices: the one that is looked at comes first. */
  loadSoon() {
    let isAsked = false;
    const ask = () => {
      if (!isAsked) this.load();
      isAsked = true;
    };
    this.store.on("settled", ask);
    setTimeout(ask, PATIENCE_MS);
  }

  async load() {
    try {
      this.histogram = await api.histogram();
      this.draw();
    } catch {
      setTimeout(() => this.load(), 3000);
    }
  }

  /** Grey values from the left to the right edge. */
  get range() {
    const { low, high } = this.store.window;
    const { bits, offset = 0, scale = 1 } = this.store.stack;
    const given = this.histogram ?? { low: offset, high: offset + scale * (2 ** bits - 1) };
    return { from: Math.min(given.low, low), to: Math.max(given.high, high, given.low + 1e-9) };
  }

  /** The smallest difference between the two ends. */
  get least() {
    const { from, to } = this.range;
    return Math.min(1, (to - from) / 256);
  }

  move(end, value, final) {
    const { low, high } = this.store.window;
    const { from, to } = this.range;
    const inside = Math.max(from, Math.min(to, value));
    if (end === "low") this.store.setWindow({ low: Math.min(inside, high - this.least) }, { final });
    else this.store.setWindow({ high: Math.max(inside, low + this.least) }, { final });
  }

  attachEnd(end) {
    const handle = $(`window-${end}`);
    const valueAt = (clientX) => {
      const { left, width } = this.box.getBoundingClientRect();
      const { from, to } = this.range;
      const value = from + ((clientX - left) / width) * (to - from);
      return to - from > 20 ? Math.round(value) : value;
    };
    handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
    handle.addEventListener("pointermove", (event) => {
      if (handle.hasPointerCapture(event.pointerId)) this.move(end, valueAt(event.clientX), false);
    });
    handle.addEventListener("lostpointercapture", () => this.store.setWindow({}, { final: true }));
    handle.addEventListener("keydown", (event) => this.key(end, event));
  }

  key(end, event) {
    const { from, to } = this.range;
    const step = ((to - from) / 256) * (event.shiftKey ? 10 : 1);
    const sign = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!sign) return;
    event.preventDefault();
    event.stopPropagation();
    this.move(end, this.store.window[end] + sign * step, true);
  }

  attachNumber(end) {
    const field = $(`${end}-number`);
    field.addEventListener("keydown", (event) => event.stopPropagation());
    field.addEventListener("change", () => {
      const { low, high } = this.store.window;
      const value = field.valueAsNumber;
      const fits = Number.isFinite(value) && (end === "low" ? value < high : value > low);
      if (fits) this.store.setWindow({ [end]: value });
      else this.store.say("Black must be below white.", "warn");
      this.show();
    });
  }

  auto() {
    if (!this.histogram) return;
    const [low, high] = automatic(this.histogram);
    this.store.setWindow({ low, high });
  }

  show() {
    const { low, high, inverted } = this.store.window;
    const { from, to } = this.range;
    for (const [end, value] of [["low", low], ["high", high]]) {
      const handle = $(`window-${end}`);
      handle.style.left = `${((value - from) / (to - from)) * 100}%`;
      set(handle, "aria-valuemin", from);
      set(handle, "aria-valuemax", to);
      set(handle, "aria-valuenow", Number(short(value)));
      const field = $(`${end}-number`);
      if (document.activeElement !== field) field.value = short(value);
    }
    set($("invert"), "aria-pressed", String(inverted));
    this.paint();
  }

  paint() {
    const { context, width, height } = fitCanvas(this.box.querySelector("canvas"));
    context.clearRect(0, 0, width, height);
    if (!this.histogram) return;
    const { counts, low, high } = this.histogram;
    const { from, to } = this.range;
    const window = this.store.window;
    const style = getComputedStyle($("window-low"), "::before");
    const most = Math.sqrt(Math.max(...counts, 1));
    const wide = (((high - low) / counts.length / (to - from)) * width) || 1;
    counts.forEach((count, bin) => {
      const value = low + ((bin + 0.5) * (high - low)) / counts.length;
      const tall = (Math.sqrt(count) / most) * (height - 4);
      context.fillStyle = style.backgroundColor;
      context.globalAlpha = value >= window.low && value <= window.high ? 0.75 : 0.22;
      context.fillRect(((value - from) / (to - from)) * width - wide / 2, height - tall, wide + 0.4, tall);
    });
    context.globalAlpha = 1;
  }
}
