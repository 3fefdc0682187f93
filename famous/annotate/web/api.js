/** Talking with the server: one fetch wrapper that tells "away" from "refused", and the calls by name. */

/** The server did not answer (gone, restarted with another token, or too slow). */
export class AwayError extends Error {
  /** @param {string} message @param {"gone"|"token"} reason */
  constructor(message, reason = "gone") {
    super(message);
    this.reason = reason;
  }
}

/** The server answered, and refused. */
export class ApiError extends Error {
  /** @param {number} status @param {{error?: string}} data */
  constructor(status, data) {
    super(data.error ?? `The server answered with status ${status}.`);
    this.status = status;
    this.data = data;
  }
}

const PATIENCE_MS = 15_000; // for quick calls; slow ones say so
const KEEPALIVE_BYTES = 60_000; // browsers let a request outlive its page up to 64 KiB

/**
 * Fetch, and turn whatever goes wrong into an AwayError or an ApiError.
 * @param {string} path
 * @param {{method?: string, json?: unknown, body?: BodyInit, patience?: number, priority?: RequestPriority}} [options]
 * @returns {Promise<Response>}
 */
export async function request(path, { method = "GET", json, body, patience = PATIENCE_MS, priority } = {}) {
  const text = json === undefined ? undefined : JSON.stringify(json);
  const init = { method, body: text ?? body, headers: {}, credentials: "same-origin", priority };
  if (text !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.keepalive = text.length < KEEPALIVE_BYTES;
  } else if (body !== undefined) {
    init.headers["Content-Type"] = "application/octet-stream";
  }
  let answer;
  try {
    answer = await fetch(path, { ...init, signal: AbortSignal.timeout(patience) });
  } catch {
    throw new AwayError("The server does not answer.");
  }
  if (answer.ok) return answer;
  if (answer.status === 401 || answer.status === 403) {
    throw new AwayError("The server was started again: open the address that it printed.", "token");
  }
  throw new ApiError(answer.status, await readError(answer));
}

/** @param {Response} answer @returns {Promise<{error?: string}>} */
async function readError(answer) {
  try {
    return await answer.json();
  } catch {
    return {};
  }
}

/** @param {string} path @param {object} [options] @returns {Promise<any>} */
async function ask(path, options) {
  const answer = await request(path, options);
  try {
    return await answer.json();
  } catch {
    throw new AwayError("The server's answer broke off.");
  }
}

const SLOW_MS = 180_000;

export const api = {
  state: () => ask("/api/state", { patience: 60_000 }),
  edits: (base, edits) => ask("/api/edits", { method: "POST", json: { base, edits } }),
  undo: (base) => ask("/api/undo", { method: "POST", json: { base } }),
  redo: (base) => ask("/api/redo", { method: "POST", json: { base } }),
  time: (z, seconds) => ask("/api/time", { method: "POST", json: { z, seconds } }),
  setup: (answers) => ask("/api/setup", { method: "POST", json: answers }),
  window: (low, high, inverted) => ask("/api/window", { method: "POST", json: { low, high, inverted } }),
  cuts: (place, patience) => request(`/cuts?${new URLSearchParams(place)}`, { patience, priority: "low" }),
  histogram: () => ask("/api/histogram", { patience: 60_000 }),
  pulse: (revision) => ask(`/api/pulse?revision=${revision}`, { patience: 8_000 }),
  snap: (z, box, className) => ask("/api/snap", { method: "POST", json: { z, box, class: className } }),
  interpolate: (from, to, ids = null) => ask("/api/interpolate", { method: "POST", json: { from, to, ids } }),
  propose: (z) => ask("/api/propose", { method: "POST", json: { z }, patience: SLOW_MS }),
  next: (z) => ask(`/api/next?z=${z}`, { patience: SLOW_MS }),
  train: (minutes, download = false) => ask("/api/train", { method: "POST", json: { minutes, download } }),
  weights: () => ask("/api/weights"),
  stopTraining: () => ask("/api/train/stop", { method: "POST", json: {} }),
  import: (file, format) => {
    const query = new URLSearchParams({ name: file.name, format });
    return ask(`/api/import?${query}`, { method: "POST", body: file, patience: SLOW_MS });
  },
  export: (format) => request(`/api/export?${new URLSearchParams({ format })}`, { patience: SLOW_MS }),
  /** Time that must still go out while the page closes. */
  beaconTime: (z, seconds) =>
    navigator.sendBeacon("/api/time", new Blob([JSON.stringify({ z, seconds })], { type: "application/json" })),
};
