"""Lines of voxels as graphs."""

import numpy as np
import pytest

from famous.measure.centreline import Branch, Graph, smooth_length, trace


def graph_of(*voxels, radius=1.0):
    line = np.array(voxels, dtype=np.int64)
    return trace(line, np.full(len(line), radius))


def straight(length, y=0, z=0):
    return [(z, y, x) for x in range(length)]


def test_a_line_is_one_branch():
    graph = graph_of(*straight(10))
    (branch,) = graph.branches
    assert {branch.start, branch.end} == {0, 9}
    assert graph.length(branch) == pytest.approx(9)


def test_a_corner_makes_no_ring():
    graph = graph_of(*straight(5), *[(0, y, 4) for y in range(1, 5)])
    assert len(graph.branches) == 1


def test_four_voxels_that_touch_pairwise_make_no_ring():
    """And neither do two triangles on a common side."""
    assert all(b.start != b.end for b in graph_of((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)).branches)
    graph = graph_of((14, 15, 15), (15, 14, 15), (15, 15, 16), (16, 15, 15))
    assert len(graph.radii) == len(graph.branches) + 1  # a tree


def test_a_ring_is_one_branch_with_one_node():
    ring = [(0, y, x) for y in range(5) for x in range(5) if {y, x} & {0, 4} and (y, x) not in {(0, 0), (4, 4)}]
    graph = graph_of(*ring)
    (branch,) = graph.branches
    assert branch.start == branch.end
    assert list(graph.radii) == [branch.start]


def test_the_smallest_ring_is_one():
    graph = graph_of((0, 0, 1), (0, 1, 0), (0, 1, 2), (0, 2, 1))
    assert len(graph.branches) == 1
    assert graph.length(graph.branches[0]) == pytest.approx(4 * np.sqrt(2))


def test_one_voxel_is_a_node_without_a_branch():
    graph = graph_of((3, 3, 3))
    assert graph.branches == []
    assert list(graph.radii) == [0]


@pytest.mark.parametrize(("twig", "spur", "branches"), [(3, 1.0, 3), (3, 5.0, 1), (12, 5.0, 3), (12, 20.0, 1)])
def test_twigs_shorter_than_the_radius_says_go(twig, spur, branches):
    stem = straight(41)
    graph = graph_of(*stem, *[(0, y, 20) for y in range(1, twig + 1)])
    graph.prune(spur)
    assert len(graph.branches) == branches
    if branches == 1:
        assert graph.length(graph.branches[0]) == pytest.approx(40)


def test_a_lone_branch_is_never_pruned():
    graph = graph_of(*straight(3), radius=100.0)
    graph.prune(10.0)
    assert len(graph.branches) == 1


def test_near_branch_points_are_one():
    """A stem with a twig on either side, two steps apart."""
    voxels = [*straight(41), *[(0, y, 20) for y in range(1, 12)], *[(0, -y, 23) for y in range(1, 12)]]
    near, far = graph_of(*voxels, radius=6.0), graph_of(*voxels, radius=1.0)
    near.join()
    far.join()
    assert sorted(near.degrees().values()) == [1, 1, 1, 1, 4]
    assert sorted(far.degrees().values()) == [1, 1, 1, 1, 3, 3]
    lengths = [sum(map(graph.length, graph.branches)) + graph.inner_length for graph in (near, far)]
    assert lengths[0] == pytest.approx(lengths[1])


def test_a_staircase_is_as_long_as_the_line_it_follows():
    x = np.arange(200)
    line = np.stack([np.round(0.3 * x), np.round(0.45 * x), x], axis=1)
    assert smooth_length(line, is_ring=False) == pytest.approx(np.hypot(1, np.hypot(0.3, 0.45)) * 199, rel=0.02)


def test_a_circle_is_as_long_as_it_is():
    angle = np.linspace(0, 2 * np.pi, 500)
    points = np.round(np.stack([np.zeros(500), 30 * np.sin(angle), 30 * np.cos(angle)], axis=1))
    points = points[np.append(True, np.abs(np.diff(points, axis=0)).sum(axis=1) > 0)]
    assert smooth_length(points, is_ring=True) == pytest.approx(2 * np.pi * 30, rel=0.03)
    open_ended = np.concatenate([points, points[:1]]) if (points[0] != points[-1]).any() else points
    assert smooth_length(open_ended, is_ring=True) == pytest.approx(2 * np.pi * 30, rel=0.03)


def test_rings_survive_pruning_and_joining():
    graph = Graph({0: 5.0, 1: 0.5}, [Branch(0, 0, np.zeros((9, 3))), Branch(0, 1, np.array([[0.0, 0, 0], [0, 0, 2]]))])
    graph.prune(2.5)
    graph.join()
    assert [(branch.start, branch.end) for branch in graph.branches] == [(0, 0)]
