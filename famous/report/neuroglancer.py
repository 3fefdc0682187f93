"""A stack, its labels and its meshes in neuroglancer, which its Python package brings along and serves.

Nothing is read before the page asks for it, and then only the slices that it shows. Neuroglancer's axes are x, y, z.
"""

import io
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import MissingError
from famous.install import install_line
from famous.stack import Stack
from famous.voxels import VoxelSize

HELD_BYTES = 400_000_000  # of slices that were read last
COARSEST = 4096  # voxels that one voxel of the coarsest view stands for
SHOWN = 1000  # largest organelles of a class that are shown at first; a double click on a slice shows any other
Block = tuple[range, range, range]  # (z, y, x), each with its step


@dataclass(frozen=True)
class ClassLayer:
    """One class: its colour, its instances with the largest first, and how its voxels and meshes are read.

    `read` gives the labels of a block, (z, y, x) uint32; `mesh` the encoded mesh of an instance in metres, or None.
    """

    name: str
    colour: str
    instances: Sequence[int]
    read: Callable[[Block], NDArray[np.uint32]]
    mesh: Callable[[int], bytes | None] = lambda instance: None


class Slices:
    """Blocks of grey values, made of slices of which the last ones read are held."""

    def __init__(self, stack: Stack, held_bytes: int = HELD_BYTES) -> None:
        self._stack = stack
        self._held: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._most = max(2, held_bytes // max(1, stack.shape[1] * stack.shape[2]))
        self._lock = threading.Lock()  # readers of files are not made for several threads

    def read(self, block: Block) -> NDArray[np.uint8]:
        """Read a block, (z, y, x) uint8: every step-th slice, and in it the mean over a step's pixels."""
        z, y, x = block
        found = np.zeros((len(z), len(y), len(x)), dtype=np.uint8)
        for number, one in enumerate(z):
            found[number] = shrink(self._slice(one)[y.start : y.stop, x.start : x.stop], (len(y), len(x)))
        return found

    def _slice(self, z: int) -> NDArray[np.uint8]:
        with self._lock:
            image = self._held.pop(z) if z in self._held else self._stack.image(z)
            self._held[z] = image
            while len(self._held) > self._most:
                self._held.popitem(last=False)
            return image


def shrink(image: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Make an image (y, x) smaller by means over areas."""
    if image.shape == shape or 0 in shape:
        return image.reshape(shape)
    import cv2

    small: NDArray[np.uint8] = cv2.resize(image, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return small


def show(stack: Stack, voxel_size: VoxelSize, layers: Sequence[ClassLayer], address: tuple[str, int, str]) -> Any:
    """Serve a stack and its classes at (host, port, token); returns neuroglancer's viewer, `stop` ends it.

    Raises
    ------
    MissingError
        If neuroglancer is not installed.
    OSError
        If the server cannot listen there.
    """
    neuroglancer = load()
    host, port, token = address
    neuroglancer.set_server_bind_address(host, port)
    viewer = neuroglancer.Viewer(token=token, allow_credentials=False)
    space = neuroglancer.CoordinateSpace(names=["x", "y", "z"], units="nm", scales=voxel_size.zyx[::-1])
    with viewer.txn() as state:
        state.title = stack.name
        state.dimensions = space
        state.position = [side / 2 for side in reversed(stack.shape)]
        longest = max(side * nm for side, nm in zip(stack.shape, voxel_size.zyx, strict=True))
        state.cross_section_scale = max(longest / voxel_size.x / 380, 1e-3)
        state.projection_scale = longest / voxel_size.x * 1.5
        state.projection_orientation = [0.477, 0.15, 0.26, 0.826]  # the slice from above, tilted
        state.show_axis_lines = False
        state.hide_cross_section_background_3d = True
        state.show_default_annotations = True
        state.layout = "4panel"
        state.layers["stack"] = neuroglancer.ImageLayer(
            source=_volume(neuroglancer, stack.shape, space, ("uint8", "image"), Slices(stack).read),
            shader="void main() { emitGrayscale(toNormalized(getDataValue())); }",
        )
        for layer in layers:
            volume = _volume(neuroglancer, stack.shape, space, ("uint32", "segmentation"), layer.read)
            volume.get_object_mesh = _mesh_reader(neuroglancer, layer)
            state.layers[layer.name] = neuroglancer.SegmentationLayer(
                source=volume,
                segments=list(layer.instances[:SHOWN]),
                segment_default_color=layer.colour,
                selected_alpha=0.35,
                ignore_null_visible_set=False,
            )
    return viewer


def stop() -> None:
    """End the server."""
    load().stop()


def load() -> Any:
    """Import neuroglancer; MissingError with the line to install it."""
    try:
        import neuroglancer
    except ImportError as error:
        raise MissingError(f"neuroglancer is not installed: {install_line('view')}") from error
    return neuroglancer


class _Voxels:
    """What neuroglancer asks a volume about before it reads: its (x, y, z) and type."""

    def __init__(self, shape: tuple[int, int, int], dtype: str) -> None:
        self.shape = shape[::-1]
        self.dtype = np.dtype(dtype)


def _volume(
    neuroglancer: Any,
    shape: tuple[int, int, int],
    space: Any,
    kinds: tuple[str, str],
    read: Callable[[Block], NDArray[Any]],
) -> Any:
    """Make a volume that is read block by block.

    The package's own way would read every voxel under a coarse view; here only those are read that it is made of.
    """
    volume = neuroglancer.LocalVolume(
        _Voxels(shape, kinds[0]), space, volume_type=kinds[1], chunk_layout="flat", max_downsampling=COARSEST
    )

    def get_encoded_subvolume(
        data_format: str, start: NDArray[np.int64], end: NDArray[np.int64], scale_key: str
    ) -> tuple[bytes, str]:
        try:
            steps = [int(step) for step in scale_key.split(",")]
        except ValueError:
            steps = []
        if data_format != "npz" or not len(steps) == len(start) == len(end) == 3 or min(steps) < 1:
            raise ValueError("invalid request")
        sides = zip(reversed(start.tolist()), reversed(end.tolist()), reversed(steps), shape, strict=True)
        z, y, x = (range(low * step, min(high * step, side), step) for low, high, step, side in sides)
        found = read((z, y, x))
        file = io.BytesIO()
        np.save(file, np.asfortranarray(found.T))
        return zlib.compress(file.getvalue(), 1), "application/octet-stream"

    volume.get_encoded_subvolume = get_encoded_subvolume
    return volume


def _mesh_reader(neuroglancer: Any, layer: ClassLayer) -> Callable[[int], bytes]:
    def get_object_mesh(instance: int) -> bytes:
        content = layer.mesh(instance)
        if content is None:
            raise neuroglancer.local_volume.InvalidObjectIdForMesh
        return content

    return get_object_mesh
