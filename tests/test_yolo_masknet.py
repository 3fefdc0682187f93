"""The door to the shipped box → mask network, tried on tiny networks that answer one of their planes."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import famous.yolo.masknet as door
from famous.errors import InputError, MissingError
from famous.extract import EllipseParams, MaskNetExtractor, MaskNetParams, OtsuParams
from famous.extract.crops import SIDE_PX, frame, prompt, sample, to_planes
from famous.extract.ellipse import EllipseExtractor
from famous.extract.masknet import BOX_ERROR, LEARNT_BOX_ERROR
from famous.extract.otsu import OtsuExtractor
from famous.voxels import VoxelSize
from famous.yolo.card import Card, digest
from famous.yolo.card import write_card as write_model_card
from famous.yolo.masknet import (
    CARD_NAME,
    FILE_NAME,
    PLANES,
    check_masknet,
    masknet_digest,
    open_extractor,
    open_masknet,
    packaged_masknet,
)

RUNTIMES = ["onnx", "openvino"]
SHIPPED = Path(door.__file__).resolve().parents[1] / "weights"


def write_network(file, *, planes=PLANES, nodes=None, answer=("n", SIDE_PX, SIDE_PX), kind=TensorProto.FLOAT):
    """Write a network that answers the plane that tells the inside of the box, or what `nodes` make of the planes."""
    given_ = helper.make_tensor_value_info("planes", kind, ["n", planes, SIDE_PX, SIDE_PX])
    made = helper.make_tensor_value_info("probability", kind, list(answer))
    which = helper.make_tensor("which", TensorProto.INT64, [], [3])
    nodes = nodes or [helper.make_node("Gather", ["planes", "which"], ["probability"], axis=1)]
    graph = helper.make_graph(nodes, "masknet", [given_], [made], [which])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def write_convolution(file):
    """Write a network with arithmetic of its own: a convolution of all planes, a sigmoid, one plane of the result."""
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 0.3, (4, PLANES, 3, 3)).astype(np.float32)
    constants = [
        helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.ravel()),
        helper.make_tensor("first", TensorProto.INT64, [], [0]),
    ]
    nodes = [
        helper.make_node("Conv", ["planes", "weights"], ["raw"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["raw"], ["likely"]),
        helper.make_node("Gather", ["likely", "first"], ["probability"], axis=1),
    ]
    given_ = helper.make_tensor_value_info("planes", TensorProto.FLOAT, ["n", PLANES, SIDE_PX, SIDE_PX])
    made = helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", SIDE_PX, SIDE_PX])
    graph = helper.make_graph(nodes, "convolution", [given_], [made], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def write_card(folder, stated):
    (folder / CARD_NAME).write_text(json.dumps({"what": "a test", "sha256": stated}), encoding="utf-8")


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("inside") / FILE_NAME)


@pytest.fixture(scope="module")
def convolution(tmp_path_factory):
    return write_convolution(tmp_path_factory.mktemp("convolution") / FILE_NAME)


@pytest.fixture
def folder(tmp_path):
    """A folder as it ships: a network and its card."""
    write_card(tmp_path, {FILE_NAME: digest(write_network(tmp_path / FILE_NAME))})
    return tmp_path


def noise(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, PLANES, SIDE_PX, SIDE_PX)).astype(np.float32)


# What it answers


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_network_answers_one_plane_a_crop(inside, runtime, count):
    planes = noise(count)
    answer = open_masknet(inside, runtime)(planes)
    assert answer.dtype == np.float32
    assert np.array_equal(answer, planes[:, 3])


def test_both_runtimes_agree(convolution):
    planes = noise(5)
    one, two = (open_masknet(convolution, runtime)(planes) for runtime in RUNTIMES)
    assert one.std() > 0.1
    assert np.abs(one - two).max() < 0.02  # one of them computes in bfloat16 where the processor does


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_batch_gives_what_its_crops_give_alone(convolution, runtime):
    network, planes = open_masknet(convolution, runtime), noise(7)
    together = network(planes)
    for number in range(7):
        assert np.abs(network(planes[number : number + 1])[0] - together[number]).max() < 1e-5


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_mirrored_views_are_taken_as_they_look(convolution, runtime):
    network, planes = open_masknet(convolution, runtime), noise(2)
    view = planes[:, :, ::-1, ::-1]
    assert np.array_equal(network(view), network(view.copy()))
    assert not np.allclose(network(view), network(planes), atol=0.01)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_answer_is_not_overwritten_by_the_next(convolution, runtime):
    network = open_masknet(convolution, runtime)
    first = network(noise(2))
    kept = first.copy()
    network(noise(2, seed=1))
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_threads_that_ask_at_once_get_what_one_gets(convolution, runtime):
    network = open_masknet(convolution, runtime)
    asked = [noise(1 + seed % 3, seed=seed) for seed in range(24)]
    alone = [network(planes) for planes in asked]
    together = threading.Barrier(4)

    def ask(part):
        together.wait(timeout=60)
        return [network(planes) for planes in asked[part::4]]

    with ThreadPoolExecutor(4) as pool:
        for part, answers in enumerate(pool.map(ask, range(4))):
            for answer, expected in zip(answers, alone[part::4], strict=True):
                assert np.abs(answer - expected).max() < 1e-6


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("threads", ["1", "0", "many", ""])
def test_the_number_of_threads_changes_nothing(convolution, runtime, threads, monkeypatch):
    planes = noise(2)
    expected = open_masknet(convolution, runtime)(planes)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert np.abs(open_masknet(convolution, runtime)(planes) - expected).max() < 1e-5


def test_the_usual_runtime_is_the_one_that_detectors_use(inside, monkeypatch):
    for name, kind in (("openvino", door.OpenVinoMaskNet), ("onnx", door.OnnxMaskNet)):
        monkeypatch.setattr(door, "cpu_runtime", lambda name=name: name)
        assert type(open_masknet(inside)) is kind


# What is refused


def test_a_folder_as_it_ships_is_accepted(folder):
    assert check_masknet(folder) == folder / FILE_NAME


def test_a_missing_network_is_named(tmp_path):
    with pytest.raises(MissingError, match=f"{FILE_NAME}: the box → mask network is not there; reinstall"):
        check_masknet(tmp_path)


def test_a_missing_card_is_named(folder):
    (folder / CARD_NAME).unlink()
    with pytest.raises(MissingError, match=f"{CARD_NAME}: the card .* is not there"):
        check_masknet(folder)


def test_another_file_than_the_card_describes_is_refused(folder):
    write_card(folder, {FILE_NAME: "0" * 64})
    with pytest.raises(InputError, match=f"found SHA-256 {digest(folder / FILE_NAME)[:12]}…, expected 000000000000…"):
        check_masknet(folder)


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_bit_is_noticed(folder, place, bit):
    file = write_network(folder / FILE_NAME)
    data = bytearray(file.read_bytes())
    data[place % len(data)] ^= 1 << bit
    file.write_bytes(bytes(data))
    with pytest.raises(InputError, match="SHA-256"):
        check_masknet(folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        "{}",
        '{"sha256": null}',
        '{"sha256": []}',
        '{"sha256": "ab"}',
        '{"sha256": {}}',
        f'{{"sha256": {{"{FILE_NAME}": 5}}}}',
        f'{{"sha256": {{"{FILE_NAME}": null}}}}',
        '{"sha256": {"another.onnx": "ab"}}',
    ],
)
def test_a_broken_card_is_named(folder, text):
    (folder / CARD_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rf"{CARD_NAME}: found .*, expected"):
        check_masknet(folder)


@given(data=st.binary(max_size=40))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_card_of_any_bytes_is_named(folder, data):
    (folder / CARD_NAME).write_bytes(data)
    with pytest.raises(InputError, match=CARD_NAME):
        check_masknet(folder)


@given(share=st.floats(0, 1, exclude_max=True), runtime=st.sampled_from(RUNTIMES))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_network_that_was_cut_off_is_refused(inside, tmp_path, share, runtime):
    data = inside.read_bytes()
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"broken\.onnx: found no network"):
        open_masknet(broken, runtime)


@given(data=st.binary(max_size=60), runtime=st.sampled_from(RUNTIMES))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_is_no_network(tmp_path, data, runtime):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(data)
    with pytest.raises(InputError, match=r"broken\.onnx: found no network"):
        open_masknet(broken, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_text_that_is_not_utf8_is_refused_in_silence(inside, tmp_path, runtime, capsys):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(inside.read_bytes().replace(b"which", b"whic\xf2", 1))
    with pytest.raises(InputError, match=r"broken\.onnx: found no network"):
        open_masknet(broken, runtime)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_file_that_is_not_there_is_refused(tmp_path, runtime):
    with pytest.raises(InputError, match=r"nowhere\.onnx: found no network"):
        open_masknet(tmp_path / "nowhere.onnx", runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_network_for_other_crops_is_refused(tmp_path, runtime):
    file = write_network(tmp_path / "other.onnx", planes=4)
    with pytest.raises(InputError, match=r"other\.onnx: found (a|no) network"):
        open_masknet(file, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_network_that_answers_something_else_is_refused(tmp_path, runtime):
    nodes = [helper.make_node("Identity", ["planes"], ["probability"])]
    file = write_network(tmp_path / "other.onnx", nodes=nodes, answer=("n", PLANES, SIDE_PX, SIDE_PX))
    with pytest.raises(InputError, match=r"answers \(2, 5, 64, 64\) float32 to two crops, expected \(2, 64, 64\)"):
        open_masknet(file, runtime)


def test_a_network_of_other_numbers_is_refused(tmp_path):
    file = write_network(tmp_path / "other.onnx", kind=TensorProto.DOUBLE)
    with pytest.raises(InputError, match=r"other\.onnx: found no network"):
        open_masknet(file, "onnx")


# The extractor


@pytest.mark.parametrize(("params", "kind"), [(OtsuParams(), OtsuExtractor), (EllipseParams(), EllipseExtractor)])
def test_other_recipes_open_no_network(params, kind, monkeypatch):
    monkeypatch.setattr(door, "packaged_masknet", lambda: pytest.fail("opened"))
    assert open_extractor(params) == kind(params)


@pytest.fixture
def shipped_elsewhere(folder, monkeypatch):
    """Ship another network: `folder` in place of the package's own."""
    package = folder / "package" / "yolo"
    package.mkdir(parents=True)
    weights = folder / "package" / "weights"
    weights.mkdir()
    for name in (FILE_NAME, CARD_NAME):
        (folder / name).rename(weights / name)
    monkeypatch.setattr(door, "__file__", str(package / "masknet.py"))
    packaged_masknet.cache_clear()
    yield weights
    packaged_masknet.cache_clear()


