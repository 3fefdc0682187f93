"""What each stage was made from: fingerprints, records on disk, and what a kill or a bad file leaves of them."""

import dataclasses
import json
import os
from importlib.metadata import PackageNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

import famous
from famous.errors import InputError
from famous.pipeline import manifest
from famous.pipeline.manifest import ORDER, Record, file_hash, fingerprint, read, recording, write

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
KNOBS = st.dictionaries(st.text(max_size=5), SCALARS, max_size=4)


def note(path, *stages):
    """Note stages as finished, one after another."""
    for stage in stages:
        with recording(path, stage, {"knob": 1}, {"above": "x"}):
            pass


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run ü" / "manifest.json"


# ---- fingerprints ----


def test_a_fingerprint_is_the_same_wherever_and_whenever_it_is_taken():
    text = json.dumps(["link", {"a": 1, "b": [2.5]}, {"x": "y"}, famous.__version__])
    import hashlib

    assert fingerprint("link", {"b": [2.5], "a": 1}, {"x": "y"}) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [("mesh", {"a": 1}, {"x": "y"}), ("link", {"a": 2}, {"x": "y"}), ("link", {"a": 1}, {"x": "z"}), ("link", {}, {})],
)
def test_whatever_decides_over_the_output_changes_the_fingerprint(other):
    assert fingerprint(*other) != fingerprint("link", {"a": 1}, {"x": "y"})


def test_another_version_of_famous_changes_the_fingerprint(monkeypatch):
    before = fingerprint("link", {}, {})
    monkeypatch.setattr(famous, "__version__", "99")
    assert fingerprint("link", {}, {}) != before


def test_a_knob_and_an_input_of_one_name_are_not_mixed_up():
    assert fingerprint("link", {"a": "1"}, {}) != fingerprint("link", {}, {"a": "1"})


@given(KNOBS, st.randoms())
def test_the_order_of_the_knobs_does_not_count(knobs, chance):
    shuffled = list(knobs.items())
    chance.shuffle(shuffled)
    assert fingerprint("mesh", dict(shuffled), {}) == fingerprint("mesh", knobs, {})


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    file = tmp_path / "a b.bin"
    file.write_bytes(b"")
    assert file_hash(file) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    file.write_bytes(b"abc")
    assert file_hash(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# ---- records ----


def test_no_file_is_no_stage(path):
    assert read(path) == {}


def test_records_come_back_as_they_were(path):
    records = {"detect": Record("ab" * 32, {"ü": [1, None]}, {"stack": "x"}, {"numpy": "2"}, 1.5, 20.25)}
    write(path, records)
    assert read(path) == records
    assert json.loads(path.read_text())["famous"] == famous.__version__
    assert [entry.name for entry in path.parent.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "3",
        '{"stages"',
        "{}",
        '{"stages": null}',
        '{"stages": {"detect": null}}',
        '{"stages": {"detect": {"fingerprint": "a"}}}',
        '{"stages": {"detect": {"fingerprint": 1, "parameters": {}, "inputs": {}}}}',
        '{"stages": {"detect": {"fingerprint": "a", "parameters": [], "inputs": {}}}}',
        '{"stages": {"detect": {"fingerprint": "a", "parameters": {}, "inputs": null}}}',
        '{"stages": {"detect": {"fingerprint": "a", "parameters": {}, "inputs": {}, "seconds": "long"}}}',
        '{"stages": {"detect": {"fingerprint": "a", "parameters": {}, "inputs": {}, "peak_memory_mb": null}}}',
        '{"stages": {"detect": {"fingerprint": "a", "parameters": {}, "inputs": {}, "versions": 7}}}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:60],
)
def test_what_is_no_manifest_is_named_with_the_way_out(tmp_path, text):
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json: not a manifest .*remove it and the stages are made again"):
        read(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00" * 50, b'{"stages": {"d\xe9tect": {}}}'])
def test_bytes_that_are_no_text_are_named(tmp_path, content):
    path = tmp_path / "manifest.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a manifest"):
        read(path)


def test_a_manifest_that_was_cut_off_is_never_read_as_another(tmp_path):
    path = tmp_path / "manifest.json"
    write(path, {"detect": Record("a", {"ü": 1}, {"b": "c"}, {"d": "e"}, 1.0, 2.0)})
    content = path.read_bytes().rstrip()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="not a manifest"):
            read(path)


# ---- recording ----


def test_a_stage_is_noted_when_its_block_has_ended(path):
    with recording(path, "detect", {"size": (1, 2)}, {"stack": "s"}):
        assert read(path) == {}
    record = read(path)["detect"]
    assert record.fingerprint == fingerprint("detect", {"size": (1, 2)}, {"stack": "s"})
    assert record.parameters == {"size": [1, 2]}
    assert record.inputs == {"stack": "s"}
    assert record.seconds >= 0
    assert record.peak_memory_mb > 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_stage_that_fails_is_not_noted(path, error):
    note(path, "detect", "extract", "link")
    with pytest.raises(error), recording(path, "extract", {}, {}):
        raise error
    assert set(read(path)) == {"detect"}


@pytest.mark.parametrize("stage", ORDER)
def test_a_stage_undoes_those_after_it_before_it_begins(path, stage):
    note(path, *ORDER)
    with recording(path, stage, {}, {}):
        assert tuple(read(path)) == ORDER[: ORDER.index(stage)]
    assert tuple(read(path)) == ORDER[: ORDER.index(stage) + 1]


def test_stages_before_it_keep_their_record(path):
    note(path, "detect")
    before = read(path)["detect"]
    note(path, "extract")
    assert read(path)["detect"] == before


def test_nothing_is_written_where_nothing_is_undone(path):
    note(path, "detect")
    os.utime(path, ns=(1, 1))
    with recording(path, "extract", {}, {}):
        assert path.stat().st_mtime_ns == 1


def test_a_broken_manifest_stops_before_the_work(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text("{")
    with pytest.raises(InputError, match="not a manifest"), recording(path, "detect", {}, {}):
        pytest.fail("the work began")
    assert path.read_text() == "{"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "file" / "manifest.json", {})


@pytest.fixture
def forgetful():
    """The versions are looked up anew, now and in the next test."""
    manifest._version.cache_clear()
    yield
    manifest._version.cache_clear()


@pytest.mark.usefixtures("forgetful")
def test_versions_are_those_of_the_libraries_that_are_here_looked_up_once(path, monkeypatch):
    asked = []

    def version(name):
        asked.append(name)
        if name == "openvino":
            raise PackageNotFoundError(name)
        return f"{name} 1"

    monkeypatch.setattr(manifest, "version", version)
    note(path, "detect", "extract")
    assert sorted(asked) == sorted(manifest.LIBRARIES)
    versions = read(path)["extract"].versions
    assert versions["famous"] == famous.__version__
    assert versions["numpy"] == "numpy 1"
    assert "python" in versions
    assert "openvino" not in versions


def test_a_record_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Record("a", {}, {}).fingerprint = "b"


def test_peak_memory_never_falls():
    before = manifest.peak_memory_mb()
    block = bytearray(60 * 2**20)
    after = manifest.peak_memory_mb()
    del block
    assert after >= before > 1
    assert manifest.peak_memory_mb() >= after
