/** Making elements, without markup in strings. */

/** @param {string} id @returns {any} the element */
export const $ = (id) => document.getElementById(id);

/**
 * Make an element. `class`, `text` and attributes by name; `on` holds listeners, `data` the dataset.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node|string|null)} children
 * @returns {any}
 */
export function el(tag, { text, on = {}, data = {}, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  Object.assign(element.dataset, data);
  if (text !== undefined) element.textContent = text;
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Set an attribute where it differs; false, null and undefined take it away. */
export function set(element, name, value) {
  const isOff = value === false || value === null || value === undefined;
  const text = isOff ? null : value === true ? "" : String(value);
  if (element.getAttribute(name) === text) return;
  if (isOff) element.removeAttribute(name);
  else element.setAttribute(name, text);
}

/** @param {string} name of a symbol in index.html @returns {SVGElement} */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  svg.append(use);
  return svg;
}

/** Change a text only where it differs, so that screen readers stay quiet. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A function that calls `draw` once, before the next paint, however often it is asked. */
export function oncePerFrame(draw) {
  let planned = false;
  return () => {
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => {
      planned = false;
      draw();
    });
  };
}

/** Size a canvas to its place on the screen. @returns {{context: CanvasRenderingContext2D, width: number, height: number}} */
export function fitCanvas(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

/** Give an element's keyboard focus back to the slice after a click, so that the canvas keys go on working. */
export function returnFocus() {
  $("canvas")?.focus({ preventScroll: true });
}