def test_masknet_gets_the_network_that_ships(shipped_elsewhere):
    params = MaskNetParams(reach=0)
    extractor = open_extractor(params)
    assert isinstance(extractor, MaskNetExtractor)
    assert extractor.params == params
    slab = np.zeros((60, 60, 3), dtype=np.uint8)
    (mask,) = extractor(slab, np.array([[10, 10, 40, 50]], dtype=np.int32), VoxelSize(5, 5, 5))
    assert mask.shape == (30, 40)
    assert mask[1:-1, 1:-1].all()  # it answers the inside of the box
    crop = sample(slab, frame(np.array([10, 10, 40, 50])))
    assert np.array_equal(extractor.network(to_planes(crop[None]))[0], prompt()[0])


def test_it_is_opened_once(shipped_elsewhere):
    first = packaged_masknet()
    (shipped_elsewhere / FILE_NAME).unlink()
    assert packaged_masknet() is first
    assert open_extractor(MaskNetParams()).network is first


def test_without_it_the_recipe_says_so_and_later_finds_it(shipped_elsewhere):
    file = shipped_elsewhere / FILE_NAME
    data = file.read_bytes()
    file.unlink()
    with pytest.raises(MissingError, match="reinstall famous"):
        open_extractor(MaskNetParams())
    file.write_bytes(data)
    assert open_extractor(MaskNetParams()).network is packaged_masknet()


