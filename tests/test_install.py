"""The lines that install more: from a checkout, from one that the package was copied from, and from an index."""

import json
import sys
import types
from importlib import metadata

import pytest

from famous import install, parallel
from famous.errors import MissingError
from famous.install import checkout, install_line, mend_line


def lies_in(monkeypatch, folder, url=None):
    """Let the package lie in a folder, installed from a URL."""
    (folder / "famous").mkdir(parents=True)
    monkeypatch.setattr(install, "PACKAGE", folder / "famous")
    told = None if url is None else json.dumps({"url": url})
    monkeypatch.setattr(metadata, "distribution", lambda name: types.SimpleNamespace(read_text=lambda file: told))


def source(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").touch()
    return folder


def test_in_a_checkout_it_is_the_folder_where_one_stands(monkeypatch, tmp_path):
    lies_in(monkeypatch, source(tmp_path / "my code"))
    monkeypatch.chdir(tmp_path / "my code")
    assert install_line("blender") == "pip install '.[blender]'"
    assert mend_line("weights") == "take famous/weights from the source archive again"
    (tmp_path / "my code" / ".git").mkdir()
    assert mend_line("weights") == "git -C '.' checkout -- famous/weights"


def test_from_elsewhere_the_checkout_is_named(monkeypatch, tmp_path):
    lies_in(monkeypatch, source(tmp_path / "my code"))
    monkeypatch.chdir(tmp_path)
    assert install_line("view") == f"pip install '{tmp_path}/my code[view]'"


def test_a_copy_is_installed_from_the_checkout_that_it_came_from(monkeypatch, tmp_path):
    code = source(tmp_path / "my code")
    lies_in(monkeypatch, tmp_path / "site-packages", code.as_uri())
    monkeypatch.chdir(tmp_path)
    assert checkout() == code
    assert install_line("view") == f"pip install '{code}[view]'"
    assert mend_line("weights") == f"pip install --force-reinstall --no-deps '{code}'"


@pytest.mark.parametrize("url", [None, "https://example.org/famous.whl", "file:///gone/away"])
def test_without_a_checkout_it_is_the_package(monkeypatch, tmp_path, url):
    lies_in(monkeypatch, tmp_path / "site-packages", url)
    assert checkout() is None
    assert install_line("blender") == "pip install 'famous[blender]'"
    assert mend_line("weights") == "pip install --force-reinstall --no-deps 'famous'"


def test_a_package_that_is_not_installed_has_no_checkout(monkeypatch, tmp_path):
    lies_in(monkeypatch, tmp_path / "somewhere")

    def lost(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", lost)
    assert checkout() is None


def test_every_place_that_wants_an_extra_says_this_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(MissingError, match=r"pip install '.*\[cluster\]'$") as told,
        parallel._dask_executor("tcp://here:1"),
    ):
        pass
    assert install_line("cluster") in str(told.value)
