"""The one door to the deep-learning libraries: no banners, no network, no telemetry, no files in the home folder."""

import importlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from famous.cores import threads
from famous.scratch import process_folder

#: read by ultralytics while it is imported: no look-up of a host, no pip, no banner, no code run from a weights file
ULTRALYTICS_ENVIRONMENT = {
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",
}
#: everything in its settings that would send or log something
ULTRALYTICS_SETTINGS: dict[str, Any] = {
    "sync": False,
    "clearml": False,
    "comet": False,
    "dvc": False,
    "mlflow": False,
    "raytune": False,
    "tensorboard": False,
    "wandb": False,
    "vscode_msg": False,
    "openvino_msg": False,
}

_FIRST_ARRAY = threading.Lock()


def import_ultralytics() -> ModuleType:
    """Import ultralytics with its settings in a private folder that goes when the process ends.

    It writes its settings where it finds a home folder, looks for hosts and sets the thread count of OpenCV and numpy's
    print options, all while it is imported; here the first three are led away and the last two are put back. It also
    holds torch to one core less than there are, and everything that is started later to one: here torch gets all cores
    of this process, unless the user has said how many, and the rest is left alone.
    """
    if "ultralytics" in sys.modules:
        return _silence(sys.modules["ultralytics"])  # someone imported it before: no more than its settings is left
    opencv_threads, options = cv2.getNumThreads(), np.get_printoptions()
    folder = process_folder()
    os.environ.setdefault("MPLCONFIGDIR", str(folder))
    cores = threads()
    values = {**ULTRALYTICS_ENVIRONMENT, "YOLO_CONFIG_DIR": str(folder), "OMP_NUM_THREADS": str(cores)}
    with _environment(values), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("ultralytics").setLevel(logging.ERROR)
        ultralytics = importlib.import_module("ultralytics")
        importlib.import_module("ultralytics.models.yolo.detect")
        devices: Any = importlib.import_module("ultralytics.utils.torch_utils")
        devices.NUM_THREADS = cores  # a training on the CPU sets torch to it
    cv2.setNumThreads(opencv_threads)
    np.set_printoptions(**options)
    return _silence(ultralytics)


def import_onnxruntime() -> ModuleType:
    """Import ONNX Runtime with its warnings and its telemetry off.

    Since 1.29 the official builds report sessions to their makers by default, on Linux too, and keep a device id below
    the home folder; the variable works only when it is set before the first import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    onnxruntime = importlib.import_module("onnxruntime")
    onnxruntime.set_default_logger_severity(4)
    if hasattr(onnxruntime, "disable_telemetry_events"):
        onnxruntime.disable_telemetry_events()
    return onnxruntime


def onnx_errors(onnxruntime: ModuleType) -> tuple[type[Exception], ...]:
    """Everything that ONNX Runtime raises over a file that is broken, or holds a network of another kind."""
    state = onnxruntime.capi.onnxruntime_pybind11_state
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoModel", "NoSuchFile", "NotImplemented")
    return (*(getattr(state, name) for name in names), state.RuntimeException, UnicodeDecodeError, IndexError)


def import_openvino() -> ModuleType:
    """Import OpenVINO with its own stub in place of the telemetry package, which would report the import.

    Its table of numpy's types, which it makes when the first array is asked for, is made here, by one thread alone: two
    threads that come upon it at once may wait for each other for ever, one of them with Python's lock in its hand.
    """
    with _FIRST_ARRAY:
        if "openvino" not in sys.modules:
            sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # an import of it now fails: the stub
        openvino = importlib.import_module("openvino")
        np.asarray(openvino.Tensor(openvino.Type.f32, openvino.Shape([1])).data)
    return openvino


def _silence(ultralytics: ModuleType) -> ModuleType:
    from ultralytics.utils import LOGGER, SETTINGS

    LOGGER.setLevel(logging.ERROR)
    changed = {key: value for key, value in ULTRALYTICS_SETTINGS.items() if SETTINGS.get(key, value) != value}
    if changed:
        SETTINGS.update(changed)
    return ultralytics


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