def test_its_digest_is_the_one_of_its_card(shipped_elsewhere):
    assert masknet_digest() == digest(shipped_elsewhere / FILE_NAME)
    (shipped_elsewhere / CARD_NAME).unlink()
    with pytest.raises(MissingError, match="card"):
        masknet_digest()


# The network that learnt a stack


@pytest.fixture
def taught(tmp_path, convolution):
    """A model folder whose training taught the network, too."""
    shutil.copyfile(convolution, tmp_path / FILE_NAME)
    write_model_card(tmp_path, Card(("a",), 3, 8.0, 0.7, sha256={FILE_NAME: digest(convolution)}))
    return tmp_path


def test_the_network_that_learnt_the_stack_comes_first(taught, convolution):
    planes = noise(2)
    network = open_extractor(MaskNetParams(), taught).network
    assert np.array_equal(network(planes), open_masknet(convolution)(planes))
    assert open_extractor(MaskNetParams(), taught).network is network
    assert open_extractor(MaskNetParams(), taught).usual_error == LEARNT_BOX_ERROR > BOX_ERROR
    assert open_extractor(MaskNetParams()).usual_error == BOX_ERROR
    assert masknet_digest(taught) == digest(convolution)


def test_another_training_is_opened_anew(taught, inside):
    before = open_extractor(MaskNetParams(), taught).network
    shutil.copyfile(inside, taught / FILE_NAME)
    with pytest.raises(InputError, match=r"masknet\.onnx: found SHA-256 .* expected"):
        open_extractor(MaskNetParams(), taught)
    write_model_card(taught, Card(("a",), 3, 8.0, 0.7, sha256={FILE_NAME: digest(inside)}))
    after = open_extractor(MaskNetParams(), taught).network
    assert after is not before
    assert np.array_equal(after(noise(1)), open_masknet(inside)(noise(1)))


