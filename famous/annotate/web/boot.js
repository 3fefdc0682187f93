/** Starts the program once the picture of the slice is seen: loading it before would only delay the picture. */

const PATIENCE_MS = 300; // a picture on a slow way does not hold back the program

const nextFrame = () => new Promise((done) => requestAnimationFrame(done));

/** Wait until the picture that came with the page is on the screen, or there is none. */
async function seen(image) {
  await image?.decode().catch(() => {});
  await nextFrame(); // painted with this frame
  await nextFrame();
}

await Promise.race([seen(document.getElementById("first")), new Promise((done) => setTimeout(done, PATIENCE_MS))]);
document.head.append(document.getElementById("program").content); // all modules at once, not each after the one before
await import("./main.js");
