/** Tiles of the image pyramid: fetched in the order in which they matter, kept while there is room, shown through a table. */

import { lookUpTable } from "./pyramid.js";

/**
 * @typedef {{z: number, level: number, row: number, col: number}} Place
 * @typedef {Place & {height: number, width: number, values: Uint8Array|Uint16Array, shown: OffscreenCanvas|null, version: number}} Tile
 */

const MOST_AT_ONCE = 10; // requests in flight; a browser has six on the wire and queues the rest
const MOST_AHEAD = 3; // of these, for what is not on the screen yet
const ROOM_BYTES = 384 * 2 ** 20; // tiles as fetched and as shown
const RETRY_MS = 2000; // after a fault
const PATIENCE_MS = 60_000; // a slice may be large and its disk far away; a request that got lost is made again
const SHOWN_BYTES = 4; // per pixel

const keyOf = ({ z, level, row, col }) => `${z}/${level}/${row}/${col}`;

export class Tiles {
  /**
   * @param {{bits: number, offset: number, scale: number}} coding grey value = offset + scale · tile value
   * @param {{side: number, levels: number, version: string}} pyramid version: of the stack, so that the browser may keep tiles
   * @param {{onArrival: (tile: Tile) => void, onFault: () => void}} hooks
   */
  constructor(coding, pyramid, hooks) {
    this.coding = coding;
    this.pyramid = pyramid;
    this.hooks = hooks;
    /** @type {Map<string, Tile>} the one used longest ago first */
    this.kept = new Map();
    this.bytes = 0;
    /** @type {Map<string, {place: Place, control: AbortController, isAhead: boolean}>} */
    this.inFlight = new Map();
    /** @type {Map<string, {place: Place, isAhead: boolean}>} in the order of their worth */
    this.wanted = new Map();
    /** @type {Map<string, {at: number, text: string|null}>} when a place failed, and why; null: no server */
    this.faults = new Map();
    this.patienceMs = PATIENCE_MS;
    this.version = 0;
    this.table = new Uint32Array(0);
    this.scratch = new ImageData(pyramid.side, pyramid.side);
    this.pixels = new Uint32Array(this.scratch.data.buffer);
  }

  /** Show grey values between two others from now on; tiles are looked up again when they are next asked for. */
  setWindow(window) {
    this.table = lookUpTable(window, this.coding);
    this.version += 1;
  }

  /** Whether a tile is here. */
  has(place) {
    return this.kept.has(keyOf(place));
  }

  /** The tile as a picture in the window of now, or null where it is not here. */
  picture(place) {
    const key = keyOf(place);
    const tile = this.kept.get(key);
    if (!tile) return null;
    this.kept.delete(key);
    this.kept.set(key, tile);
    if (tile.version !== this.version) this.lookUp(tile);
    return tile.shown;
  }

  /** @param {Tile} tile */
  lookUp(tile) {
    const { table, pixels, pyramid } = this;
    const { values, height, width } = tile;
    for (let y = 0, from = 0; y < height; y += 1) {
      for (let to = y * pyramid.side, end = to + width; to < end; to += 1, from += 1) pixels[to] = table[values[from]];
    }
    if (!tile.shown) {
      tile.shown = new OffscreenCanvas(width, height);
      this.bytes += width * height * SHOWN_BYTES;
    }
    const context = tile.shown.getContext("2d", { alpha: false, willReadFrequently: true });
    context.putImageData(this.scratch, 0, 0, 0, 0, width, height);
    tile.version = this.version;
  }

  /**
   * Say what is wanted, the most urgent first. What is in flight and not wanted any more is aborted.
   *
   * @param {Place[]} visible
   * @param {Place[]} ahead fetched when nothing visible waits
   */
  want(visible, ahead) {
    this.wanted.clear();
    const add = (place, isAhead) => {
      const key = keyOf(place);
      if (!this.wanted.has(key)) this.wanted.set(key, { place, isAhead });
    };
    for (const place of visible) add(place, false);
    for (const place of ahead) add(place, true);
    for (const [key, request] of this.inFlight) if (!this.wanted.has(key)) request.control.abort();
    this.pump();
  }

