/** Builds all panels round the slice. */

import { attachClasses } from "./panels_classes.js";
import { attachContrast } from "./panels_contrast.js";
import { attachModel } from "./panels_model.js";
import { attachSlices } from "./panels_slices.js";
import { attachStatus } from "./panels_status.js";
import { attachTop } from "./panels_top.js";
import { attachSlider } from "./zslider.js";

/**
 * @param {import("./store.js").Store} store
 * @param {import("./view.js").View} view
 * @param {import("./actions.js").Actions} actions what keys do, for the buttons that do the same
 */
export function attachPanels(store, view, actions) {
  attachTop(store);
  attachSlices(store, actions);
  attachSlider(store);
  attachClasses(store);
  attachContrast(store);
  attachModel(store);
  attachStatus(store, view);
}
