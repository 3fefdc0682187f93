"""What holds for every format: byte-stable round trips, and no fault but a FamousError, whatever the bytes."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from famous import boxes
from famous.errors import FamousError
from famous.io.annotations import FORMATS, Annotations, files_of, read_boxes, write_boxes
from tests.test_io_annotations import SHAPE, labelling

TARGET = {"csv": "out", "yolo": "out", "yolo_mark": "out", "coco": "out.json", "cvat": "out.xml"}
FUZZED = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
CLASS_NAMES = st.one_of(
    st.sampled_from(["early endosome", "mito", "ER, smooth", 'a "b"', "x;y", "1", "null", "~", "<&>", "µ", "a: b"]),
    st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda name: name and name.isprintable() and not name.startswith("#")),
)


@st.composite
def stacks(draw):
    """A stack's shape, names of its slices or None, and a labelling of it."""
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 70_000), st.integers(1, 70_000)))
    classes = draw(st.lists(CLASS_NAMES, unique=True, max_size=4))
    rows = []
    for _ in range(draw(st.integers(0, 8)) if classes else 0):
        z = draw(st.integers(0, shape[0] - 1))
        y0, x0 = (draw(st.integers(0, length - 1)) for length in shape[1:])
        y1, x1 = draw(st.integers(y0 + 1, shape[1])), draw(st.integers(x0 + 1, shape[2]))
        score = draw(st.one_of(st.just(1.0), st.floats(0, 1, width=32)))
        rows.append((z, y0, x0, y1, x1, draw(st.sampled_from(classes)), score))
    columns = ["z", "y0", "x0", "y1", "x1", "class_name", "score"]
    table = boxes.from_columns({name: [row[i] for row in rows] for i, name in enumerate(columns)})
    done = draw(st.frozensets(st.integers(0, shape[0] - 1)))
    names = draw(st.sampled_from([None, "cell {:03d}.tif", "{}.scan.ome.tiff", "ä & <{}>.png"]))
    return shape, names and [names.format(100 + z) for z in range(shape[0])], Annotations(table, done, tuple(classes))


