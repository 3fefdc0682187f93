/** Builds the page: the store first, then the slice, then what is round it. */

import { Cuts } from "./cuts.js";
import { $, el } from "./dom.js";
import { attachHelp } from "./help.js";
import { attachInput } from "./input.js";
import { KEYS } from "./keys.js";
import { attachPanels } from "./panels.js";
import { needsSetup, openSetup } from "./setup.js";
import { store } from "./store.js";
import { attachTheme } from "./theme.js";
import { attachToasts } from "./toasts.js";
import { View } from "./view.js";

const AGAIN_MS = 2000;

async function start() {
  attachTheme(store);
  attachToasts(store);
  try {
    await store.start();
  } catch (error) {
    return fail(error);
  }
  $("app").classList.remove("waiting");
  $("loading").hidden = true;
  const view = new View($("canvas"), store);
  window.famous = { store, view };
  const actions = attachInput(view, store);
  attachPanels(store, view, actions);
  attachHelp(store, KEYS);
  window.famous.cuts = new Cuts(view, store, { xz: $("cut-xz"), yz: $("cut-yz") });
  $("canvas").focus({ preventScroll: true });
  if (needsSetup(store)) openSetup(store);
}

/** Say why there is nothing to see; where the server is only away, go on trying. */
function fail(error) {
  const isAway = error.reason === "gone";
  $("loading").classList.add("failed");
  $("loading-word").replaceChildren(error.message, el("br"), isAway ? "It is tried again …" : "");
  if (isAway) setTimeout(() => location.reload(), AGAIN_MS);
  else if (error.reason !== "token" && !error.status) throw error;
}

start();
