"""Boxes to pixels: one file a method, one recipe a class."""

from typing import Literal

from famous.errors import InputError
from famous.extract.ellipse import EllipseExtractor, EllipseParams
from famous.extract.otsu import OtsuExtractor, OtsuParams
from famous.extract.slices import Extractor, count_pixels, extract_slice

__all__ = [
    "EllipseParams",
    "Extractor",
    "OtsuParams",
    "RecipeParams",
    "count_pixels",
    "default_recipe",
    "extract_slice",
    "make_extractor",
    "paper_recipe",
]

RecipeParams = OtsuParams | EllipseParams

_DARK = ("mitochondrion", "nucleus", "late endosome", "multivesicular body")
_BRIGHT = ("early endosome",)
_ALIASES = {
    "mitochondria": "mitochondrion",
    "mito": "mitochondrion",
    "mitos": "mitochondrion",
    "nuclei": "nucleus",
    "le": "late endosome",
    "mvb": "multivesicular body",
    "multivesicular bodies": "multivesicular body",
    "ee": "early endosome",
}


def make_extractor(params: RecipeParams) -> Extractor:
    """Build the extractor that these parameters steer."""
    if isinstance(params, OtsuParams):
        return OtsuExtractor(params)
    if isinstance(params, EllipseParams):
        return EllipseExtractor(params)
    raise InputError(f"recipe: found {type(params).__name__}, expected OtsuParams or EllipseParams")


def paper_recipe(class_name: str) -> RecipeParams:
    """Return the recipe of Nešić et al. 2023 for a class: Algorithms 1 to 3 without hole filling, else the ellipse."""
    kind = _polarity(class_name)
    if kind is None:
        return EllipseParams()
    return OtsuParams(polarity=kind, blur_nm=10, erode_nm=5, dilate_nm=5, fill_holes=False)


def default_recipe(class_name: str) -> RecipeParams:
    """Return our recipe for a class: Otsu with holes filled where the polarity is known, else the ellipse."""
    kind = _polarity(class_name)
    return EllipseParams() if kind is None else OtsuParams(polarity=kind)


def _polarity(class_name: str) -> Literal["dark", "bright"] | None:
    name = " ".join(class_name.lower().replace("_", " ").replace("-", " ").split())
    name = _ALIASES.get(name, name.removesuffix("s") if name.removesuffix("s") in _DARK + _BRIGHT else name)
    if name in _DARK:
        return "dark"
    return "bright" if name in _BRIGHT else None
