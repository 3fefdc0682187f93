"""The configuration: every stage's parameters in one tree, YAML in and out; an unknown key is an error by full path."""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from famous.detect import DetectParams
from famous.errors import ConfigError, InputError
from famous.extract import (
    EllipseParams,
    MaskNetParams,
    OtsuParams,
    RecipeParams,
    classical_recipe,
    default_recipe,
    paper_recipe,
)
from famous.extract.referee import RefereeParams
from famous.files import write_text
from famous.link.agree import AgreeParams
from famous.link.centre import CentreParams
from famous.link.overlap import OverlapParams
from famous.measure import MeasureParams
from famous.points import OutlierParams
from famous.report.colours import to_hex
from famous.surface.auto import AutoParams
from famous.surface.isosurface import IsosurfaceParams
from famous.surface.shrinkwrap import ShrinkwrapParams
from famous.yolo.params import TrainParams

RECIPES: dict[str, type[RecipeParams]] = {"otsu": OtsuParams, "ellipse": EllipseParams, "masknet": MaskNetParams}
Node = TypeVar("Node")


@dataclass(frozen=True)
class ClassConfig:
    """One class of organelle."""

    color: str | None = None  # CSS colour in pictures and meshes; none takes the next of a colour-blind safe set
    extract: Mapping[str, Any] | None = None  # method (otsu, ellipse, masknet), knobs; none takes the class's recipe
    outliers: OutlierParams | None = None  # points that lie off; none takes mesh.outliers and mesh.shrinkwrap.outliers


@dataclass(frozen=True)
class ExtractConfig:
    """Boxes to pixels."""

    recipes: Literal["auto", "default", "paper"] = "auto"  # what classes start from; auto: what the referee picks
    exclusive: tuple[tuple[str, ...], ...] = ()  # groups of classes of which only one may own a pixel
    referee: RefereeParams = field(default_factory=RefereeParams)


@dataclass(frozen=True)
class LinkConfig:
    """Slices to instances."""

    method: Literal["overlap", "centre"] = "overlap"  # ours, or the paper's Algorithm 4
    overlap: OverlapParams = field(default_factory=OverlapParams)
    centre: CentreParams = field(default_factory=CentreParams)
    agree: AgreeParams = field(default_factory=AgreeParams)


@dataclass(frozen=True)
class MeshConfig:
    """Instances to meshes."""

    method: Literal["isosurface", "shrinkwrap", "auto"] = "isosurface"  # ours, the paper's, or by object
    maximum_voxels: int = 32_000_000  # the shrink-wrap meshes crops with more voxels from every 2nd, 3rd … voxel
    outliers: OutlierParams | None = None  # what lies off is left out of the voxels too; none leaves all of them in
    isosurface: IsosurfaceParams = field(default_factory=IsosurfaceParams)
    shrinkwrap: ShrinkwrapParams = field(default_factory=ShrinkwrapParams)
    auto: AutoParams = field(default_factory=AutoParams)


