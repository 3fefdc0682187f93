"""What the referee's benchmark is made of: the fit finds weights that are known, losses are counted, fakes are bad."""

import numpy as np
import pandas as pd
import pytest
from accuracy.sets import true_masks
from refereeing.fakes import fakes
from refereeing.fit import fit, leave_out, losses, score
from refereeing.pairs import TrueSlice

from famous.extract.evidence import EVIDENCE
from famous.extract.referee import RefereeParams
from tests.referee_phantoms import VOXEL, field


def evidence(weights, pairs=12, recipes=6, seed=0):
    """A table in which the IoU is the weighted evidence, up to what a pair has in common."""
    rng = np.random.default_rng(seed)
    rows = []
    for pair in range(pairs):
        for recipe in range(recipes):
            values = dict(zip(EVIDENCE, rng.random(len(EVIDENCE)), strict=True))
            iou = 0.1 * (pair % 3) + sum(weights.get(name, 0) * value for name, value in values.items())
            rows.append(values | {"pair": pair, "recipe": str(recipe), "iou": iou, "real": pair % 2 == 0})
    return pd.DataFrame(rows).assign(data_set=lambda table: table["pair"] % 4)


def test_the_fit_finds_the_weights_that_the_truth_has():
    known = {"touch": 0.3, "recovers": 0.5, "contrast": 0.2}
    found = fit(evidence(known))
    for name in EVIDENCE:
        assert getattr(found, name) == pytest.approx(known.get(name, 0), abs=0.05)


def test_no_weight_is_below_0_and_they_add_up_to_1():
    found = fit(evidence({"touch": 1.0, "area": -1.0}))
    assert found.area == 0
    assert sum(getattr(found, name) for name in EVIDENCE) == pytest.approx(1, abs=0.01)


def test_a_data_set_that_is_left_out_does_not_count():
    table = evidence({"touch": 0.5, "whole": 0.5})
    spoilt = table.assign(iou=table["iou"].where(table["data_set"] != 2, 1 - table["touch"]))
    assert leave_out(spoilt, 2) == leave_out(table, 2) != fit(spoilt)


def test_what_a_pick_loses_is_told_pair_by_pair():
    table = pd.DataFrame(
        {
            "pair": ["a", "a", "b", "b", "b"],
            "recipe": ["x", "y", "x", "y", "z"],
            "iou": [0.8, 0.7, 0.5, 0.9, 1.0],
            "score": [0.9, 0.1, 0.6, 0.2, 0.9],
        }
    )
    found = losses(table, ["x", "y"]).set_index("pair")
    assert found["pick"].to_dict() == {"a": "x", "b": "x"}
    assert found["loss"].to_dict() == pytest.approx({"a": 0.0, "b": 0.4})
    scored = score(pd.DataFrame([dict.fromkeys(EVIDENCE, 0.25)]), fit(evidence({"touch": 1.0})))
    assert scored.item() == pytest.approx(0.25)


def test_the_usual_recipe_gives_way_only_to_a_lead_that_is_larger_than_the_margin():
    table = pd.DataFrame({"pair": "a", "recipe": ["masknet", "x"], "iou": [0.5, 0.8], "score": [0.5, 0.57]})
    names = ["masknet", "x"]
    assert losses(table, names, "masknet", 0.06)["pick"].tolist() == ["x"]
    assert losses(table, names, "masknet", 0.08)["pick"].tolist() == ["masknet"]
    assert losses(table, names, "masknet", 0.08)["loss"].tolist() == pytest.approx([0.3])
    assert losses(table, names, "x", 0.08)["pick"].tolist() == ["x"]
    usual = losses(table, names)
    assert usual["pick"].tolist() == ["x" if RefereeParams().margin < 0.07 else "masknet"]


def test_fakes_are_as_bad_as_they_say():
    one = field(angle=40)
    ids = np.repeat(one.labels[:, :, None], 3, axis=2).astype(np.uint32)
    masks = true_masks(one.labels.astype(np.uint32))
    at = TrueSlice(one.sample, masks, ids)
    found = {}
    for name, fake in fakes().items():
        fake.look(at)
        said = fake(one.slab[:, :, 1:4], one.corners, VOXEL)
        pairs = zip(said, masks, strict=True)
        found[name] = float(np.mean([(m & t.mask).sum() / (m | t.mask).sum() for m, t in pairs]))
    assert found["rough 10 %"] > found["rough 25 %"] > found["rough 45 %"] > found["rough 80 %"]
    assert found["rough 10 %"] > 0.9
    assert max(found[name] for name in ("small", "moved", "torn", "filled")) < 0.8
