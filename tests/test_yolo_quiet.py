"""The libraries behind the door: nothing in the home folder, no host looked up, nothing said, nothing left changed."""

import os
import subprocess
import sys
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from famous.yolo.quiet import import_openvino

SCRIPT = r"""
import os, socket, sys

asked = []

def refuse(*args, **kwargs):
    asked.append(args)
    raise OSError("no network here")

socket.socket.connect = refuse
socket.getaddrinfo = refuse
socket.create_connection = refuse

import cv2
import numpy as np

cv2.setNumThreads(3)
threads, options = cv2.getNumThreads(), np.get_printoptions()
from famous.scratch import process_folder
from famous.yolo.quiet import import_onnxruntime, import_openvino, import_ultralytics

onnxruntime, openvino, ultralytics = import_onnxruntime(), import_openvino(), import_ultralytics()
import numpy as np
from onnx import TensorProto, helper

value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value("x")], [value("y")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
assert session.run(None, {"x": np.array([-1], np.float32)})[0] == 0
core = openvino.Core()
assert core.compile_model(core.read_model(model), "CPU")(np.array([2], np.float32))[0] == 2
from ultralytics.utils import AUTOINSTALL, ONLINE, SAFE_LOAD, SETTINGS, USER_CONFIG_DIR, VERBOSE

assert (ONLINE, VERBOSE, AUTOINSTALL, SAFE_LOAD) == (False, False, False, True)
assert process_folder() in USER_CONFIG_DIR.parents
assert not any(SETTINGS[name] for name in ("sync", "wandb", "mlflow", "comet", "clearml", "tensorboard"))
assert "YOLO_CONFIG_DIR" not in os.environ
import torch
from ultralytics.utils.torch_utils import select_device

from famous.cores import usable_cores

assert torch.get_num_threads() == usable_cores() and "OMP_NUM_THREADS" not in os.environ
select_device("cpu")  # as a training does
assert torch.get_num_threads() == usable_cores()
assert cv2.getNumThreads() == threads and np.get_printoptions() == options
assert sys.modules.get("openvino_telemetry") is None
assert not asked, asked
with open(sys.argv[1], "w") as file:
    file.write(str(process_folder()))
"""


def test_imports_leave_no_trace(tmp_path):
    home, where, answer = tmp_path / "home", tmp_path / "where", tmp_path / "folder"
    home.mkdir()
    where.mkdir()
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "YOLO_", "MPL", "ORT_", "CI", "OMP_"))}
    root = Path(__file__).resolve().parents[1]
    environment = {**keep, "HOME": str(home), "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(answer)],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0
    assert list(home.rglob("*")) == []
    assert list(where.rglob("*")) == []
    assert not Path(answer.read_text()).exists()


def test_no_module_imports_a_heavy_library_by_itself():
    modules = ("quiet", "runtime", "train", "trainer", "dataset", "network", "score", "card")
    code = (
        f"import sys, {', '.join(f'famous.yolo.{name}' for name in modules)}; "
        "print([m for m in ('torch', 'ultralytics', 'onnxruntime', 'openvino', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_one_thread_alone_makes_the_first_array(monkeypatch):
    inside, seen = [], []

    class Tensor:
        def __init__(self, *_):
            inside.append(threading.get_ident())

        @property
        def data(self):
            seen.append(len(inside))
            time.sleep(0.02)
            inside.pop()
            return np.zeros(1)

    fake = types.SimpleNamespace(Tensor=Tensor, Type=types.SimpleNamespace(f32=None), Shape=tuple)
    monkeypatch.setitem(sys.modules, "openvino", fake)
    with ThreadPoolExecutor(4) as pool:
        assert all(found is fake for found in pool.map(lambda _: import_openvino(), range(8)))
    assert seen == [1] * 8
