/** What to do where the weights that a training starts from are not there. */

import { el } from "./dom.js";

/**
 * @param {import("./assistant.js").MissingWeights} missing
 * @param {() => void} look again whether they are there
 * @returns {Node[]}
 */
export function lackWords({ name, folder, variable, source, megabytes }, look) {
  const again = el("button", { id: "look-again", class: "small", type: "button", text: "Look again", on: { click: look } });
  const put = [code(name), " into ", code(folder), " (make the folder if it is not there)"];
  const other = ["or start ", code("famous annotate"), " with ", code(variable), " set to the folder that it lies in. "];
  if (!source) return [
    el("p", { class: "note warn" }, "Training would start from ", code(name), ", as famous.yaml says, and there is no such file."),
    el("p", {}, "Put ", ...put, ", ", ...other, again),
  ];
  const size = megabytes ? ` (about ${Math.round(megabytes)} MB)` : "";
  const link = el("a", { href: source, target: "_blank", rel: "noreferrer", text: source.replace("https://", "") });
  return [
    el("p", { class: "note warn" }, "One file is missing: training starts from ", code(name), ", a network that has seen everyday pictures, and it is not on this machine yet."),
    el("ul", { class: "notes" },
      el("li", {}, el("b", { text: "With internet: " }), `“Download and train” fetches it once${size} from `, link, ". Nothing of yours is sent."),
      el("li", {}, el("b", { text: "Without: " }), "get the file on another machine, put ", ...put, ", ", ...other, again)),
  ];
}

/** @param {string} text */
const code = (text) => el("code", { text });
