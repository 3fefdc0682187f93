"""The microscope's faults, each a pure function of the slice: drift, lost slices, jumps, streaks, blur and noise."""

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.synthetic.lattice import Noise, draw
from famous.synthetic.params import PhantomParams

_WANDER = 24.0  # slices over which drift turns


def is_missing(z: int, params: PhantomParams) -> bool:
    """Tell whether slice z was lost."""
    return params.missing > 0 and draw(params.seed, 41, z) < params.missing


def drift(z: int, params: PhantomParams) -> tuple[float, float]:
    """Displacement of slice z along y and x in nm: slow wander, and a tenth of it as jitter."""
    if params.drift_nm == 0:
        return 0.0, 0.0
    slow = [Noise(params.seed * 64 + 42 + axis, _WANDER).line(float(z)) for axis in (0, 1)]
    jitter = [3.4 * (draw(params.seed, 44 + axis, z) - 0.5) for axis in (0, 1)]
    y, x = (params.drift_nm * (0.99 * a + 0.1 * b) for a, b in zip(slow, jitter, strict=True))
    return y, x


def exposure(z: int, params: PhantomParams) -> tuple[float, float]:
    """Gain and offset since the last jump; there is one jump in every 1 / `contrast_jumps` slices."""
    if params.contrast_jumps == 0:
        return 1.0, 0.0
    spell = max(round(1 / params.contrast_jumps), 1)
    stretch = z // spell
    if z < stretch * spell + int(draw(params.seed, 45, stretch) * spell):
        stretch -= 1
    return 0.75 + 0.5 * draw(params.seed, 46, stretch), 60 * (draw(params.seed, 47, stretch) - 0.5)


def expose(image: NDArray[np.float32], z: int, params: PhantomParams) -> NDArray[np.uint8]:
    """Turn ideal grey values (y, x) of slice z into what the camera writes."""
    if params.blur_nm > 0:
        sigma_y, sigma_x = params.blur_nm / params.voxel_size.y, params.blur_nm / params.voxel_size.x
        image = cv2.GaussianBlur(image, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y)
    if params.streaks > 0:  # they keep their place over some slices, as the beam cuts them
        columns = Noise(params.seed * 64 + 48, 1.6).plane(z / 8, np.zeros(1), np.arange(image.shape[1]))
        image = image + np.float32(params.streaks) * columns
    gain, offset = exposure(z, params)
    image = np.clip((image - 128) * np.float32(gain) + np.float32(128 + offset), 0, 255).astype(np.float32)
    if params.gamma != 1:
        image = np.float32(255) * np.power(image / np.float32(255), np.float32(params.gamma))
    if params.noise > 0:
        grain = np.random.default_rng([params.seed, 51, z]).standard_normal(image.shape, dtype=np.float32)
        grain = cv2.GaussianBlur(grain, (0, 0), sigmaX=0.5) * np.float32(1.27)
        spread = np.sqrt(60 + 0.9 * image)  # read-out noise, and shot noise in the limit of high counts
        image = image + np.float32(params.noise) * spread * grain
    exposed: NDArray[np.uint8] = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return exposed
