"""Run a trained detector: torch, ONNX Runtime or OpenVINO behind one call that takes tiles and gives boxes.

Every runtime computes the same raw candidates (class scores and corners of each anchor); what follows is one numpy
function, so that a box does not depend on the runtime. torch is only imported where it is chosen.

Measured with `tools/bench_runtime.py` on two busy cores, YOLO26n, one tile a call, boxes the same to 0.01 px and 0.0001
in score:

============  ==============  ===============  ===========
runtime       768 px, median  1024 px, median  peak memory
============  ==============  ===============  ===========
torch         500 ms          783 ms           828 MB
ONNX Runtime  108 ms          218 ms           412 MB
OpenVINO      55 ms           110 ms           434 MB
============  ==============  ===============  ===========
"""

import functools
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from famous.boxes import iou
from famous.cores import threads
from famous.detect import Detector
from famous.errors import ConfigError, InputError, MissingError
from famous.yolo.card import Card, read_card
from famous.yolo.device import check_device
from famous.yolo.quiet import import_onnxruntime, import_openvino, onnx_errors

RUNTIMES = ("auto", "torch", "onnx", "openvino")
SCORE_FLOOR = 0.01  # candidates below are never of use to a caller
MAX_CANDIDATES = 3000  # best-scored candidates of one tile that enter the suppression
MAX_BOXES = 1000  # boxes of one tile
STRIDE_PX = 32  # the network wants sides that are a multiple of this
SHAPES = 4  # shapes of tiles that OpenVINO keeps compiled networks for
GREY = 114  # what lies beyond the image, here and in training

