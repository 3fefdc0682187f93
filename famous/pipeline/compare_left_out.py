"""What nobody was judged by: how much an ignore label and a zone round borders leave out, in words."""

from famous.pipeline.compare_count import Counts, Scene

#: What the two options do to volumes, areas and objects, which the tables `totals` and `objects` have too.
CUT = (
    "volumes, areas and objects of all sources are counted without what a truth ignores: an object that lies partly in "
    "it is cut there, in pred as in truth, and the cut is no surface"
)
WHOLE = "the zone round borders is left out of scores only: volumes, areas, objects and surface distances have it"


def say_left_out(scene: Scene, counts: Counts) -> list[str]:
    """Say of each truth which share of the compared voxels is left out and why; nothing where nothing was to be."""
    if scene.ignore is None and scene.boundary_nm == 0:
        return []
    pred, *truths = scene.sides
    notes, ignoring = [], []
    for truth in truths:
        is_there = any(counts.ignored.get((truth, name), 0) for name in scene.sides[truth])
        if is_there:
            shares = _ignored(scene, counts, truth)
            notes.append(f"{truth}: the ignore label {scene.ignore} is left out: {shares} of the compared voxels")
            ignoring.append(truth)
        elif scene.ignore is not None:
            notes.append(f"{truth}: the ignore label {scene.ignore} does not occur in what is compared")
    if len(truths) > 1 and ignoring:
        notes.append(f"what {' or '.join(ignoring)} ignores is left out of all sources, whichever two are compared")
    if ignoring:
        notes.append(CUT)
    if scene.boundary_nm > 0:
        zone = f"a zone of {scene.boundary_nm:g} nm round the borders of its objects, measured within the slices"
        also = ", with what is ignored" if ignoring else ""
        for truth in truths:
            shares = _unscored(scene, counts, (pred, truth))
            notes.append(f"{truth}: {zone}, is left out of the scores: {shares} of the compared voxels{also}")
        notes.append(WHOLE)
    return notes


def _ignored(scene: Scene, counts: Counts, truth: str) -> str:
    """Write the share that has a truth's ignore label, class by class."""
    whole = len(scene.slices) * scene.shape[1] * scene.shape[2]
    return _told({name: counts.ignored.get((truth, name), 0) / whole for name in scene.sides[truth]} if whole else {})


def _unscored(scene: Scene, counts: Counts, pair: tuple[str, str]) -> str:
    """Write the share that a pair leaves out, class by class."""
    whole = len(scene.slices) * scene.shape[1] * scene.shape[2]
    overlaps = {name: counts.overlaps.get((pair, name, name)) for name in scene.classes_of(pair)}
    return _told({name: 1 - own.voxels / whole for name, own in overlaps.items() if own is not None and whole})


def _told(shares: dict[str, float]) -> str:
    return ", ".join(f"{100 * share:.3g} % ({name})" for name, share in shares.items()) or "none"
