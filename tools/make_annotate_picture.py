"""Write data/annotate.png: the labelling page at work on a phantom cell, for the README.

    python tools/make_annotate_picture.py                       the picture, 1280 × 800
    python tools/make_annotate_picture.py --size 2560 1440 --theme light --out page.png

The real command serves the stack, and a scripted user labels it: a slice with boxes, the ghosts of the slice before,
and proposals of the detector that ships. Needs Chromium and playwright.
"""

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from bench_annotate import chromium, phantom_stack, serving, set_up
from PIL import Image
from playwright.sync_api import Page

from famous.synthetic import Phantom, PhantomParams
from famous.voxels import VoxelSize

CELL = PhantomParams(shape=(32, 900, 1200), voxel_size=VoxelSize(30, 8, 8), seed=11)
LABELLED = (5, 11, 14)  # slices that are done
OPEN = 17  # the slice in the picture
COLOURS, GREYS = 128, 40  # of the picture's palette; grey noise needs no more
LEAST_COLOUR = 24  # difference between a pixel's red, green and blue above which it is no grey


def label(page: Page, phantom: Phantom) -> None:
    """Box some slices wholly, and the one in the picture in part."""
    for z in (*LABELLED, OPEN - 1, OPEN):
        table = phantom.boxes([z], minimum_pixels=80)
        if z == OPEN:
            table = table[table["class_name"].isin(("mitochondrion", "nucleus"))].iloc[::2]
        if z == OPEN - 1:
            table = table.iloc[1::2]
        boxes = [
            {"z": z, "y0": row.y0, "x0": row.x0, "y1": row.y1, "x1": row.x1, "class": row.class_name}
            for row in table.itertuples()
        ]
        page.evaluate("(boxes) => famous.store.addBoxes(`draw ${boxes.length} boxes`, boxes)", boxes)
        if z in LABELLED:
            page.evaluate("(z) => famous.store.setDone(z, true)", z)


def pose(page: Page) -> None:
    """Propose, accept one, select a box, and rest the cursor on a mitochondrion."""
    page.evaluate(f"() => famous.store.goTo({OPEN})")
    page.wait_for_function("() => famous.store.model !== null && famous.store.saved === 'saved'", timeout=120_000)
    page.keyboard.press("p")
    page.wait_for_function("() => famous.store.proposals.length > 0", timeout=120_000)
    page.evaluate(
        """() => {
          const { store, view } = famous;
          view.showsLabels = true;
          for (const z of [5, 11, 14, 17]) store.seconds.set(z, 61 + 17 * z);
          const boxes = store.boxesOn(store.z).filter((box) => box.class === "mitochondrion");
          const large = boxes.sort((a, b) => (b.y1 - b.y0) * (b.x1 - b.x0) - (a.y1 - a.y0) * (a.x1 - a.x0))[0];
          store.setClass("mitochondrion");
          store.select([large.id]);
          const [px, py] = view.toScreen((large.x0 + large.x1) / 2, (large.y0 + large.y1) / 2);
          view.setPointer({ px, py });
        }"""
    )
    page.wait_for_function("() => famous.view.isFinal && !famous.view.asked")
    page.wait_for_timeout(2500)  # the cuts' slices are read


def few(shot: Image.Image) -> Image.Image:
    """Reduce a picture to greys and the colours that are in it, so that noise does not take the colours' places."""
    pixels = np.asarray(shot)
    colourful = pixels[np.ptp(pixels.astype(int), axis=2) > LEAST_COLOUR]
    found = Image.fromarray(colourful[None]).quantize(COLOURS).getpalette()[: 3 * COLOURS]
    greys = np.repeat(np.linspace(0, 255, GREYS).round().astype(int), 3).tolist()
    palette = Image.new("P", (1, 1))
    palette.putpalette(greys + found)
    return shot.quantize(palette=palette, dither=Image.Dither.NONE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "data" / "annotate.png")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 800), metavar=("WIDE", "HIGH"))
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    choice = parser.parse_args()
    wide, high = choice.size
    phantom = Phantom(CELL)
    names = ["mitochondrion", "nucleus", "early endosome", "late endosome", "lysosome"]
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        stack = phantom_stack(Path(folder), CELL)
        with serving(stack) as url:
            page = browser.new_page(viewport={"width": wide, "height": high}, color_scheme=choice.theme)
            set_up(page, url, names)
            label(page, phantom)
            pose(page)
            shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            page.close()
    choice.out.parent.mkdir(parents=True, exist_ok=True)
    few(shot).save(choice.out, optimize=True)
    print(f"{choice.out}: {wide} × {high}, {choice.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
