"""The detector that ships with the package: there, small, the one its card describes, and able to see a phantom."""

import numpy as np

from famous.synthetic import CLASS_NAMES
from famous.yolo.card import read_card
from famous.yolo.runtime import load_detector, packaged_detector


def test_it_is_there_small_and_described():
    folder = packaged_detector()
    card = read_card(folder)
    assert sum(file.stat().st_size for file in folder.iterdir()) < 10_000_000
    assert set(card.class_names) == set(CLASS_NAMES)
    assert set(card.sha256) == {"best.onnx"}
    assert "phantom" in card.notes
    assert card.metrics["mitochondrion"]["recall"] > 0.8


def test_it_runs_on_both_cpu_runtimes_alike():
    y, x = np.mgrid[:256, :256]
    image = np.full((1, 256, 256, 3), 150, dtype=np.uint8)
    image[0, (y - 128) ** 2 + (x - 110) ** 2 < 35**2] = 245
    image += np.random.default_rng(0).integers(0, 10, image.shape).astype(np.uint8)
    one, two = (
        load_detector(packaged_detector(), device="cpu", runtime=name)(image)[0] for name in ("onnx", "openvino")
    )
    assert one.shape[1] == 6
    best = one[one[:, 4] > 0.2]
    for box in best:
        nearest = np.abs(two[:, :4] - box[:4]).max(axis=1).min()
        assert nearest < 1
