"""A smooth distortion of space that keeps every volume: three shears, each with determinant 1."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from famous.synthetic.lattice import draw
from famous.synthetic.shapes import Field

_WAVES = ((2600.0, 110.0), (1500.0, 45.0), (620.0, 14.0))  # wavelength and amplitude in nm


@dataclass(frozen=True)
class Warp:
    """Maps places of the stack to places q where shapes are simple.

    q_y = y + A(x, z), then q_x = x + B(q_y, z), then q_z = z + C(q_y, q_x), all in nm. Each step moves one
    axis by a function of the other two, so the determinant is exactly 1: a shape that is distorted keeps its
    closed-form volume. `strength` 0 turns it off.
    """

    seed: int
    strength: float = 1.0

    @cached_property
    def _waves(self) -> NDArray[np.float64]:
        """Rows of the three shears × waves × (amplitude, wave number 1, wave number 2, phase)."""
        table = np.zeros((3, 2 * len(_WAVES), 4))
        for i in range(3):
            for j, (wavelength, amplitude) in enumerate(_WAVES * 2):
                angle = 2 * np.pi * (draw(self.seed, 11, i, j) * 0.5 + 0.5 * (j >= len(_WAVES)))
                number = 2 * np.pi / (wavelength * (0.85 + 0.3 * draw(self.seed, 12, i, j)))
                phase = 2 * np.pi * draw(self.seed, 13, i, j)
                table[i, j] = amplitude * self.strength, number * np.cos(angle), number * np.sin(angle), phase
        return table

    @property
    def reach_nm(self) -> float:
        """Bound of the displacement along each axis."""
        return float(self._waves[0, :, 0].sum())

    def _shift(self, i: int, first: Field, second: Field | float) -> Field:
        total = np.zeros((), dtype=first.dtype)
        for amplitude, a, b, phase in self._waves[i].tolist():  # Python floats keep float32 arrays float32
            if amplitude:
                total = total + amplitude * np.sin(first * a + (second * b + phase))
        return total

    def forward(self, z: Field | float, y: Field, x: Field) -> tuple[Field, Field, Field]:
        """Map places of the stack, in nm."""
        qy = y + self._shift(0, x, z)
        qx = x + self._shift(1, qy, z)
        return z + self._shift(2, qy, qx), qy, qx

    def backward(self, qz: Field, qy: Field, qx: Field) -> tuple[Field, Field, Field]:
        """Invert `forward`, exactly."""
        z = qz - self._shift(2, qy, qx)
        x = qx - self._shift(1, qy, z)
        return z, qy - self._shift(0, x, z), x
