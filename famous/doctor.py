"""`famous doctor`: what is installed, and how to mend what is missing."""

import importlib
import importlib.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from famous.errors import FamousError
from famous.install import install_line, mend_line


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    mend: str = ""
    needed: bool = True

    def __str__(self) -> str:
        """One line for people, and how to mend it on the next."""
        state = "ok" if self.ok else "no" if self.needed else "–"
        return f"{state:<3} {self.name:<14} {self.found}" + (f"\n    → {self.mend}" if self.mend else "")


def examine() -> list[Finding]:
    """Look at everything that famous uses; nothing is changed and nothing is downloaded."""
    return [
        Finding("Python", sys.version_info >= (3, 11), sys.version.split()[0], ""),
        _try("torch", _torch, "pip install torch torchvision"),
        _try("ultralytics", _ultralytics, "pip install ultralytics"),
        _try("ONNX Runtime", lambda: _version("onnxruntime"), "pip install onnxruntime"),
        _try("OpenVINO", lambda: _version("openvino"), "pip install openvino", needed=False),
        _try(
            "OpenCV",
            _opencv,
            "pip install --force-reinstall opencv-python; if it is libGL that is missing: apt install libgl1",
        ),
        _try("open3d", _open3d, "pip install open3d libusb-package"),
        _try("weights", _weights, mend_line("weights")),
        _start(),
        _chromium(),
        _try("bpy (Blender)", lambda: _version("bpy"), f"{install_line('blender')}  (Python 3.11)", needed=False),
    ]


def _try(name: str, look: Callable[[], str], mend: str, *, needed: bool = True) -> Finding:
    try:
        return Finding(name, True, look(), needed=needed)
    except Exception as error:
        said = " ".join(str(error).split())[:160] or type(error).__name__
        if isinstance(error, ModuleNotFoundError):
            problem = "not installed"
        else:  # also what another version of a library below it causes: AttributeError, RuntimeError …
            problem = said if isinstance(error, FamousError | OSError) else f"does not load: {said}"
        return Finding(name, False, problem, mend, needed)


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    if importlib.util.find_spec(name) is None:
        raise ModuleNotFoundError(name)
    try:
        return version(name)
    except PackageNotFoundError:  # of a package with another name, as onnxruntime-gpu
        return str(getattr(importlib.import_module(name), "__version__", "here"))


def _torch() -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.__version__}, GPU {torch.cuda.get_device_name(0)}"
    if torch.backends.mps.is_available():
        return f"{torch.__version__}, Apple GPU"
    return f"{torch.__version__}, CPU with {torch.get_num_threads()} threads"


def _ultralytics() -> str:
    from famous.yolo.quiet import import_ultralytics

    return str(import_ultralytics().__version__)


def _opencv() -> str:
    import cv2

    return str(cv2.__version__)


def _open3d() -> str:
    from famous.points import load_open3d

    return str(load_open3d().__version__)


def _weights() -> str:
    from famous.yolo.card import read_card
    from famous.yolo.runtime import packaged_detector

    path = packaged_detector()
    card = read_card(path if path.is_dir() else path.parent)
    return f"{path} ({', '.join(card.class_names)})"


def _start() -> Finding:
    from famous.yolo.params import TrainParams
    from famous.yolo.train import find_weights

    params = TrainParams()
    try:
        return Finding("start weights", True, str(find_weights(params, Path())), needed=False)
    except FamousError:
        mend = f"{mend_line('weights')}, or give others with --start PATH; only training needs them"
        return Finding("start weights", False, "those that ship are not here", mend, needed=False)


def _chromium() -> Finding:
    for program in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        found = shutil.which(program)
        if found:
            return Finding("Chromium", True, str(Path(found)), needed=False)
    return Finding(
        "Chromium", False, "not on the PATH", "apt install chromium (only screenshots need it)", needed=False
    )
