"""A line of voxels as a graph: branches between nodes, pruned and joined."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

SMOOTHING = 5  # points of a line that are averaged before its length is taken


@dataclass(eq=False)
class Branch:
    """A line between two nodes (the same one twice where it is a ring): its (n, 3) points with both ends."""

    start: int
    end: int
    points: NDArray[np.float64]


@dataclass(eq=False)
class Graph:
    """Nodes with their distance to the surface, and the branches between them; lengths in steps of the lattice."""

    radii: dict[int, float]
    branches: list[Branch]
    inner_length: float = 0.0  # of branches that vanished in a branch point
    _lengths: dict[Branch, float] = field(default_factory=dict)

    def degrees(self) -> dict[int, int]:
        """How many ends of branches meet in each node that has one."""
        found: dict[int, int] = defaultdict(int)
        for branch in self.branches:
            found[branch.start] += 1
            found[branch.end] += 1
        return dict(found)

    def length(self, branch: Branch) -> float:
        """Length of its smoothed line."""
        if branch not in self._lengths:
            self._lengths[branch] = smooth_length(branch.points, is_ring=branch.start == branch.end)
        return self._lengths[branch]

    def prune(self, spur: float) -> None:
        """Take away the shortest side branch that ends no farther than `spur` radii from where it leaves, repeatedly.

        Its length counts to the surface beyond its tip.
        """
        while True:
            degrees = self.degrees()
            worst, chosen = 1.0, None
            for branch in self.branches:
                for tip, root in ((branch.start, branch.end), (branch.end, branch.start)):
                    if degrees[tip] == 1 and degrees[root] >= 3:
                        share = (self.length(branch) + self.radii[tip]) / max(spur * self.radii[root], 1e-9)
                        if share < worst:
                            worst, chosen = share, (branch, tip, root)
            if chosen is None:
                return
            branch, tip, root = chosen
            self.branches.remove(branch)
            del self.radii[tip]
            self._merge(root)

    def join(self) -> None:
        """Make one of two branch points where the branch between them is shorter than the radius at either."""
        while True:
            degrees = self.degrees()
            for branch in sorted(self.branches, key=self.length):
                a, b = branch.start, branch.end
                near = a != b and self.length(branch) < max(self.radii[a], self.radii[b])
                if near and min(degrees[a], degrees[b]) >= 3:
                    break
            else:
                return
            self.branches.remove(branch)
            self.inner_length += self.length(branch)
            self.radii[a] = max(self.radii[a], self.radii.pop(b))
            for other in self.branches:
                other.start = a if other.start == b else other.start
                other.end = a if other.end == b else other.end

    def _merge(self, node: int) -> None:
        """Make one branch of the two that meet in a node."""
        here = [branch for branch in self.branches if node in (branch.start, branch.end)]
        if len(here) != 2:
            return
        first, second = (branch if branch.end == node else _turned(branch) for branch in here)
        second = _turned(second)
        for branch in here:
            self.branches.remove(branch)
        points = np.concatenate([first.points, second.points[1:]])
        self.branches.append(Branch(first.start, second.end, points))
        del self.radii[node]


def _turned(branch: Branch) -> Branch:
    return Branch(branch.end, branch.start, branch.points[::-1])


def smooth_length(points: NDArray[np.float64], *, is_ring: bool) -> float:
    """Length of a line through voxels: of its running mean, which has no steps; its ends stay where they are."""
    reach = SMOOTHING // 2
    if is_ring:
        points = points[:-1] if (points[0] == points[-1]).all() else points
        wide = np.concatenate([points[-reach:], points, points[: reach + 1]])
        if len(points) <= SMOOTHING:
            return float(np.linalg.norm(np.diff(points, axis=0, append=points[:1]), axis=1).sum())
        smooth = sum(wide[k : k + len(points) + 1] for k in range(2 * reach + 1)) / (2 * reach + 1)
        return float(np.linalg.norm(np.diff(np.asarray(smooth), axis=0), axis=1).sum())
    number = len(points)
    totals = np.concatenate([np.zeros((1, 3)), np.cumsum(points, axis=0)])
    place = np.arange(number)
    half = np.minimum(np.minimum(place, number - 1 - place), reach)
    smooth = (totals[place + half + 1] - totals[place - half]) / (2 * half + 1)[:, None]
    return float(np.linalg.norm(np.diff(smooth, axis=0), axis=1).sum())


def trace(line: NDArray[np.int64], radii: NDArray[np.float64]) -> Graph:
    """Make a graph of (n, 3) voxels of a line and their distances to the surface.

    Voxels that touch are neighbours, but where voxels that touch both lead from one to the other, so that no corner
    makes a ring.
    """
    neighbours = _neighbours(line)
    nodes = {voxel for voxel in range(len(line)) if len(neighbours[voxel]) != 2}
    branches: list[Branch] = []
    seen: set[int] = set()
    for node in sorted(nodes):
        for first in sorted(neighbours[node]):
            path = _follow(node, first, neighbours, nodes)
            if first in nodes:
                if node < first:
                    branches.append(_branch(path, line))
            elif first not in seen:
                branches.append(_branch(path, line))
            seen.update(path[1:-1])
    for voxel in range(len(line)):  # rings without a node
        if voxel not in nodes and voxel not in seen:
            nodes.add(voxel)
            path = _follow(voxel, min(neighbours[voxel]), neighbours, nodes)
            branches.append(_branch(path, line))
            seen.update(path)
    return Graph({node: float(radii[node]) for node in nodes}, branches)


def _branch(path: list[int], line: NDArray[np.int64]) -> Branch:
    return Branch(path[0], path[-1], line[path].astype(np.float64))


def _follow(node: int, first: int, neighbours: list[set[int]], nodes: Iterable[int]) -> list[int]:
    """Walk from a node over one of its neighbours to the next node."""
    path = [node, first]
    while path[-1] not in nodes:
        (following,) = neighbours[path[-1]] - {path[-2]}
        path.append(following)
    return path


def _neighbours(line: NDArray[np.int64]) -> list[set[int]]:
    """Which voxels each voxel goes on to: not where others that touch both already lead there."""
    pairs = cKDTree(line).query_pairs(1.8, output_type="ndarray")
    squares = ((line[pairs[:, 0]] - line[pairs[:, 1]]) ** 2).sum(axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], squares))  # the shortest first
    touching: list[set[int]] = [set() for _ in range(len(line))]
    for a, b in pairs.tolist():
        touching[a].add(b)
        touching[b].add(a)
    found: list[set[int]] = [set() for _ in range(len(line))]
    joined: list[set[int]] = [set() for _ in range(len(line))]  # also those whose way leads over others
    for a, b in pairs[order].tolist():
        is_way = not _leads(a, b, touching[a] & touching[b], joined)
        joined[a].add(b)
        joined[b].add(a)
        if is_way:
            found[a].add(b)
            found[b].add(a)
    return found


def _leads(a: int, b: int, among: set[int], joined: list[set[int]]) -> bool:
    """Whether there is a way from a to b over some voxels."""
    front, left = [a], set(among)
    while front:
        voxel = front.pop()
        if b in joined[voxel]:
            return True
        following = joined[voxel] & left
        left -= following
        front += following
    return False
