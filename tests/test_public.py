import subprocess
import sys

import pytest

import famous


def test_every_public_name_is_there_and_documented():
    assert len(famous.__all__) <= 20
    for name in famous.__all__:
        assert getattr(famous, name).__doc__


def test_every_stage_has_a_function():
    stages = ("run", "run_train", "run_detect", "run_extract", "run_link", "run_mesh", "run_measure", "export", "info")
    assert set(stages) <= set(famous.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'segment'"):
        famous.segment  # noqa: B018


def test_importing_famous_imports_nothing_heavy():
    heavy = ("torch", "ultralytics", "open3d", "cv2", "pandas", "zarr", "matplotlib")
    code = f"import sys, famous; sys.exit(any(name in sys.modules for name in {heavy!r}))"
    subprocess.run([sys.executable, "-c", code], check=True)
