"""What is measured on request."""

import math

import pytest

from famous.measure import MeasureParams, measure_further
from famous.measure.further import NESTING, SKELETON, THICKNESS
from famous.measure.skeleton import SkeletonParams
from famous.measure.thickness import ThicknessParams
from famous.mesh import Mesh
from tests.solids import tube
from tests.tubes import mesh_of


def test_nothing_is_measured_unasked():
    assert MeasureParams().columns == ()
    assert measure_further(mesh_of(tube(), 20.0), MeasureParams()) == {}


def test_everything_has_its_columns():
    row = measure_further(mesh_of(tube(), 10.0), MeasureParams().everything())
    assert tuple(row) == MeasureParams().everything().columns == (*THICKNESS, *SKELETON)
    assert row["thickness_max_um"] == pytest.approx(0.1, rel=0.03)
    assert row["skeleton_length_um"] == pytest.approx(0.6, rel=0.03)
    assert (row["n_branches"], row["n_branch_points"]) == (1, 0)


def test_each_alone():
    one = MeasureParams(thickness=ThicknessParams(wanted=True))
    other = MeasureParams(skeleton=SkeletonParams(wanted=True), inside={"a": "b"})
    assert one.columns == THICKNESS
    assert other.columns == (*SKELETON, *NESTING)
    assert tuple(measure_further(mesh_of(tube(), 20.0), one)) == THICKNESS
    assert tuple(measure_further(mesh_of(tube(), 20.0), other)) == SKELETON


def test_everything_keeps_the_knobs():
    params = MeasureParams(thickness=ThicknessParams(points=333), inside={"a": "b"}).everything()
    assert (params.thickness.points, params.inside) == (333, {"a": "b"})


def test_an_empty_mesh_has_no_measures():
    row = measure_further(Mesh.empty(), MeasureParams().everything())
    assert all(math.isnan(row[name]) for name in (*THICKNESS, "skeleton_length_um"))
    assert row["n_branches"] == 0
