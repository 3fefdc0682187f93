"""What the doctor says of each library: it is here, it is not, or it does not load, and how to mend it."""

import builtins
import dataclasses
import importlib.util
import sys
import types
from importlib import metadata

import pytest

from famous import doctor, install
from famous.doctor import Finding, examine
from famous.errors import InputError, MissingError

#: finding → the modules that it imports
IMPORTED = {"torch": "torch", "ultralytics": "ultralytics", "OpenCV": "cv2", "open3d": "open3d"}
#: finding → the module that it only looks for
LOOKED_FOR = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino", "bpy (Blender)": "bpy"}
OPTIONAL = {"OpenVINO", "start weights", "Chromium", "bpy (Blender)"}
LOOKS = ("_torch", "_ultralytics", "_opencv", "_open3d", "_weights")


@pytest.fixture
def quick(monkeypatch):
    """Let the slow looks succeed without importing anything."""
    for look in LOOKS:
        monkeypatch.setattr(doctor, look, lambda: "1.0")


def by_name():
    return {finding.name: finding for finding in examine()}


@pytest.mark.usefixtures("quick")
def test_everything_has_a_name_of_its_own_and_a_way_to_mend_it():
    findings = examine()
    assert len({finding.name for finding in findings}) == len(findings) == 11
    assert {finding.name for finding in findings if not finding.needed} == OPTIONAL
    assert all(finding.found for finding in findings)


@pytest.mark.parametrize("name", LOOKED_FOR)
@pytest.mark.usefixtures("quick")
def test_a_library_that_is_not_here_is_told_with_its_command(monkeypatch, name):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda wanted, *rest: None if wanted == LOOKED_FOR[name] else real(wanted, *rest)
    )
    findings = by_name()
    missing = findings.pop(name)
    assert not missing.ok
    assert missing.found == "not installed"
    assert missing.mend.startswith("pip install ")
    assert missing.needed == (name not in OPTIONAL)
    assert all(finding.ok for finding in findings.values() if finding.needed)


@pytest.mark.parametrize("name", IMPORTED)
def test_a_library_that_cannot_be_imported_is_told_with_its_command(monkeypatch, name):
    look = {"torch": "_torch", "ultralytics": "_ultralytics", "OpenCV": "_opencv", "open3d": "_open3d"}[name]
    for other in LOOKS:
        if other != look:
            monkeypatch.setattr(doctor, other, lambda: "1.0")
    gone = IMPORTED[name]
    for module in [module for module in sys.modules if module.split(".")[0] == gone]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, gone, None)  # an import of it raises ModuleNotFoundError
    findings = by_name()
    missing = findings.pop(name)
    assert not missing.ok
    assert missing.needed
    assert "pip install" in missing.mend
    assert all(finding.ok for finding in findings.values() if finding.needed)


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (ModuleNotFoundError("cv2"), "not installed"),
        (ImportError("libGL.so.1: cannot open shared object file"), "does not load: libGL.so.1: cannot open"),
        (OSError("libcudart.so: file too short"), "libcudart.so: file too short"),
        (AttributeError("module 'numpy' has no attribute 'float'"), "does not load: module 'numpy'"),
        (RuntimeError("built against\n  another numpy"), "does not load: built against another numpy"),
        (ValueError(), "does not load: ValueError"),
        (MissingError("weights/: nothing there"), "weights/: nothing there"),
        (InputError("x" * 1000), "x" * 160),
    ],
)
@pytest.mark.usefixtures("quick")
def test_whatever_keeps_a_library_from_loading_is_said_in_one_line(monkeypatch, error, found):
    def fail():
        raise error

    monkeypatch.setattr(doctor, "_opencv", fail)
    finding = by_name()["OpenCV"]
    assert not finding.ok
    assert finding.found.startswith(found)
    assert "\n" not in finding.found
    assert len(finding.found) < 200


def test_an_interrupt_is_no_finding():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        doctor._try("torch", stop, "pip install torch")


