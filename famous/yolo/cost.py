"""What a training takes besides the minutes that it is given: measured figures, for estimates and the time left.

Measured on two cores with instructions for bfloat16, nobody else at work there; with a GPU the epochs take less.
"""

import math

from famous.tiles import tiles
from famous.yolo.params import TrainParams

START_S = 8.0  # the libraries, the tiles and the first network
TILE_S = 0.25  # one tile of 768 px forth and back, in an epoch
LOOK_S = 0.3  # one tile of 768 px in torch, when the epochs are scored
EXPORT_S = 3.0  # the checkpoint to ONNX
OPEN_S = 1.5  # a detector, to be scored
TILE_SCORED_S = 0.1  # one tile in it
GATHERED_S = 0.0005  # one look at a box for masknet
CROP_S = 0.0055  # one crop of a step that masknet learns
USUAL_PX = 768


def seconds_after_epochs(params: TrainParams, boxes: int, held: int, tiles_a_slice: int = 1) -> float:
    """Tell how long scoring, export and masknet take, with so many labelled boxes and slices that are held out."""
    masks = params.masks
    looks = min(boxes, masks.boxes) * masks.looks
    learning = looks * GATHERED_S + masks.steps * min(masks.batch, looks) * CROP_S if masks.steps else 0.0
    scoring = 2 * (OPEN_S + held * tiles_a_slice * TILE_SCORED_S) if held else 0.0  # the start weights as well
    return EXPORT_S + learning + scoring


def seconds_of_epochs(params: TrainParams, learnt: int, held: int, tiles_a_slice: int = 1) -> float:
    """Tell how long the epochs take on so many slices: as `minutes` says, but one epoch at least, or as `epochs`."""
    size = (params.input_px / USUAL_PX) ** 2
    epoch = min(params.epoch_tiles, learnt * tiles_a_slice) * TILE_S * size
    look = held * tiles_a_slice * LOOK_S * size
    if params.epochs is None:
        return START_S + max(params.minutes * 60, epoch + look)
    return START_S + params.epochs * epoch + math.ceil(params.epochs / params.check_every) * look


def tiles_of_slice(shape: tuple[int, int], scale: float, params: TrainParams) -> int:
    """Count the tiles that a (y, x) slice is cut into; `scale` is the stack's pixel size over the training's."""
    resampled = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
    return len(tiles(resampled, tile_px=params.input_px, overlap_px=round(params.overlap * params.input_px)))
