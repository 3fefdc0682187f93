"""What the weights to start from are worth: each start for each budget, on slices that do not train."""

import bench_famous
import pytest
from accuracy.starts import COLUMNS, Budget, bench_starts, line

from famous.yolo.score import BoxScores
from tests.accuracy_phantoms import SETTING, write_data

TINY = """
train: {epochs: 1, input_px: 64, batch: 2, epoch_tiles: 4, validate: false, device: cpu,
        masks: {steps: 0}}
"""


def test_a_row_holds_what_its_columns_say():
    scores = BoxScores(
        10, 9, 0.25, precision=0.5, recall=0.6, precision75=0.3, recall75=0.4, map50=0.7, map75=0.2, map50_95=0.1
    )
    assert (
        line(Budget(5), "COCO", 12, scores)
        == "| 5 | COCO | 12 | 0.600 | 0.500 | 0.400 | 0.300 | 0.700 | 0.200 | 0.100 |"
    )


@pytest.mark.slow
def test_every_start_is_trained_for_every_budget_and_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(bench_famous.SETTINGS, "phantom", SETTING)
    monkeypatch.setattr(bench_famous, "CONFIG", TINY)
    data, work = write_data(tmp_path), tmp_path / "work"
    starts = {"nothing": "yolo26n.yaml", "again": "yolo26n.yaml"}
    bench_starts(data, "phantom", work, 3, [Budget(0.02), Budget(0.03)], starts)
    rows = [row.split(" | ") for row in capsys.readouterr().out.splitlines() if "| 1 |" in row]
    assert [(row[0], row[1]) for row in rows] == [
        ("| 0.02", "nothing"), ("| 0.02", "again"), ("| 0.03", "nothing"), ("| 0.03", "again"),
    ]  # fmt: skip
    assert all(len(row) == 3 + len(COLUMNS) for row in rows)
    assert len(list(work.glob("*/model/best.onnx"))) == 4
