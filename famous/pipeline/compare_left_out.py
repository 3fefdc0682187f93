"""What nobody was judged by: how much an ignore label and a zone round borders leave out, in words."""

from famous.compare.comparison import pairs_of
from famous.pipeline.compare_count import Counts, Scene


def say_left_out(scene: Scene, counts: Counts) -> list[str]:
    """Say of each truth which share of the compared voxels is left out and why; nothing where nothing was to be."""
    if scene.ignore is None and scene.boundary_nm == 0:
        return []
    pred, *truths = scene.sides
    notes = []
    for truth in truths:
        is_there = any(counts.ignored.get((truth, name), 0) for name in scene.sides[truth])
        if scene.ignore is not None and not is_there:
            notes.append(f"{truth}: the ignore label {scene.ignore} does not occur in what is compared")
        why = [f"the ignore label {scene.ignore}"] if is_there else []
        if scene.boundary_nm > 0:
            zone = f"what is nearer than {scene.boundary_nm:g} nm to a border of its objects"
            why.append(f"{zone}, measured within the slices")
        if why:
            shares = _shares(scene, counts, (pred, truth))
            notes.append(f"{truth}: left out are {' and '.join(why)}; of the compared voxels that is {shares}")
    experts = pairs_of(list(scene.sides))[2:]
    if experts and scene.ignore is not None:
        one, other = experts[0]
        shares = _shares(scene, counts, experts[0])
        notes.append(f"{one} against {other}: what either ignores is left out; of the compared voxels that is {shares}")
    return notes


def _shares(scene: Scene, counts: Counts, pair: tuple[str, str]) -> str:
    """Write the share that a pair leaves out, class by class."""
    whole = len(scene.slices) * scene.shape[1] * scene.shape[2]
    told = []
    for name in scene.classes_of(pair):
        overlaps = counts.overlaps.get((pair, name, name))
        if overlaps is not None and whole:
            told.append(f"{100 * (1 - overlaps.voxels / whole):.3g} % ({name})")
    return ", ".join(told) or "none"