@pytest.mark.parametrize("folder", ["none", "empty", "detector alone"])
def test_without_one_the_network_that_ships_is_asked(folder, tmp_path):
    if folder == "detector alone":
        write_model_card(tmp_path, Card(("a",), 3, 8.0, 0.7, sha256={"best.onnx": "0"}))
    model = None if folder == "none" else tmp_path
    assert open_extractor(MaskNetParams(), model).network is packaged_masknet()
    assert masknet_digest(model) == masknet_digest()


# The network that ships


@pytest.fixture
def shipped():
    file = SHIPPED / FILE_NAME
    if not file.exists():
        pytest.skip("the network is not there yet")
    return file


def test_the_shipped_network_is_the_one_of_its_card(shipped):
    assert digest(shipped) == masknet_digest()
    assert check_masknet(SHIPPED) == shipped


def test_the_shipped_network_is_small_and_says_what_it_learnt_from(shipped):
    assert shipped.stat().st_size <= 4 * 1024 * 1024
    card = json.loads((SHIPPED / CARD_NAME).read_text(encoding="utf-8"))
    assert {"what", "data", "terms", "limits", "sha256"} <= set(card)
    for source in card["data"].values():
        assert source["terms"]


def test_both_runtimes_agree_on_the_shipped_network(shipped):
    y, x = np.mgrid[:200, :200]
    disc = np.hypot(y - 100, x - 100) < 40
    image = np.where(disc, 90, 170) + np.random.default_rng(0).normal(0, 10, disc.shape)
    slab = np.repeat(image.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
    boxes = np.array([[60, 60, 141, 141], [50, 60, 141, 150], [0, 0, 30, 40]])
    planes = to_planes(np.stack([sample(slab, frame(box)) for box in boxes]))
    one, two = (open_masknet(shipped, runtime)(planes) for runtime in RUNTIMES)
    assert np.abs(one - two).max() < 0.02  # one of them computes in bfloat16 where the processor does
    assert ((one > 0.5) != (two > 0.5)).mean() < 0.002
    assert one.min() >= 0
    assert one.max() <= 1
    extractor = MaskNetExtractor(open_masknet(shipped), MaskNetParams(reach=0))
    (mask,) = extractor(slab, boxes[:1].astype(np.int32), VoxelSize(5, 5, 5))
    truth = disc[60:141, 60:141]
    assert (mask & truth).sum() / (mask | truth).sum() > 0.85