  /** One more tile, after all others. */
  wantAlso(place) {
    const key = keyOf(place);
    if (!this.wanted.has(key)) this.wanted.set(key, { place, isAhead: true });
    this.pump();
  }

  /** Start as many requests as may be. */
  pump() {
    let ahead = [...this.inFlight.values()].filter((request) => request.isAhead).length;
    let visible = this.inFlight.size - ahead;
    for (const [key, { place, isAhead }] of this.wanted) {
      if (this.inFlight.size >= MOST_AT_ONCE) return;
      if (this.kept.has(key) || this.inFlight.has(key) || this.isFaulty(key)) continue;
      if (isAhead && (visible || ahead >= MOST_AHEAD)) return; // they cost the server a slice
      if (isAhead) ahead += 1;
      else visible += 1;
      this.fetch(key, place, isAhead);
    }
  }

  isFaulty(key) {
    const fault = this.faults.get(key);
    return fault !== undefined && performance.now() - fault.at < RETRY_MS;
  }

  async fetch(key, place, isAhead) {
    const control = new AbortController();
    const late = setTimeout(() => control.abort(new TypeError("no answer")), this.patienceMs); // as where there is no server
    this.inFlight.set(key, { place, control, isAhead });
    const headers = isAhead ? { "X-Ahead": "1" } : {}; // the server need not think that one looks there
    try {
      const answer = await fetch(`/tiles/${key}?v=${this.pyramid.version}`, { signal: control.signal, priority: isAhead ? "low" : "high", headers });
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `Tile ${key}: ${answer.status}`);
      const [height, width] = answer.headers.get("X-Shape").split(",").map(Number);
      this.keep(key, place, height, width, await answer.arrayBuffer());
    } catch (fault) {
      if (control.signal.reason?.name !== "AbortError") this.failed(key, isAhead, fault);
    } finally {
      clearTimeout(late);
      this.inFlight.delete(key);
      this.pump();
    }
  }

  failed(key, isAhead, fault) {
    const isAway = fault instanceof TypeError; // no server: the page says so elsewhere
    this.faults.set(key, { at: performance.now(), text: isAway ? null : fault.message });
    if (!isAhead) this.hooks.onFault();
    setTimeout(() => this.pump(), RETRY_MS + 50);
  }

  keep(key, place, height, width, buffer) {
    const values = this.coding.bits === 16 ? new Uint16Array(buffer) : new Uint8Array(buffer);
    const tile = { ...place, height, width, values, shown: null, version: -1 };
    this.faults.delete(key);
    this.kept.set(key, tile);
    this.bytes += buffer.byteLength;
    this.makeRoom();
    this.hooks.onArrival(tile);
  }

  makeRoom() {
    for (const [key, tile] of this.kept) {
      if (this.bytes <= ROOM_BYTES) return;
      if (this.wanted.has(key)) continue;
      this.kept.delete(key);
      this.bytes -= tile.values.byteLength + (tile.shown ? tile.height * tile.width * SHOWN_BYTES : 0);
    }
  }

  /**
   * Grey value of a pixel from the finest tile that is here, or null.
   *
   * @returns {{grey: number, level: number}|null} level 0: the value itself, else a mean round it
   */
  grey(z, y, x) {
    const { side, levels } = this.pyramid;
    for (let level = 0; level < levels; level += 1) {
      const [down, right] = [Math.floor(y / 2 ** level), Math.floor(x / 2 ** level)];
      const [row, col] = [Math.floor(down / side), Math.floor(right / side)];
      const tile = this.kept.get(keyOf({ z, level, row, col }));
      const [i, j] = [down - row * side, right - col * side];
      if (!tile || i >= tile.height || j >= tile.width) continue;
      return { grey: this.coding.offset + this.coding.scale * tile.values[i * tile.width + j], level };
    }
    return null;
  }

  /** Why the server has no picture of a slice, or null. */
  faultOn(z) {
    return this.faults.get(keyOf({ z, level: this.pyramid.levels - 1, row: 0, col: 0 }))?.text ?? null;
  }

  /** Abort everything; the tiles are of no use any more. */
  close() {
    this.wanted.clear();
    for (const request of this.inFlight.values()) request.control.abort();
    this.kept.clear();
    this.bytes = 0;
  }
}