Network: TypeAlias = Any  # a torch module; torch is not imported here
Infer = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass
class YoloDetector:
    """A `famous.detect.Detector` on any of the runtimes."""

    class_names: tuple[str, ...]
    channels: int  # 1 or 3
    pixel_nm: float  # pixel size it was trained at
    nms_iou: float  # boxes of one class that overlap more are one; 0 for a head that needs no suppression
    runtime: str
    infer: Infer  # (n, 3, h, w) float32 0 … 1 → (n, anchors, 4 + classes): x0, y0, x1, y1, scores

    def __call__(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Boxes of each image: (n, h, w, c) → n × (k, 6) y0, x0, y1, x1, score, class index; best scored first."""
        if images.ndim != 4 or images.shape[3] != self.channels:
            raise InputError(f"detector: found images {images.shape}, expected (n, h, w, {self.channels})")
        if 0 in images.shape:
            return [np.zeros((0, 6), dtype=np.float32) for _ in range(images.shape[0])]
        height, width = images.shape[1:3]
        raw = self.infer(to_input(images))
        return [decode(candidates, (height, width), nms_iou=self.nms_iou) for candidates in raw]


def to_input(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pad right and below to the stride, and turn (n, h, w, c) uint8 into (n, 3, h, w) float32 0 … 1.

    The channels keep their order; one channel is repeated.
    """
    n, height, width, channels = images.shape
    high, wide = (-(-side // STRIDE_PX) * STRIDE_PX for side in (height, width))
    planes = np.full((n, 3, high, wide), GREY / 255, dtype=np.float32)
    source = np.moveaxis(images, 3, 1)
    planes[:, :, :height, :width] = source if channels == 3 else np.repeat(source, 3, axis=1)
    planes[:, :, :height, :width] /= 255
    return planes


def decode(candidates: NDArray[np.float32], shape: tuple[int, int], *, nms_iou: float) -> NDArray[np.float32]:
    """Turn one image's raw candidates (anchors, 4 + classes) into (k, 6) boxes inside the image's (y, x) shape."""
    scores = candidates[:, 4:]
    anchor, cls = np.nonzero(scores >= SCORE_FLOOR)
    if nms_iou > 0:  # one class an anchor; the rest would be the same box under another name
        anchor = np.unique(anchor)
        cls = scores[anchor].argmax(axis=1)
    score = scores[anchor, cls]
    order = np.argsort(-score, kind="stable")[:MAX_CANDIDATES]
    anchor, cls, score = anchor[order], cls[order], score[order]
    corners = candidates[anchor][:, [1, 0, 3, 2]]
    corners = np.clip(corners, 0, np.array([*shape, *shape], dtype=np.float32))
    real = (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])
    boxes = np.concatenate([corners, score[:, None], cls[:, None]], axis=1).astype(np.float32)[real]
    return suppress(boxes, nms_iou)[:MAX_BOXES] if nms_iou > 0 else boxes[:MAX_BOXES]


def suppress(boxes: NDArray[np.float32], nms_iou: float) -> NDArray[np.float32]:
    """Greedy non-maximum suppression per class of (k, 6) boxes that are sorted by falling score."""
    alive = np.ones(len(boxes), dtype=bool)
    kept = []
    for i in range(len(boxes)):
        if not alive[i]:
            continue
        kept.append(i)
        if len(kept) == MAX_BOXES:
            break
        rest = i + 1 + np.flatnonzero(alive[i + 1 :] & (boxes[i + 1 :, 5] == boxes[i, 5]))
        alive[rest[iou(boxes[i : i + 1, :4], boxes[rest, :4])[0] > nms_iou]] = False
    return boxes[kept]


def load_detector(path: str | Path, *, device: str = "auto", runtime: str = "auto") -> Detector:
    """Open a trained detector: a model folder, or its `best.onnx` or `best.pt`, with `card.json` beside it.

    Parameters
    ----------
    device
        "auto" takes a GPU where torch finds one and the folder has `best.pt`; else "cpu" or a torch device.
    runtime
        "auto" is torch on a GPU; on the CPU what measured fastest (`tools/bench_runtime.py`).

    Raises
    ------
    MissingError
        If there is no such model, or no card beside it.
    InputError
        If the weights are not those that the card describes, or the device cannot be used.
    """
    if runtime not in RUNTIMES:
        raise ConfigError(f"runtime: found {runtime!r}, expected one of {', '.join(RUNTIMES)}")
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    card = read_card(folder)
    runtime, device = _choose(folder, card, device, runtime)
    if runtime == "torch":
        _check_torch(folder, card, device)
    file = card.check(folder, "best.pt" if runtime == "torch" else "best.onnx")
    loaders: dict[str, Callable[[Path, str], Infer]] = {"torch": _torch, "onnx": _onnx, "openvino": _openvino}
    return YoloDetector(
        class_names=card.class_names,
        channels=card.channels,
        pixel_nm=card.pixel_nm,
        nms_iou=card.nms_iou,
        runtime=runtime,
        infer=loaders[runtime](file, device),
    )


def packaged_detector() -> Path:
    """Folder of the detector that ships with the package; its card says what it was trained on."""
    folder = Path(__file__).resolve().parents[1] / "weights"
    if not (folder / "card.json").is_file():
        raise MissingError(f"{folder}: the packaged detector is not there; reinstall famous")
    return folder


def packaged_start() -> Path:
    """Weights of the detector that ships, as a training starts from them; InputError if they are not its card's."""
    folder = packaged_detector()
    return read_card(folder).check(folder, "best.pt")


def _choose(folder: Path, card: Card, device: str, runtime: str) -> tuple[str, str]:
    if device == "auto":
        device = "cpu"
        if runtime in ("auto", "torch") and "best.pt" in card.sha256 and (folder / "best.pt").is_file() and _has_gpu():
            device = "cuda"
    if runtime == "auto":
        runtime = cpu_runtime() if device == "cpu" else "torch"
    return runtime, f"cuda:{device}" if device.isdigit() else device


def _check_torch(folder: Path, card: Card, device: str) -> None:
    check_device(device)
    if device != "cpu" and "best.pt" not in card.sha256:
        raise InputError(
            f"{folder}: this detector has no best.pt and runs on the CPU only; found the device {device!r}, "
            "expected auto or cpu"
        )


def cpu_runtime() -> str:
    """Name the runtime that measured fastest on a CPU (`tools/bench_runtime.py`), of those that are installed."""
    return "openvino" if importlib.util.find_spec("openvino") else "onnx"


def _has_gpu() -> bool:
    """Look for an NVIDIA driver before paying for the import of torch."""
    if not (Path("/proc/driver/nvidia/version").exists() or os.environ.get("CUDA_VISIBLE_DEVICES")):
        return False
    import torch

    return bool(torch.cuda.is_available())


def _onnx(file: Path, device: str) -> Infer:
    del device
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # the arena keeps the largest tile's memory for ever
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except onnx_errors(onnxruntime) as problem:
        raise InputError(f"{file}: found no network ({problem}), expected one that `famous train` wrote") from problem
    name = session.get_inputs()[0].name

    def infer(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        raw: NDArray[np.float32] = session.run(None, {name: planes})[0]
        return raw

    return infer


def _openvino(file: Path, device: str) -> Infer:
    """One image at a time through a network compiled for its very shape, which is twice as fast as for any shape."""
    openvino = import_openvino()
    core = openvino.Core()
    options = {"INFERENCE_NUM_THREADS": threads(), "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}

    try:
        model = core.read_model(str(file))
    except RuntimeError as problem:
        raise InputError(f"{file}: found no network ({problem}), expected one that `famous train` wrote") from problem

    @functools.lru_cache(maxsize=SHAPES)
    def compiled(shape: tuple[int, ...]) -> Callable[[NDArray[np.float32]], Any]:
        shaped = model.clone()
        shaped.reshape(list(shape))
        network: Callable[[NDArray[np.float32]], Any]
        network = core.compile_model(shaped, "CPU" if device == "cpu" else device, options)
        return network

    def infer(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        network = compiled((1, *planes.shape[1:]))
        return np.concatenate([network(plane[None])[0] for plane in planes])

    return infer


def _torch(file: Path, device: str) -> Infer:
    from famous.yolo.network import load_network

    network, _ = load_network(file, end_to_end=read_card(file.parent).nms_iou == 0)
    return torch_infer(network, device)


def torch_infer(network: Network, device: str = "cpu") -> Infer:
    """Call a raw torch network (`network.raw_network`) with numpy arrays."""
    import torch

    network = network.to(device)

    def infer(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            raw: NDArray[np.float32] = network(torch.from_numpy(planes).to(device)).float().cpu().numpy()
        return raw

    return infer
