"""Fixtures that every test may use."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from famous.cores import usable_cores
from tests.browser import browser, driver, page  # noqa: F401

if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # tests that run beside others have their share of the cores, not all
    os.environ["OMP_NUM_THREADS"] = str(max(1, usable_cores() // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])))

#: Files are handed out whole: those that take longest go first, so that no worker is left with one in the end.
LONGEST = (
    "annotate_page",
    "pipeline",
    "yolo_train",
    "yolo_resume",
    "pipeline_export",
    "report_comparison_page",
    "pipeline_referee",
    "surface_shrinkwrap",
    "cli_surfaces",
    "synthetic",
    "cli_stages",
    "pipeline_steps",
    "tools_train_detector",
)

hypothesis.settings.register_profile("unhurried", deadline=None)  # a test never fails because a machine was slow
hypothesis.settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; within a file all stays as it is."""
    order = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(scope="module", autouse=True)
def _old_objects_left_alone() -> None:
    """Look for garbage no more among what is there before a file's tests: that took a tenth of all their time."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real labelled stacks beside the checkout; tests that need it skip where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real stacks is not here")
    return folder


@pytest.fixture(scope="session")
def oracle() -> Any:
    """The detector that knows the truth about the cell of `tests/cells.py`."""
    from tests.cells import Oracle

    return Oracle()


@pytest.fixture
def know_all(monkeypatch: pytest.MonkeyPatch, oracle: Any) -> Iterator[None]:
    """Let the pipeline detect with the oracle."""
    from famous.pipeline.detect import open_detector
    from tests.cells import know

    know(monkeypatch, oracle)
    yield
    open_detector.cache_clear()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, oracle: Any) -> Any:
    """Make the project of a finished run, which tests must not change."""
    from famous.pipeline.detect import open_detector
    from famous.pipeline.project import open_project
    from famous.pipeline.run import run
    from tests.cells import know, write_cell

    project = open_project(str(write_cell(tmp_path_factory.mktemp("finished"))))
    with pytest.MonkeyPatch.context() as patch:
        know(patch, oracle)
        run(project)
    open_detector.cache_clear()
    return project


@pytest.fixture
def done(finished: Any, tmp_path: Path) -> Any:
    """Copy a finished run, to be changed."""
    from famous.pipeline.project import open_project

    for entry in finished.folder.parent.iterdir():
        (shutil.copytree if entry.is_dir() else shutil.copy2)(entry, tmp_path / entry.name)
    return open_project(str(tmp_path / "cell.tif"))
