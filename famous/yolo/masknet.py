"""The box → mask network that ships with the package, opened in OpenVINO or ONNX Runtime.

ONNX holds numbers and operators and no code, and the file is held to the SHA-256 of its card before it is opened.
"""

import json
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.cores import threads, usable_threads
from famous.errors import InputError, MissingError
from famous.extract import Extractor, MaskNetExtractor, MaskNetParams, RecipeParams, make_extractor
from famous.extract.crops import SIDE_PX
from famous.extract.masknet import LEARNT_BOX_ERROR, MaskNetwork
from famous.yolo.card import FILE_NAME as DETECTOR_CARD
from famous.yolo.card import digest, read_card
from famous.yolo.quiet import import_onnxruntime, import_openvino, onnx_errors
from famous.yolo.runtime import cpu_runtime

FILE_NAME = "masknet.onnx"
CARD_NAME = "masknet.json"
OPENING = threading.Lock()  # or each thread of a stage would open its own
PLANES = 5  # of a crop, as `crops.to_planes` makes them


def open_extractor(params: RecipeParams, model: Path | None = None) -> Extractor:
    """Build the extractor that these parameters steer.

    masknet gets the network that learnt the stack, where the model folder holds one, else the one that ships.
    """
    if not isinstance(params, MaskNetParams):
        return make_extractor(params)
    with OPENING:
        if (adapted := _adapted(model)) is not None:
            return MaskNetExtractor(_open_adapted(*adapted), params, LEARNT_BOX_ERROR)
        return MaskNetExtractor(packaged_masknet(), params)


@lru_cache(maxsize=1)
def packaged_masknet() -> MaskNetwork:
    """Open the network that ships with the package, once a process; MissingError or InputError if it is not there."""
    return open_masknet(packaged_file())


def _adapted(model: Path | None) -> tuple[Path, str] | None:
    """The network that learnt a stack and its SHA-256, as the card of the model folder states them."""
    if model is None or not (model / DETECTOR_CARD).is_file():
        return None
    card = read_card(model)
    return (card.check(model, FILE_NAME), card.sha256[FILE_NAME]) if FILE_NAME in card.sha256 else None


@lru_cache(maxsize=2)
def _open_adapted(file: Path, sha256: str) -> MaskNetwork:
    """Open a network once a process; another training writes one of another SHA-256."""
    del sha256
    return open_masknet(file)


def packaged_file() -> Path:
    """Return the file of the network that ships with the package, if it is the one that its card describes."""
    return check_masknet(Path(__file__).resolve().parents[1] / "weights")


def masknet_digest(model: Path | None = None) -> str:
    """SHA-256 of the network that `open_extractor` opens, as its card states it."""
    if (adapted := _adapted(model)) is not None:
        return adapted[1]
    folder = Path(__file__).resolve().parents[1] / "weights"
    return _stated(folder / CARD_NAME)


def packaged_terms() -> str:
    """Return under which terms the data stands that masknet learnt from."""
    card = json.loads((packaged_file().parent / CARD_NAME).read_text(encoding="utf-8"))
    return f"{card['terms']}: " + "; ".join(f"{name} ({one['terms']})" for name, one in card["data"].items())


def check_masknet(folder: Path) -> Path:
    """Return the network of a folder if it is the one that its card describes, else raise."""
    file = folder / FILE_NAME
    if not file.is_file():
        raise MissingError(f"{file}: the box → mask network is not there; reinstall famous")
    stated, found = _stated(folder / CARD_NAME), digest(file)
    if found != stated:
        raise InputError(
            f"{file}: found SHA-256 {found[:12]}…, expected {stated[:12]}… as its card says; reinstall famous"
        )
    return file


def _stated(card: Path) -> str:
    try:
        values = json.loads(card.read_text(encoding="utf-8"))
        stated = values["sha256"][FILE_NAME]
    except FileNotFoundError as problem:
        raise MissingError(f"{card}: the card of the box → mask network is not there; reinstall famous") from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise InputError(f"{card}: found no card ({problem}), expected one with sha256 of {FILE_NAME}") from problem
    if not isinstance(stated, str):
        raise InputError(f"{card}: found {stated!r} for the SHA-256 of {FILE_NAME}, expected text")
    return stated


def open_masknet(file: Path, runtime: str = "auto") -> MaskNetwork:
    """Open a box → mask network; the callable may be used by several threads at once."""
    if (cpu_runtime() if runtime == "auto" else runtime) == "openvino":
        return OpenVinoMaskNet(file)
    return OnnxMaskNet(file)


class OpenVinoMaskNet:
    """One compiled network, and one request for each thread that asks."""

    def __init__(self, file: Path) -> None:
        core = import_openvino().Core()
        options: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": threads(),
            "NUM_STREAMS": min(threads(), usable_threads()),  # a stage's threads ask at a time, each with its share
            "INFERENCE_PRECISION_HINT": _precision(core),
            "ENABLE_CPU_PINNING": False,  # pinned threads wait for the stage's own ones
        }
        self._own = threading.local()
        try:
            self._network = core.compile_model(core.read_model(str(file)), "CPU", options)
            _try_out(self, file)
        except (RuntimeError, UnicodeDecodeError, IndexError) as problem:
            raise InputError(f"{file}: found no network ({problem}), expected a box → mask network") from problem

    def __call__(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (n, side, side)."""
        if not hasattr(self._own, "request"):
            self._own.request = self._network.create_infer_request()
        answer: NDArray[np.float32] = np.array(self._own.request.infer([np.ascontiguousarray(planes)])[0])
        return answer


def _precision(core: Any) -> str:
    """What the processor computes fastest in: bfloat16 takes half the time, and moves one pixel in a thousand."""
    return "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


class OnnxMaskNet:
    """A session of ONNX Runtime, which several threads may use."""

    def __init__(self, file: Path) -> None:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads()
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
            self._input = self._session.get_inputs()[0].name
            _try_out(self, file)
        except onnx_errors(onnxruntime) as problem:
            raise InputError(f"{file}: found no network ({problem}), expected a box → mask network") from problem

    def __call__(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (n, side, side)."""
        answer: NDArray[np.float32] = self._session.run(None, {self._input: np.ascontiguousarray(planes)})[0]
        return answer


def _try_out(network: MaskNetwork, file: Path) -> None:
    """Ask about two blank crops: another network fails here, with its name, and not in the middle of a run."""
    answer = network(np.zeros((2, PLANES, SIDE_PX, SIDE_PX), dtype=np.float32))
    if answer.shape != (2, SIDE_PX, SIDE_PX) or answer.dtype != np.float32:
        raise InputError(
            f"{file}: found a network that answers {answer.shape} {answer.dtype} to two crops, "
            f"expected (2, {SIDE_PX}, {SIDE_PX}) float32"
        )
