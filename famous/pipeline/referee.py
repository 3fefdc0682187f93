"""The referee of a run: ranks the recipes of each class on the labelled slices and notes it in `run/referee.json`."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import famous
from famous.boxes import CORNERS
from famous.config import Config, method_of, plain
from famous.errors import InputError, MissingError
from famous.extract import MaskNetParams, RecipeParams, canonical
from famous.extract.evidence import EVIDENCE, Sample, examine
from famous.extract.referee import RefereeParams, candidates, choose, kinds, rank
from famous.files import write_json
from famous.pipeline import manifest
from famous.pipeline.project import Project
from famous.pipeline.stage import Session, alone
from famous.pipeline.train import annotations_hash, read_annotations
from famous.stack import slabs
from famous.yolo.masknet import masknet_digest, open_extractor

REACH = 5  # slices that are read round each labelled one: two on either side


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the referee says of one class."""

    class_name: str
    labelled: int  # boxes on slices that are declared done
    ranking: pd.DataFrame  # as `famous.extract.referee.rank` gives it; empty where there are too few boxes

    @property
    def pick(self) -> str | None:
        """Name of the best recipe; None where there are too few boxes for a verdict."""
        return None if self.ranking.empty else str(self.ranking["recipe"].iloc[0])


def run_referee(project: Project, session: Session) -> list[Verdict]:
    """Judge every class that has boxes on slices that are done, or read the verdicts if nothing has changed since.

    A class with fewer usable boxes than `extract.referee.minimum_boxes` gets no pick. Nothing is written where nothing
    is labelled.

    Raises
    ------
    InputError
        If the stack has no voxel size, or another famous is at work in the same folder.
    """
    boxes = _labelled(project)
    if boxes.empty and not project.referee.exists():
        return []
    fingerprint = _fingerprint(project, sorted(boxes["class_name"].unique()))
    if project.referee.exists() and not session.again and _read(project)["fingerprint"] == fingerprint:
        verdicts = read_verdicts(project)
        session.reporter.end("referee", f"{_in_short(verdicts)}, done before")
        return verdicts
    project.run.mkdir(parents=True, exist_ok=True)
    with alone(project.run):
        verdicts = _judge(project, boxes, session)
        write_json(
            project.referee,
            {
                "famous": famous.__version__,
                "fingerprint": fingerprint,
                "classes": {verdict.class_name: _as_json(verdict) for verdict in verdicts},
            },
        )
    session.reporter.end("referee", _in_short(verdicts))
    return verdicts


def read_verdicts(project: Project) -> list[Verdict]:
    """Read what the referee said last, whatever has been labelled since; nothing where it was never asked."""
    if not project.referee.exists():
        return []
    found = []
    columns = ["rank", "recipe", "score", "boxes", *EVIDENCE]
    for name, entry in _read(project)["classes"].items():
        ranking = pd.DataFrame(entry["ranking"], columns=columns).astype({"recipe": "str"})
        found.append(Verdict(name, entry["labelled"], ranking))
    return found


def recipes_of(project: Project, class_names: Iterable[str]) -> dict[str, RecipeParams]:
    """Return the recipe of each class: what the configuration names, else the referee's pick, else its default."""
    picks = {} if not asks_referee(project.config) else {v.class_name: v.pick for v in read_verdicts(project) if v.pick}
    alike = {canonical(name): pick for name, pick in picks.items()}
    found = {}
    for name in class_names:
        pick = picks.get(name, alike.get(canonical(name)))
        known = tried(name)
        is_free = pick in known and not project.config.names_recipe(name)
        found[name] = known[pick] if pick is not None and is_free else project.config.recipe(name)
    return found


def tried(class_name: str) -> dict[str, RecipeParams]:
    """Return the recipes that can be tried here: masknet only where its network is installed."""
    found = candidates(class_name)
    there = _masknet() is not None
    return {name: recipe for name, recipe in found.items() if there or not isinstance(recipe, MaskNetParams)}


def asks_referee(config: Config) -> bool:
    """Tell whether the referee decides over any class."""
    return config.extract.recipes == "auto"


def reason(project: Project, verdict: Verdict) -> str:
    """Say why a class has its recipe."""
    if project.config.names_recipe(verdict.class_name):
        return "named in the configuration"
    if not asks_referee(project.config):
        return f"extract.recipes: {project.config.extract.recipes}"
    if verdict.pick is None:
        least = project.config.extract.referee.minimum_boxes
        return f"default: {verdict.labelled} labelled boxes, a verdict takes {least} of a fair size"
    return "picked by the referee"


