/** Light and dark: as the system says, until the switch says otherwise. */

import { $, icon, set } from "./dom.js";
import { recall, remember } from "./memory.js";

const ORDER = ["auto", "light", "dark"];
const WORDS = { auto: "as the system", light: "light", dark: "dark" };

/** @param {import("./store.js").Store} store */
export function attachTheme(store) {
  const button = $("switch-theme");
  button.append(icon("theme"));
  let theme = recall("theme", "auto");
  const show = () => {
    set(document.documentElement, "data-theme", theme === "auto" ? null : theme);
    const word = `Colours: ${WORDS[theme]}`;
    set(button, "aria-label", word);
    set(button, "title", `${word}. Click to change.`);
    store.emit("theme", theme);
  };
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    remember("theme", theme);
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}