@dataclass(frozen=True)
class Config:
    """Everything that a run depends on besides the stack and the annotations."""

    stack: str | None = None  # where the stack is, relative to this file
    voxel_size: tuple[float, float, float] | None = None  # nm, (z, y, x); none takes the file's
    window: tuple[float, float] | None = None  # grey values shown as black and white; none measures them once
    window_of: str | None = None  # fingerprint of the stack that the window was measured on; none: it is yours
    invert: bool = False  # the stack has bright membranes
    weights: str | None = None  # detector to run; none takes the trained one, else the one that ships
    classes: Mapping[str, ClassConfig] = field(default_factory=dict)  # by class name, in the order of legends
    train: TrainParams = field(default_factory=TrainParams)
    detect: DetectParams = field(default_factory=DetectParams)
    extract: ExtractConfig = field(default_factory=ExtractConfig)
    link: LinkConfig = field(default_factory=LinkConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    measure: MeasureParams = field(default_factory=MeasureParams)

    def mesh_of(self, class_name: str) -> MeshConfig:
        """Return how the instances of a class are meshed."""
        outliers = (self.classes.get(class_name) or ClassConfig()).outliers
        if outliers is None:
            return self.mesh
        wrap = dataclasses.replace(self.mesh.shrinkwrap, outliers=outliers)
        return dataclasses.replace(self.mesh, outliers=outliers, shrinkwrap=wrap)

    def names_recipe(self, class_name: str) -> bool:
        """Tell whether a class has knobs of extraction of its own, which nothing may overrule."""
        return bool((self.classes.get(class_name) or ClassConfig()).extract)

    def recipe(self, class_name: str) -> RecipeParams:
        """Return the extraction parameters of a class: its own knobs over the recipe that it starts from.

        `extract.recipes: auto` starts from our recipe of the class here; what the referee picked is in the run.
        """
        start = (paper_recipe if self.extract.recipes == "paper" else default_recipe)(class_name)
        own = dict((self.classes.get(class_name) or ClassConfig()).extract or {})
        path = f"classes.{class_name}.extract"
        method = own.pop("method", None)
        if method is None:
            kind: type[RecipeParams] = _meant(type(start), own)
        elif isinstance(method, str) and method in RECIPES:
            kind = RECIPES[method]
        else:
            raise ConfigError(f"{path}.method: found {method!r}, expected one of {sorted(RECIPES)}")
        known = next((recipe for recipe in (start, classical_recipe(class_name)) if isinstance(recipe, kind)), None)
        base = dataclasses.asdict(known) if known is not None else {}
        _build(kind, own, path)
        return _build(kind, base | own, path)


def _meant(usual: type[RecipeParams], knobs: Mapping[str, Any]) -> type[RecipeParams]:
    """Tell which kind of recipe knobs without a method are of: the usual one, or the only one that has them all."""
    fitting = [kind for kind in RECIPES.values() if set(knobs) <= {entry.name for entry in dataclasses.fields(kind)}]
    return fitting[0] if usual not in fitting and len(fitting) == 1 else usual


def method_of(recipe: RecipeParams) -> str:
    """Return the name under which the configuration knows a kind of recipe."""
    return next(name for name, kind in RECIPES.items() if isinstance(recipe, kind))


def parse(data: Mapping[str, Any] | None, *, source: str = "configuration") -> Config:
    """Build a configuration from a mapping as YAML gives it.

    Raises
    ------
    ConfigError
        Naming the source, the full path of the key, what was found and what was expected.
    """
    try:
        config = _build(Config, data or {}, "")
        _check_classes(config)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    return config


def _check_classes(config: Config) -> None:
    for name, entry in config.classes.items():
        config.recipe(name)
        if entry.color is not None:
            to_hex(entry.color, name)
    taken: set[str] = set()
    for number, group in enumerate(config.extract.exclusive):
        if twice := taken & set(group):
            raise ConfigError(f"extract.exclusive[{number}]: {sorted(twice)} stand in two groups, expected one at most")
        taken |= set(group)


def read(*paths: Path) -> Config:
    """Read YAML files, each over the ones before it; a file that is not there counts as empty."""
    merged: dict[str, Any] = {}
    for path in paths:
        if not path.exists():
            continue
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror or error}), expected a YAML file") from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that is none is a ValueError
            raise ConfigError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from error
        if data is not None and not isinstance(data, Mapping):
            raise ConfigError(f"{path}: found {type(data).__name__}, expected keys and values")
        parse(data, source=str(path))
        merged = _merge(merged, data or {})
    return parse(merged, source=str(paths[-1]) if paths else "configuration")


def write(path: Path, config: Config) -> None:
    """Write the knobs that differ from the default, atomically."""
    text = (
        "# Written by famous: what differs from the defaults. Comments here do not last; keep knobs of your own in a\n"
        "# file and name it with --config. Every knob and its default: configs/default.yaml\n"
    )
    data = to_mapping(config)
    write_text(path, text + (yaml.safe_dump(data, sort_keys=False, allow_unicode=True) if data else ""))


def to_mapping(config: Any, default: Any = None) -> dict[str, Any]:
    """Return what differs from the default as plain mappings, lists and scalars."""
    default = type(config)() if default is None else default
    found: dict[str, Any] = {}
    for entry in dataclasses.fields(config):
        value, usual = getattr(config, entry.name), getattr(default, entry.name)
        if value == usual:
            continue
        found[entry.name] = _differing(value, usual)
    return found


def _differing(value: Any, usual: Any) -> Any:
    """Return what differs from the usual value; of parameters where usually are none, what differs from theirs."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_mapping(value, usual if dataclasses.is_dataclass(usual) else None)
    if isinstance(value, Mapping) and any(dataclasses.is_dataclass(item) for item in value.values()):
        return {str(key): _differing(item, None) for key, item in value.items()}
    return plain(value)


def plain(value: Any) -> Any:
    """Turn parameters into what YAML and JSON hold: mappings, lists and scalars."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _build(kind: type[Node], data: Any, path: str) -> Node:
    """Build a dataclass from a mapping, key by key, so that every error has its full path."""
    if not isinstance(data, Mapping):
        raise ConfigError(f"{path or 'top level'}: found {data!r}, expected keys and values")
    hints = get_type_hints(kind)
    names = [entry.name for entry in dataclasses.fields(kind)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in data.items():
        where = f"{path}.{key}" if path else str(key)
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(names)}"
            raise ConfigError(f"{where}: unknown key; {hint}")
        values[key] = _value(hints[key], value, where)
    try:
        return kind(**values)
    except ConfigError as error:  # it begins with the name of its own section, wherever that stands
        raise ConfigError(f"{path.rpartition('.')[0]}.{error}".lstrip(".")) from error
    except InputError as error:  # it begins with the name of what was to be done
        raise ConfigError(f"{path or 'top level'}: {str(error).partition(': ')[2]}") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path or 'top level'}: {error}") from error


def _value(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _build(kind, value, where)
    if kind == OutlierParams | None:
        return None if value is None else _build(OutlierParams, value, where)
    if kind == Mapping[str, ClassConfig]:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: found {value!r}, expected class names with their settings")
        return {str(name): _build(ClassConfig, entry or {}, f"{where}.{name}") for name, entry in value.items()}
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        inner = "".join(f"[{part}]" for part in first["loc"] if isinstance(part, int))
        raise ConfigError(f"{where}{inner}: found {first['input']!r}, {first['msg'].lower()}") from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))