def describe(project: Project, verdict: Verdict) -> dict[str, Any]:
    """Return a verdict for scripts."""
    recipe = recipes_of(project, [verdict.class_name])[verdict.class_name]
    return {
        "labelled": verdict.labelled,
        "pick": verdict.pick,
        "recipe": {"method": method_of(recipe), **plain(recipe)},
        "reason": reason(project, verdict),
        "ranking": verdict.ranking.to_dict("records"),
    }


def _labelled(project: Project) -> pd.DataFrame:
    """Boxes on slices that are declared done, in their order."""
    labelled = read_annotations(project)
    if labelled is None:
        return pd.DataFrame({"class_name": pd.Series(dtype="str")})
    boxes = labelled.boxes[labelled.boxes["z"].isin(sorted(labelled.done))]
    return boxes.sort_values(["z", *CORNERS, "class_name"], kind="stable", ignore_index=True)


def _judge(project: Project, boxes: pd.DataFrame, session: Session) -> list[Verdict]:
    """Try every class in one pass through the slices that hold a chosen box."""
    params = project.config.extract.referee
    groups = {str(name): group for name, group in boxes.groupby("class_name", sort=True)}
    chosen = {name: _chosen(group, params) for name, group in groups.items()}
    known = {name: tried(name) for name, group in chosen.items() if len(group)}
    recipes = {
        name: {recipe: open_extractor(own, project.model) for recipe, own in params_of.items()}
        for name, params_of in known.items()
    }
    voices = {name: kinds(params_of) for name, params_of in known.items()}
    slices = sorted({int(z) for group in chosen.values() for z in group["z"]})
    evidence: dict[str, list[pd.DataFrame]] = {name: [] for name in chosen}
    session.reporter.begin("referee", len(slices))
    for z, slab in slabs(project.stack, slices, REACH):
        for name, group in chosen.items():
            corners = group.loc[group["z"] == z, CORNERS].to_numpy("int32")
            if len(corners):
                sample, own, size = Sample(slab, corners), recipes[name], project.voxel_size
                found = examine(sample, own, voxel_size=size, params=params.evidence, kinds=voices[name])
                evidence[name].append(found)
        session.reporter.advance(1)
    return [
        Verdict(name, len(group), rank(evidence[name], recipes.get(name, {}), params.weights, params.margin))
        for name, group in groups.items()
    ]


def _chosen(group: pd.DataFrame, params: RefereeParams) -> pd.DataFrame:
    """Boxes of a class that are tried; none where they are too few."""
    chosen = group.iloc[choose(group[CORNERS].to_numpy("int64"), params)]
    return chosen if len(chosen) >= params.minimum_boxes else chosen.iloc[:0]


def _fingerprint(project: Project, names: list[str]) -> str:
    """Hash of everything that decides over the verdicts."""
    parameters = {
        "referee": plain(project.config.extract.referee),
        "voxel_size": project.voxel_size.zyx,
        "candidates": {name: {r: [method_of(p), plain(p)] for r, p in tried(name).items()} for name in names},
    }
    inputs = {
        "stack": project.opened.fingerprint,
        "window": str(project.config.window),
        "invert": str(project.config.invert),
        "annotations": annotations_hash(project),
        "masknet": _masknet(project.model) or "",
    }
    return manifest.fingerprint("referee", parameters, inputs)


def _masknet(model: Path | None = None) -> str | None:
    """SHA-256 of the network that a project asks; None where it is not installed."""
    try:
        return masknet_digest(model)
    except MissingError:
        return None


def _as_json(verdict: Verdict) -> dict[str, Any]:
    return {"labelled": verdict.labelled, "pick": verdict.pick, "ranking": verdict.ranking.to_dict("records")}


def _read(project: Project) -> dict[str, Any]:
    mend = "remove it and it is made again"
    try:
        found = json.loads(project.referee.read_bytes())
        classes = {name: (entry["labelled"], entry["ranking"]) for name, entry in found["classes"].items()}
        for labelled, ranking in classes.values():
            if not isinstance(labelled, int) or any({"rank", "recipe", "score"} - set(row) for row in ranking):
                raise TypeError("a class without its ranking")
        found["fingerprint"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{project.referee}: not a referee's verdict ({error}); {mend}") from error
    return dict(found)


def _in_short(verdicts: list[Verdict]) -> str:
    return "; ".join(f"{v.class_name}: {v.pick or 'too few boxes'}" for v in verdicts) or "no class is labelled"