def content(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", FORMATS)
@given(stack=stacks())
@settings(max_examples=20, deadline=None)
def test_round_trips_are_exact_and_stable_to_the_byte(name, stack):
    shape, names, annotations = stack
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "first", Path(folder) / "second"
        first.mkdir()
        second.mkdir()
        write_boxes(first / TARGET[name], name, annotations, shape=shape, names=names)
        if not annotations.slices and name.startswith("yolo"):
            return  # nothing labelled gives no label file, which is no labelling to a reader
        back = read_boxes(first / TARGET[name], name, shape=shape, names=names)
        write_boxes(second / TARGET[name], name, back.annotations, shape=shape, names=names)
        assert content(first) == content(second)
        expected = annotations.boxes if name in ("csv", "coco") else annotations.boxes.assign(score=1.0)
        assert back.annotations.boxes.equals(boxes.number(expected.astype(boxes.COLUMNS)))
        assert back.annotations.done == annotations.done
        assert back.annotations.classes == annotations.classes
        assert not [note for note in back.notes if "rounded" in note or "clipped" in note]


@pytest.mark.parametrize("name", FORMATS)
def test_the_files_of_an_export_are_those_that_were_written(tmp_path, name):
    target = tmp_path / "new" / TARGET[name]
    assert files_of(target, name) == []
    write_boxes(target, name, labelling(), shape=SHAPE)
    assert {file.relative_to(target.parent).as_posix() for file in files_of(target, name)} == set(
        content(target.parent)
    )
    (tmp_path / "new" / "holiday.jpg").write_bytes(b"")
    assert not [file for file in files_of(target, name) if file.name == "holiday.jpg"]


@pytest.mark.parametrize("name", FORMATS)
def test_the_order_of_the_rows_does_not_matter(tmp_path, name):
    drawn = labelling()
    turned = drawn.boxes.iloc[::-1].reset_index(drop=True)
    write_boxes(tmp_path / "a" / TARGET[name], name, drawn, shape=SHAPE)
    write_boxes(tmp_path / "b" / TARGET[name], name, Annotations(turned, drawn.done, drawn.classes), shape=SHAPE)
    assert content(tmp_path / "a") == content(tmp_path / "b")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("other", FORMATS)
def test_every_format_carries_over_into_every_other(tmp_path, name, other):
    write_boxes(tmp_path / "a" / TARGET[name], name, labelling(), shape=SHAPE)
    there = read_boxes(tmp_path / "a" / TARGET[name], shape=SHAPE).annotations
    write_boxes(tmp_path / "b" / TARGET[other], other, there, shape=SHAPE)
    back = read_boxes(tmp_path / "b" / TARGET[other], shape=SHAPE).annotations
    assert back.boxes.equals(labelling().boxes)
    assert (back.done, back.classes) == (labelling().done, labelling().classes)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """One small export of every format: {format: {file: bytes}}."""
    found = {}
    for name, target in TARGET.items():
        folder = tmp_path_factory.mktemp(name)
        write_boxes(folder / target, name, labelling(), shape=SHAPE)
        found[name] = content(folder)
    return found


def read_files(name, files):
    """Read the files: the annotations are right or there is a FamousError; nothing else may happen."""
    with tempfile.TemporaryDirectory() as folder:
        for file, data in files.items():
            (Path(folder) / file).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / file).write_bytes(data)
        try:
            imported = read_boxes(Path(folder) / TARGET[name], name, shape=SHAPE)
        except FamousError:
            return
    boxes.validate(imported.annotations.boxes, SHAPE)
    assert imported.annotations.done <= set(range(SHAPE[0]))


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@FUZZED
def test_random_bytes(samples, name, data):
    file = data.draw(st.sampled_from(sorted(samples[name])))
    read_files(name, samples[name] | {file: data.draw(st.binary(max_size=200))})


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@FUZZED
def test_truncated_files(samples, name, data):
    file = data.draw(st.sampled_from(sorted(samples[name])))
    good = samples[name][file]
    read_files(name, samples[name] | {file: good[: data.draw(st.integers(0, len(good)))]})


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@FUZZED
def test_flipped_bits(samples, name, data):
    file = data.draw(st.sampled_from(sorted(key for key, good in samples[name].items() if good)))
    bad = bytearray(samples[name][file])
    for place in data.draw(st.lists(st.integers(0, 8 * len(bad) - 1), min_size=1, max_size=4)):
        bad[place // 8] ^= 1 << place % 8
    read_files(name, samples[name] | {file: bytes(bad)})


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@FUZZED
def test_odd_values_in_the_place_of_numbers(samples, name, data):
    file = data.draw(st.sampled_from(sorted(key for key, good in samples[name].items() if good)))
    parts = data.draw(st.sampled_from(list(_numbers(samples[name][file])) or [(0, 0)]))
    odd = st.sampled_from(
        [b"1e999", b"-1", b"nan", b"9" * 400, b"", b"0", b"99999999999999999999", b"1e-9", b"x", b"\0"]
    )
    good = samples[name][file]
    read_files(name, samples[name] | {file: good[: parts[0]] + data.draw(odd) + good[parts[1] :]})


def _numbers(text: bytes):
    start = None
    for i, byte in enumerate(text + b" "):
        if chr(byte) in "0123456789.":
            start = i if start is None else start
        elif start is not None:
            yield start, i
            start = None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data())
@FUZZED
def test_coco_of_any_json(data):
    entry = st.fixed_dictionaries(
        {},
        optional={
            key: st.one_of(st.integers(0, 3), JSON)
            for key in (
                "id",
                "image_id",
                "category_id",
                "file_name",
                "name",
                "width",
                "height",
                "score",
                "done",
                "bbox",
            )
        },
    )
    lists = {key: data.draw(st.lists(entry, max_size=3)) for key in ("images", "annotations", "categories")}
    for image in lists["images"]:
        image.setdefault("id", 1)
    for box in lists["annotations"]:
        box |= {"image_id": 1, "bbox": data.draw(st.lists(st.floats() | st.integers(0, 90), min_size=3, max_size=5))}
    read_files("coco", {"out.json": json.dumps(lists).encode()})
