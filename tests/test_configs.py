import subprocess
import sys
from pathlib import Path

import pytest

from famous.config import Config, read
from famous.extract import paper_recipe
from famous.points import OutlierParams

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_configuration_is_read(path):
    assert isinstance(read(path), Config)


def test_the_default_configuration_is_the_default():
    assert read(ROOT / "configs" / "default.yaml") == Config()


def test_the_default_configuration_is_up_to_date():
    tool = ROOT / "tools" / "make_default_config.py"
    subprocess.run([sys.executable, str(tool), "--check"], check=True)


def test_paper_mode_is_the_papers_method_in_every_stage():
    config = read(ROOT / "configs" / "paper-hela.yaml")
    assert config.train.channels == "gray"
    assert config.link.method == "centre"
    assert config.link.centre.layers == 50
    assert config.link.centre.tolerance == 0.2
    assert config.mesh.method == "shrinkwrap"
    for name in config.classes:
        assert config.recipe(name) == paper_recipe(name)


@pytest.mark.parametrize("name", ["paper-hela.yaml", "paper-yeast.yaml"])
def test_paper_mode_drops_the_outliers_of_each_class_as_open3d_does(name):
    config = read(ROOT / "configs" / name)
    assert config.classes
    assert all(entry.outliers == OutlierParams(neighbours=20, std_ratio=2.0) for entry in config.classes.values())
    assert all(config.mesh_of(name).shrinkwrap.outliers == OutlierParams() for name in config.classes)
    assert config.mesh.shrinkwrap.untangle_rounds == 0  # which the paper does not have
    assert config.mesh.shrinkwrap.outliers != OutlierParams()  # ours, for classes that nobody named