def test_a_module_of_a_package_with_another_name_is_here(monkeypatch):
    def unknown(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", unknown)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: object())
    monkeypatch.setitem(sys.modules, "onnxruntime", types.SimpleNamespace(__version__="1.20.1"))  # onnxruntime-gpu
    monkeypatch.setitem(sys.modules, "bpy", types.SimpleNamespace())
    assert doctor._version("onnxruntime") == "1.20.1"
    assert doctor._version("bpy") == "here"


@pytest.mark.parametrize(
    ("cuda", "mps", "said"),
    [(True, False, "9.9, GPU H100"), (False, True, "9.9, Apple GPU"), (False, False, "9.9, CPU with 3 threads")],
)
def test_torch_says_what_it_computes_on(monkeypatch, cuda, mps, said):
    torch = types.SimpleNamespace(
        __version__="9.9",
        cuda=types.SimpleNamespace(is_available=lambda: cuda, get_device_name=lambda device: "H100"),
        backends=types.SimpleNamespace(mps=types.SimpleNamespace(is_available=lambda: mps)),
        get_num_threads=lambda: 3,
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert doctor._torch() == said


def test_the_weights_that_ship_are_read_with_their_classes(monkeypatch):
    assert "mitochondrion" in doctor._weights()

    def gone():
        raise MissingError("weights: the packaged detector is not there; reinstall famous")

    monkeypatch.setattr("famous.yolo.runtime.packaged_detector", gone)
    for look in LOOKS[:-1]:
        monkeypatch.setattr(doctor, look, lambda: "1.0")
    finding = by_name()["weights"]
    assert (finding.ok, finding.needed) == (False, True)
    assert "the packaged detector is not there" in finding.found


def test_start_weights_are_wanted_for_training_only(monkeypatch, tmp_path):
    monkeypatch.setattr("famous.yolo.train.find_weights", lambda params, folder: tmp_path / "start.pt")
    assert doctor._start() == Finding("start weights", True, str(tmp_path / "start.pt"), needed=False)

    def missing(params, folder):
        raise MissingError("no")

    monkeypatch.setattr("famous.yolo.train.find_weights", missing)
    finding = doctor._start()
    assert (finding.ok, finding.needed) == (False, False)
    assert "famous/weights, or give others with --start PATH" in finding.mend


@pytest.mark.usefixtures("quick")
def test_what_is_installed_from_the_checkout_is_told_so(monkeypatch):
    monkeypatch.chdir(install.PACKAGE.parent)
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "bpy" else real(name, *rest))
    assert by_name()["bpy (Blender)"].mend == "pip install '.[blender]'  (Python 3.11)"


@pytest.mark.parametrize("program", ["chromium", "google-chrome", None])
def test_a_browser_is_looked_for_by_its_names(monkeypatch, program):
    monkeypatch.setattr("shutil.which", lambda name: f"/opt/{name}" if name == program else None)
    finding = doctor._chromium()
    assert finding.ok == (program is not None)
    assert not finding.needed
    assert finding.found == (f"/opt/{program}" if program else "not on the PATH")


@pytest.mark.usefixtures("quick")
def test_an_old_python_is_told(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    monkeypatch.setattr(sys, "version", "3.10.4 (main)")
    assert by_name()["Python"] == Finding("Python", False, "3.10.4")


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (Finding("torch", True, "2.9"), "ok  torch          2.9"),
        (Finding("torch", False, "not installed", "pip install torch"), "no  torch          not installed\n    → pip"),
        (Finding("bpy", False, "not installed", "pip", needed=False), "–   bpy            not installed\n    → pip"),
    ],
)
def test_a_finding_is_a_line_and_its_mending_the_next(finding, text):
    assert str(finding).startswith(text)
    assert str(finding).count("\n") == bool(finding.mend)
    assert dataclasses.asdict(finding)["ok"] is finding.ok


@pytest.mark.usefixtures("quick")
def test_looking_writes_and_fetches_nothing(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    real = builtins.open

    def watched(file, mode="r", *rest, **options):
        assert not set(mode) & set("wax+"), file
        return real(file, mode, *rest, **options)

    monkeypatch.setattr(builtins, "open", watched)
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked the network"))
    examine()
    assert list(tmp_path.iterdir()) == []
