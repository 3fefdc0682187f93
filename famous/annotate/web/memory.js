/** Small things that the browser keeps for its user: the slice, the theme, what is folded. Never anything of worth. */

/** @template T @param {string} key @param {T} otherwise @returns {T} */
export function recall(key, otherwise) {
  try {
    const text = localStorage.getItem(`famous:${key}`);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/** @param {string} key @param {unknown} value */
export function remember(key, value) {
  try {
    localStorage.setItem(`famous:${key}`, JSON.stringify(value));
  } catch {
    // full or forbidden: then it is forgotten
  }
}
