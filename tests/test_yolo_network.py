"""A small random network: read without running code, bared to its raw candidates, written as ONNX."""

import copy
import functools

import numpy as np
import pytest

from famous.errors import InputError, MissingError
from famous.yolo.network import SMALLEST_HALVED, export_onnx, has_end_to_end, inherit_classes, load_network, raw_network
from famous.yolo.quiet import import_onnxruntime, import_ultralytics
from famous.yolo.runtime import torch_infer


def random_model():
    """YOLO26n with random weights, normalised on noise so that boxes and scores differ from place to place."""
    return copy.deepcopy(_random_model())


@functools.cache
def _random_model():
    import_ultralytics()
    import torch
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    model = DetectionModel("yolo26n.yaml", ch=3, nc=2, verbose=False)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the statistics are those of the one batch below
    with torch.inference_mode():
        model.train()(torch.rand(4, 3, 128, 128))
    for name, parameter in model.named_parameters():
        if "cv3" in name and name.endswith(".2.bias"):
            torch.nn.init.constant_(parameter, -2.0)
        elif ("cv3" in name or "cv2" in name) and name.endswith(".2.weight"):
            torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


def anchors(height: int, width: int) -> int:
    """Candidates that a network gives: one a cell of each of its three grids."""
    return sum((height // stride) * (width // stride) for stride in (8, 16, 32))


def test_both_heads_give_candidates_of_one_form():
    import torch

    model = random_model()
    assert has_end_to_end(model)
    planes = torch.rand(1, 3, 64, 96)
    many, one = (raw_network(model, end_to_end=choice)(planes) for choice in (False, True))
    assert many.shape == one.shape == (1, anchors(64, 96), 6)
    assert not torch.allclose(many, one)
    assert torch_infer(raw_network(model))(planes.numpy()).shape == many.shape


def test_candidates_are_those_of_ultralytics():
    """Its own inference gives (n, 4 + classes, anchors) with centre and size."""
    import torch

    model = random_model()
    planes = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        theirs = model(planes)[0][0].T
    ours = raw_network(model)(planes)[0]
    assert torch.allclose(ours[:, 4:], theirs[:, 4:], atol=1e-3)
    assert torch.allclose((ours[:, :2] + ours[:, 2:4]) / 2, theirs[:, :2], atol=1e-2)
    assert torch.allclose(ours[:, 2:4] - ours[:, :2], theirs[:, 2:4], atol=1e-2)


def test_the_model_itself_is_left_as_it_was():
    model = random_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    raw_network(model, end_to_end=True)
    after = model.state_dict()
    assert list(before) == list(after)
    assert all((before[name] == after[name]).all() for name in before)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_onnx_computes_the_same_with_half_the_bytes(tmp_path):
    import onnx

    network = raw_network(random_model())
    export_onnx(network, tmp_path / "net.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]
    stored = onnx.load(str(tmp_path / "net.onnx")).graph.initializer
    large = [tensor for tensor in stored if np.prod(tensor.dims) >= SMALLEST_HALVED]
    assert len(large) > 50
    assert {tensor.data_type for tensor in large} <= {onnx.TensorProto.FLOAT16, onnx.TensorProto.INT64}
    session = import_onnxruntime().InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    infer = torch_infer(network)
    for shape in ((1, 3, 96, 128), (2, 3, 64, 32)):
        planes = np.random.default_rng(1).random(shape, dtype=np.float32)
        (theirs,) = session.run(None, {"images": planes})
        ours = infer(planes)
        assert theirs.shape == ours.shape == (shape[0], anchors(*shape[2:]), 6)
        assert np.abs(theirs[..., 4:] - ours[..., 4:]).max() < 0.02
        assert np.abs(theirs[..., :4] - ours[..., :4]).max() < 0.5


def test_weights_cannot_run_code(tmp_path):
    """A pickle that would make a file is refused unopened."""
    with pytest.raises(InputError, match="evil"):
        load_network(evil(tmp_path))
    assert not (tmp_path / "was-here").exists()


def evil(folder):
    """Weights that make a file when they are run."""
    import torch

    class Evil:
        def __reduce__(self):
            return open, (str(folder / "was-here"), "w")

    torch.save({"model": Evil()}, folder / "evil.pt")
    return folder / "evil.pt"


def test_weights_cannot_run_code_where_somebody_else_imported_ultralytics(tmp_path, monkeypatch):
    import_ultralytics()
    from ultralytics.nn import tasks

    monkeypatch.setattr(tasks, "SAFE_LOAD", False)
    with pytest.raises(InputError, match="evil"):
        load_network(evil(tmp_path))
    assert not (tmp_path / "was-here").exists()
    assert tasks.SAFE_LOAD is False  # what else the program loads is its own affair


@pytest.mark.parametrize(
    "lacking", ["ultralytics.nn.tasks.SAFE_LOAD", "torch.serialization.get_unsafe_globals_in_checkpoint"]
)
def test_libraries_that_would_run_code_are_refused(tmp_path, monkeypatch, lacking):
    import_ultralytics()
    monkeypatch.delattr(lacking)
    with pytest.raises(MissingError, match=r"torch>=2\.6"):
        load_network(evil(tmp_path))
    assert not (tmp_path / "was-here").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a network" * 100])
def test_what_is_no_checkpoint_is_named(tmp_path, content):
    import_ultralytics()
    (tmp_path / "broken.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"(?s)broken\.pt.*expected"):
        load_network(tmp_path / "broken.pt")


def test_classes_of_the_same_name_are_inherited_whatever_their_order():
    import torch
    from ultralytics.nn.tasks import DetectionModel

    start = random_model()
    start.names = {0: "Mitochondrion", 1: "nucleus"}
    model = DetectionModel("yolo26n.yaml", ch=3, nc=3, verbose=False)
    before = copy.deepcopy(model.state_dict())
    assert inherit_classes(model, start, ("golgi", "nucleus", "mitochondrion")) == ["nucleus", "mitochondrion"]
    for branch in ("cv3", "one2one_cv3"):
        for scale in range(3):
            own, other = (getattr(one.model[-1], branch)[scale][-1] for one in (model, start))
            assert torch.equal(own.weight[1:], other.weight[[1, 0]])
            assert torch.equal(own.bias[1:], other.bias[[1, 0]])
    own = {name: value for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert len(own) == 2 * 2 * 3  # weights and biases of two heads at three scales, and no other
    for name, value in own.items():
        assert torch.equal(value[0], before[name][0])  # a class that is new is left as it was


def test_a_head_of_another_width_leaves_nothing_to_inherit():
    from ultralytics.nn.tasks import DetectionModel

    start = DetectionModel("yolo26n.yaml", ch=3, nc=80, verbose=False)
    start.names = {**start.names, 0: "mitochondrion"}
    assert inherit_classes(random_model(), start, ("mitochondrion", "nucleus")) == []
    assert inherit_classes(random_model(), random_model(), ("mitochondrion", "nucleus")) == []
