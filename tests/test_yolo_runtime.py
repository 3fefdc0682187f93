"""One small random network behind every runtime: the same tiles must give the same boxes."""

import dataclasses
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.boxes import iou
from famous.errors import ConfigError, InputError, MissingError
from famous.yolo.card import Card, digest, read_card, write_card
from famous.yolo.network import export_onnx, load_network
from famous.yolo.runtime import (
    GREY,
    MAX_BOXES,
    SCORE_FLOOR,
    YoloDetector,
    _choose,
    cpu_runtime,
    decode,
    load_detector,
    suppress,
    to_input,
)
from tests.test_yolo_network import random_model

CARD = Card(class_names=("a", "b"), channels=3, pixel_nm=8.0, nms_iou=0.7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model folder as training leaves it, with both kinds of weights."""
    import torch

    folder = tmp_path_factory.mktemp("model")
    model = random_model()
    torch.save({"model": model, "train_args": {}}, folder / "best.pt")
    network, _ = load_network(folder / "best.pt")
    export_onnx(network, folder / "best.onnx")
    names = ("best.pt", "best.onnx")
    write_card(folder, dataclasses.replace(CARD, sha256={name: digest(folder / name) for name in names}))
    return folder


def noise(n: int = 2, height: int = 96, width: int = 128) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, 3)).astype(np.uint8)


def test_runtimes_agree(folder):
    torch, onnx, openvino = (
        load_detector(folder, device="cpu", runtime=name) for name in ("torch", "onnx", "openvino")
    )
    for shape in ((96, 128), (70, 33)):
        images = noise(2, *shape)
        planes = to_input(images)
        raw = torch.infer(planes)
        assert raw[:, :, 4:].max() > 0.3
        assert raw[:, :, 4:].std() > 0.02
        for other in (onnx, openvino):
            theirs = other.infer(planes)
            assert raw.shape == theirs.shape
            apart = np.abs(raw - theirs)  # torch holds its weights in 32 bits, and nothing amplifies like random ones
            assert np.quantile(apart[:, :, :4], 0.9) < 1
            assert np.quantile(apart[:, :, 4:], 0.9) < 0.02
        for one, two in zip(onnx(images), openvino(images), strict=True):
            best = one[one[:, 4] > 0.3]
            assert iou(best[:, :4], two[:, :4]).max(axis=1, initial=0).min(initial=1) > 0.9
        assert np.abs(onnx.infer(planes) - openvino.infer(planes))[:, :, 4:].max() < 0.01


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_a_batch_gives_what_its_images_give_alone(folder, runtime):
    detector = load_detector(folder, device="cpu", runtime=runtime)
    images = noise(3)
    together = detector(images)
    for i in range(3):
        alone = detector(images[i : i + 1])[0]
        assert alone.shape == together[i].shape
        assert np.allclose(alone, together[i], atol=1e-2)


def test_a_loaded_detector_keeps_the_contract(folder):
    detector = load_detector(folder)
    assert (detector.class_names, detector.channels, detector.pixel_nm) == (("a", "b"), 3, 8.0)
    for result in detector(noise()):
        assert result.dtype == np.float32
        assert result.shape[1] == 6
        assert (result[:, :2] >= 0).all()
        assert (result[:, 2] <= 96).all()
        assert (result[:, 3] <= 128).all()
        assert (result[:, 4] >= SCORE_FLOOR).all()
        assert (np.diff(result[:, 4]) <= 0).all()
        assert set(result[:, 5]) <= {0.0, 1.0}


@pytest.mark.parametrize("name", ["", "best.onnx", "best.pt"])
def test_a_folder_or_a_file_in_it_can_be_named(folder, name):
    assert load_detector(folder / name).class_names == ("a", "b")


def test_no_images_give_no_boxes(folder):
    detector = load_detector(folder, device="cpu", runtime="onnx")
    assert detector(np.zeros((0, 64, 64, 3), dtype=np.uint8)) == []
    assert detector(np.zeros((1, 0, 64, 3), dtype=np.uint8))[0].shape == (0, 6)


def test_wrong_channels_are_named(folder):
    detector = load_detector(folder, device="cpu", runtime="onnx")
    with pytest.raises(InputError, match=r"\(1, 64, 64, 1\).*\(n, h, w, 3\)"):
        detector(np.zeros((1, 64, 64, 1), dtype=np.uint8))


def test_missing_and_foreign_weights_are_named(folder, tmp_path):
    with pytest.raises(MissingError, match="famous train"):
        load_detector(tmp_path)
    write_card(tmp_path, dataclasses.replace(CARD, sha256={"best.onnx": "0" * 64}))
    with pytest.raises(MissingError, match=r"best\.onnx"):
        load_detector(tmp_path)
    (tmp_path / "best.onnx").write_bytes((folder / "best.onnx").read_bytes())
    with pytest.raises(InputError, match="same training"):
        load_detector(tmp_path)
    with pytest.raises(ConfigError, match="tensorrt"):
        load_detector(folder, runtime="tensorrt")


def test_a_file_that_is_no_network_is_named(tmp_path):
    for name in ("best.pt", "best.onnx"):
        (tmp_path / name).write_bytes(b"not a network")
    write_card(tmp_path, dataclasses.replace(CARD, sha256={n: digest(tmp_path / n) for n in ("best.pt", "best.onnx")}))
    for runtime in ("torch", "onnx", "openvino"):
        with pytest.raises(InputError, match="best"):
            load_detector(tmp_path, device="cpu", runtime=runtime)


def test_planes_keep_the_order_of_the_channels():
    images = np.zeros((1, 40, 50, 3), dtype=np.uint8) + np.array([10, 20, 30], dtype=np.uint8)
    planes = to_input(images)
    assert planes.shape == (1, 3, 64, 64)
    for channel, grey in enumerate((10, 20, 30)):
        assert np.allclose(planes[0, channel, :40, :50], grey / 255)
        assert np.allclose(planes[0, channel, 40:], GREY / 255)
        assert np.allclose(planes[0, channel, :, 50:], GREY / 255)


def test_one_channel_is_repeated():
    planes = to_input(np.full((1, 32, 32, 1), 51, dtype=np.uint8))
    assert np.allclose(planes, 0.2)


def candidates(rows: list[tuple[float, ...]]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_decoding_swaps_axes_clips_and_sorts():
    raw = candidates([(10, 20, 30, 60, 0.4, 0.0), (-5, 2, 200, 8, 0.0, 0.9), (1, 1, 5, 5, 0.001, 0.002)])
    boxes = decode(raw, (50, 100), nms_iou=0.7)
    assert boxes.tolist() == [pytest.approx([2, 0, 8, 100, 0.9, 1]), pytest.approx([20, 10, 50, 30, 0.4, 0])]


def test_a_box_beyond_the_image_has_no_extent_and_goes():
    assert decode(candidates([(110, 2, 120, 8, 0.9)]), (50, 100), nms_iou=0.7).shape == (0, 6)


def test_with_suppression_an_anchor_has_one_class_and_without_all():
    raw = candidates([(10, 10, 20, 20, 0.5, 0.6)])
    assert decode(raw, (50, 50), nms_iou=0.7)[:, 5].tolist() == [1]
    assert decode(raw, (50, 50), nms_iou=0.0)[:, 5].tolist() == [1, 0]


def test_suppression_is_per_class_and_keeps_the_best():
    boxes = candidates(
        [(0, 0, 10, 10, 0.9, 0), (0, 1, 10, 11, 0.8, 0), (0, 1, 10, 11, 0.7, 1), (0, 30, 10, 40, 0.6, 0)]
    )
    assert suppress(boxes, 0.7)[:, 4].tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert len(suppress(boxes, 0.95)) == 4
    assert suppress(boxes[:0], 0.5).shape == (0, 6)


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([0.3, 0.5, 0.7]))
def test_after_suppression_no_two_boxes_of_a_class_overlap_more(seed, threshold):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 30, (40, 2))
    boxes = np.concatenate(
        [
            low,
            low + rng.uniform(5, 30, (40, 2)),
            np.sort(rng.random((40, 1)), axis=0)[::-1],
            rng.integers(0, 2, (40, 1)),
        ],
        axis=1,
    ).astype(np.float32)
    kept = suppress(boxes, threshold)
    for cls in (0, 1):
        same = kept[kept[:, 5] == cls]
        overlap = iou(same[:, :4], same[:, :4]) - np.eye(len(same))
        assert (overlap <= threshold).all()
        for dropped in boxes[(boxes[:, 5] == cls) & ~(boxes[:, None] == kept[None]).all(axis=2).any(axis=1)]:
            better = same[same[:, 4] >= dropped[4]]
            assert iou(dropped[None, :4], better[:, :4]).max() > threshold


def test_the_number_of_boxes_is_bounded():
    raw = np.zeros((5000, 5), dtype=np.float32)
    raw[:, 0] = np.arange(5000) * 3
    raw[:, 2], raw[:, 3], raw[:, 4] = raw[:, 0] + 2, 2, 0.5
    assert len(decode(raw, (10, 20_000), nms_iou=0.7)) == MAX_BOXES


def test_grey_detectors_take_one_channel():
    shapes = []

    def infer(planes):
        shapes.append(planes.shape)
        return np.zeros((len(planes), 1, 5), dtype=np.float32)

    detector = YoloDetector(("a",), 1, 5.0, 0.7, "test", infer)
    assert detector(np.zeros((2, 30, 30, 1), dtype=np.uint8))[1].shape == (0, 6)
    assert shapes == [(2, 3, 32, 32)]


@pytest.mark.parametrize(
    ("device", "runtime", "gpu", "expected"),
    [
        ("auto", "auto", False, ("openvino", "cpu")),
        ("auto", "auto", True, ("torch", "cuda")),
        ("auto", "onnx", True, ("onnx", "cpu")),
        ("auto", "openvino", True, ("openvino", "cpu")),
        ("auto", "torch", False, ("torch", "cpu")),
        ("cpu", "auto", True, ("openvino", "cpu")),
        ("1", "auto", True, ("torch", "cuda:1")),
        ("mps", "auto", False, ("torch", "mps")),
    ],
)
def test_the_runtime_follows_the_device(folder, monkeypatch, device, runtime, gpu, expected):
    monkeypatch.setattr("famous.yolo.runtime._has_gpu", lambda: gpu)
    assert _choose(folder, read_card(folder), device, runtime) == expected


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_cannot_be_used_is_named(folder, device):
    with pytest.raises(InputError, match=f"found '{device}', which torch cannot use here"):
        load_detector(folder, device=device)


def test_a_gpu_for_a_detector_without_a_checkpoint_is_refused(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("famous.yolo.runtime.check_device", lambda device: device)
    shutil.copy(folder / "best.onnx", tmp_path)
    write_card(tmp_path, dataclasses.replace(CARD, sha256={"best.onnx": digest(folder / "best.onnx")}))
    with pytest.raises(InputError, match=r"has no best\.pt and runs on the CPU only; found the device 'cuda:0'"):
        load_detector(tmp_path, device="cuda:0")


def test_without_a_checkpoint_a_gpu_is_left_alone(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("famous.yolo.runtime._has_gpu", lambda: True)
    assert _choose(tmp_path, read_card(folder), "auto", "auto") == ("openvino", "cpu")


def test_without_openvino_onnx_runtime_stands_in(monkeypatch):
    assert cpu_runtime() == "openvino"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cpu_runtime() == "onnx"
