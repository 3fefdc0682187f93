import numpy as np
import pytest

from famous.errors import InputError
from famous.extract import (
    EllipseParams,
    MaskNetParams,
    OtsuParams,
    canonical,
    classical_recipe,
    default_recipe,
    extract_slice,
    make_extractor,
    paper_recipe,
)
from famous.extract.ellipse import EllipseExtractor
from famous.extract.otsu import OtsuExtractor


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("mitochondrion", "mitochondrion"),
        ("Mitochondria", "mitochondrion"),
        ("mitos", "mitochondrion"),
        ("Nuclei", "nucleus"),
        ("late_endosomes", "late endosome"),
        ("Early-Endosome", "early endosome"),
        ("MVBs", "multivesicular body"),
        ("multivesicular bodies", "multivesicular body"),
        ("Golgi", "golgi"),
    ],
)
def test_names_are_recognised_however_they_are_written(name, known):
    assert canonical(name) == known


@pytest.mark.parametrize("name", ["mitochondrion", "late endosome", "multivesicular body"])
def test_dark_organelles_get_dark_otsu(name):
    for recipe in (classical_recipe(name), paper_recipe(name)):
        assert isinstance(recipe, OtsuParams)
        assert recipe.polarity == "dark"


def test_a_nucleus_is_dark_in_the_paper_and_an_ellipse_here():
    assert isinstance(paper_recipe("nucleus"), OtsuParams)
    assert classical_recipe("nucleus") == EllipseParams()


def test_early_endosomes_are_bright():
    for recipe in (classical_recipe("early endosome"), paper_recipe("early endosome")):
        assert isinstance(recipe, OtsuParams)
        assert recipe.polarity == "bright"


@pytest.mark.parametrize("name", ["lysosome", "something new", ""])
def test_any_other_class_gets_the_ellipse(name):
    assert classical_recipe(name) == EllipseParams()
    assert paper_recipe(name) == EllipseParams()


def test_the_paper_fills_no_hole_and_knows_no_box():
    recipe = paper_recipe("mitochondrion")
    assert isinstance(recipe, OtsuParams)
    assert (recipe.fill_holes, recipe.centre, recipe.minimum_extent) == (False, 0, 0)
    ours = classical_recipe("mitochondrion")
    assert isinstance(ours, OtsuParams)
    assert ours.fill_holes


@pytest.mark.parametrize("name", ["mitochondrion", "lysosome", "nucleus", "something new", ""])
def test_every_class_starts_from_the_network(name):
    assert default_recipe(name) == MaskNetParams()


def test_each_recipe_makes_its_extractor():
    assert make_extractor(OtsuParams(blur_nm=1)) == OtsuExtractor(OtsuParams(blur_nm=1))
    assert make_extractor(EllipseParams(scale=0.9)) == EllipseExtractor(EllipseParams(scale=0.9))
    with pytest.raises(InputError, match="str"):
        make_extractor("otsu")  # type: ignore[arg-type]


def test_real_mitochondria_beat_the_filled_box(shared_data):
    """Our recipe is nearer to the truth than the box, the ellipse and the paper's chain (lucchi, one slice)."""
    import tifffile
    from scipy import ndimage

    from famous import boxes
    from famous.voxels import VoxelSize

    raw = tifffile.imread(shared_data / "lucchi" / "raw.tif", key=60)
    truth = ndimage.label(tifffile.imread(shared_data / "lucchi" / "mito_inst.tif", key=60) > 0)[0]
    spans = [span for span in ndimage.find_objects(truth) if span[0].stop - span[0].start > 5]
    rows = np.array([(y.start, x.start, y.stop, x.stop) for y, x in spans]).T
    table = boxes.from_columns(
        {"z": [60] * len(spans), **dict(zip(boxes.CORNERS, rows, strict=True)), "class_name": ["mito"] * len(spans)}
    )

    def voxel_iou(recipe):
        image = extract_slice(raw[:, :, None], table, {"mito": make_extractor(recipe)}, voxel_size=VoxelSize(5, 5, 5))
        return ((image["mito"] > 0) & (truth > 0)).sum() / ((image["mito"] > 0) | (truth > 0)).sum()

    filled = EllipseParams(scale=2)
    assert voxel_iou(classical_recipe("mito")) > max(map(voxel_iou, (filled, EllipseParams(), paper_recipe("mito"))))
