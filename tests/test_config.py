import contextlib
import dataclasses
import re
from typing import get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.config import RECIPES, ClassConfig, Config, method_of, parse, plain, read, to_mapping, write
from famous.detect import DetectParams
from famous.errors import ConfigError
from famous.extract import EllipseParams, MaskNetParams, OtsuParams, classical_recipe, default_recipe, paper_recipe


def test_nothing_gives_the_defaults():
    assert parse(None) == parse({}) == Config()
    assert to_mapping(Config()) == {}


def test_every_stage_can_be_told():
    config = parse(
        {
            "voxel_size": [50, 5, 5],
            "detect": {"score": 0.3, "class_scores": {"nucleus": 0.5}},
            "link": {"method": "centre", "centre": {"layers": 10}},
            "mesh": {"shrinkwrap": {"outliers": {"neighbours": 8}}},
            "extract": {"exclusive": [["lysosome", "late endosome"]]},
        }
    )
    assert config.voxel_size == (50.0, 5.0, 5.0)
    assert config.detect == DetectParams(score=0.3, class_scores={"nucleus": 0.5})
    assert config.link.method == "centre"
    assert config.link.centre.layers == 10
    assert config.mesh.shrinkwrap.outliers.neighbours == 8
    assert config.extract.exclusive == (("lysosome", "late endosome"),)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"detekt": {}}, "detekt: unknown key; did you mean detect?"),
        ({"detect": {"scor": 0.1}}, "detect.scor: unknown key; did you mean score?"),
        ({"mesh": {"shrinkwrap": {"outliers": {"neighbors": 1}}}}, "mesh.shrinkwrap.outliers.neighbors: unknown key"),
        ({"detect": {"batch": "many"}}, "detect.batch: found 'many'"),
        ({"detect": 3}, "detect: found 3, expected keys and values"),
        ({"voxel_size": [5, 5]}, "voxel_size"),
        ({"voxel_size": [5, float("nan"), 5]}, "voxel_size[1]"),
        ({"link": {"method": "magic"}}, "link.method: found 'magic'"),
        ({"classes": {"nucleus": {"colour": "red"}}}, "classes.nucleus.colour: unknown key; did you mean color?"),
        ({"classes": {"nucleus": {"extract": {"method": "sam"}}}}, "classes.nucleus.extract.method: found 'sam'"),
        ({"classes": {"nucleus": {"extract": {"blur": 3}}}}, "classes.nucleus.extract.blur: unknown key"),
        ({"classes": ["nucleus"]}, "classes: found ['nucleus']"),
        ({"detect": {"score": 7}}, "7"),
        ({7: 1}, "7: unknown key"),
    ],
)
def test_a_wrong_key_or_value_is_named_by_its_full_path(data, message):
    with pytest.raises(ConfigError) as raised:
        parse(data, source="mine.yaml")
    assert str(raised.value).startswith("mine.yaml: ")
    assert message in str(raised.value)


def knobs(kind, path=()):
    """Yield the path of every knob of a section and of those inside it, a list of keys each."""
    for name, hint in get_type_hints(kind).items():
        section = next((part for part in (hint, *get_args(hint)) if dataclasses.is_dataclass(part)), None)
        if section is not None and section is not ClassConfig:
            yield from knobs(section, (*path, name))
        elif section is None:
            yield (*path, name)


KNOBS = [
    *knobs(Config),
    *(("classes", "nucleus", "outliers", key) for key in ("neighbours", "std_ratio")),
    *(("classes", "nucleus", "extract", *knob) for recipe in RECIPES.values() for knob in knobs(recipe)),
]


@pytest.mark.parametrize("value", [-7, -0.5, 0, 0.5, 33, 1e9, float("nan"), "x"])
def test_a_knob_that_is_refused_is_named_by_where_it_stands(value):
    """The path, full or up to the section, whose knobs the message then names."""
    refused = set()
    for knob in KNOBS:
        data = value
        for key in reversed(knob):
            data = {key: data}
        try:
            parse(data, source="mine.yaml")
        except ConfigError as error:
            refused.add(knob)
            section = re.escape(".".join(knob[:-1]))
            own = rf"{section}\.\w+(\[\w+\])?" if section else knob[0]
            assert re.match(rf"mine\.yaml: ({own}|{section}): found ", str(error)), str(error)  # noqa: PT017
    assert value in (0.5, 33) or len(refused) > 20


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"link": {"overlap": {"gap_nm": -5}}}, "link.overlap.gap_nm"),
        ({"link": {"centre": {"layers": 0}}}, "link.centre.layers"),
        ({"link": {"agree": {"sigma_nm": -1}}}, "link.agree.sigma_nm"),
        ({"mesh": {"isosurface": {"max_faces": 1}}}, "mesh.isosurface.max_faces"),
        ({"mesh": {"shrinkwrap": {"taubin_mu": 1}}}, "mesh.shrinkwrap.taubin_mu"),
        ({"mesh": {"shrinkwrap": {"outliers": {"neighbours": 0}}}}, "mesh.shrinkwrap.outliers.neighbours"),
        ({"mesh": {"outliers": {"neighbours": 0}}}, "mesh.outliers.neighbours"),
        ({"mesh": {"outliers": {"std_ratio": "x"}}}, "mesh.outliers.std_ratio"),
        ({"mesh": {"auto": {"patch": 2}}}, "mesh.auto.patch"),
        ({"measure": {"thickness": {"points": 1}}}, "measure.thickness.points"),
        ({"measure": {"skeleton": {"spur": -1}}}, "measure.skeleton.spur"),
        ({"train": {"masks": {"steps": -1}}}, "train.masks.steps"),
        ({"train": {"minutes": 0}}, "train.minutes"),
        ({"classes": {"a.b": {"outliers": {"neighbours": 0}}}}, "classes.a.b.outliers.neighbours"),
        ({"detect": {"overlap_px": 0}}, "detect"),
        ({"extract": {"referee": {"evidence": {"shift": 2}}}}, "extract.referee.evidence"),
        ({"classes": {"nucleus": {"extract": {"blur_nm": -1}}}}, "classes.nucleus.extract"),
    ],
)
def test_a_value_out_of_range_is_named_by_its_full_path(data, path):
    with pytest.raises(ConfigError, match=rf"^mine\.yaml: {re.escape(path)}: found "):
        parse(data, source="mine.yaml")


def test_an_unknown_key_of_a_section_that_may_be_left_out_is_named():
    with pytest.raises(ConfigError, match=r"mesh\.outliers\.neighbors: unknown key; did you mean neighbours"):
        parse({"mesh": {"outliers": {"neighbors": 3}}})


def test_a_class_starts_from_its_recipe_and_changes_only_what_is_said():
    config = parse({"classes": {"mitochondrion": {"extract": {"blur_nm": 40}}}})
    expected = dataclasses.replace(classical_recipe("mitochondrion"), blur_nm=40.0)
    assert config.recipe("mitochondrion") == expected
    assert config.recipe("early endosome") == default_recipe("early endosome")


def test_a_class_can_take_another_method():
    config = parse({"classes": {"mitochondrion": {"extract": {"method": "ellipse"}}}})
    assert config.recipe("mitochondrion") == EllipseParams()
    config = parse({"classes": {"early endosome": {"extract": {"method": "otsu", "fill_holes": False}}}})
    assert config.recipe("early endosome") == OtsuParams(polarity="bright", fill_holes=False)
    config = parse({"classes": {"mitochondrion": {"extract": {"level": 0.4}}}})
    assert config.recipe("mitochondrion") == MaskNetParams(level=0.4)
    config = parse({"classes": {"lysosome": {"extract": {"method": "otsu", "polarity": "bright"}}}})
    assert config.recipe("lysosome") == OtsuParams(polarity="bright")


def test_the_referee_decides_unless_it_is_said_otherwise():
    assert Config().extract.recipes == "auto"
    assert Config().recipe("mitochondrion") == default_recipe("mitochondrion")
    assert parse({"extract": {"recipes": "default"}}).recipe("nucleus") == default_recipe("nucleus")
    config = parse({"extract": {"referee": {"boxes": 20, "weights": {"touch": 1}, "evidence": {"shift": 0.1}}}})
    assert (config.extract.referee.boxes, config.extract.referee.weights.touch) == (20, 1.0)
    assert config.extract.referee.evidence.shift == 0.1
    with pytest.raises(ConfigError, match=r"extract.referee: .*found boxes 2"):
        parse({"extract": {"referee": {"boxes": 2}}})


def test_a_class_names_its_recipe_if_it_has_a_knob_of_it():
    classes = {"a": {"extract": {"blur_nm": 1, "method": "otsu"}}, "b": {"color": "red"}, "c": {"extract": {}}}
    config = parse({"classes": classes})
    assert [config.names_recipe(name) for name in "abcd"] == [True, False, False, False]


def test_a_recipe_has_the_name_of_its_method():
    assert method_of(EllipseParams()) == "ellipse"
    assert method_of(default_recipe("mitochondrion")) in RECIPES


def test_paper_mode_takes_the_papers_recipes():
    config = parse({"extract": {"recipes": "paper"}})
    assert config.recipe("mitochondrion") == paper_recipe("mitochondrion")
    assert config.recipe("mitochondrion") != default_recipe("mitochondrion")


def test_outliers_can_be_told_per_class():
    config = parse({"classes": {"lysosome": {"outliers": {"std_ratio": 1.5}}}})
    own = config.mesh_of("lysosome")
    assert own.shrinkwrap.outliers.std_ratio == 1.5
    assert own.outliers.std_ratio == 1.5
    assert config.mesh.outliers is None
    assert config.mesh_of("nucleus") == config.mesh


def test_what_is_written_is_read_back(tmp_path):
    config = parse({"window": [3, 200], "detect": {"score": 0.25}, "classes": {"nucleus": {"color": "#0072b2"}}})
    path = tmp_path / "famous.yaml"
    write(path, config)
    assert read(path) == config
    assert "tile_px" not in path.read_text()


def test_a_class_is_written_with_what_was_said_of_it_and_no_more(tmp_path):
    said = {
        "nucleus": {"color": "#0072b2"},
        "bare": {},
        "lysosome": {"extract": {"method": "otsu", "polarity": "bright"}, "outliers": {"std_ratio": 1.5}},
        "usual": {"outliers": {}},
    }
    config = parse({"classes": said})
    assert to_mapping(config) == {"classes": said}
    path = tmp_path / "famous.yaml"
    write(path, config)
    assert "null" not in path.read_text(encoding="utf-8")
    assert read(path) == config
    assert list(read(path).classes) == list(said)
    assert read(path).classes["usual"].outliers is not None


def test_a_class_that_was_written_with_nulls_is_read_the_same(tmp_path):
    path = tmp_path / "famous.yaml"
    path.write_text(
        "classes:\n  nucleus: {color: '#0072b2', extract: null, outliers: null}\n  bare: null\n", encoding="utf-8"
    )
    assert read(path) == parse({"classes": {"nucleus": {"color": "#0072b2"}, "bare": {}}})


def test_files_lie_over_each_other_key_by_key(tmp_path):
    below, above = tmp_path / "a.yaml", tmp_path / "b.yaml"
    below.write_text("detect: {score: 0.3, batch: 2}\n")
    above.write_text("detect: {score: 0.4}\n")
    assert read(below, above).detect == DetectParams(score=0.4, batch=2)
    assert read(tmp_path / "missing.yaml") == Config()


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "- 1\n- 2\n",
        "just words",
        "\x00",
        "a: !!python/object:os.system {}",
        "stack: 2024-99-99",
        "detect: {batch: 2024-02-30 25:61:61}",
        "a: *nowhere",
        "? [a]\n: b",
        "classes: " + "{a: " * 5000,
        "%YAML 9.9\n---\na: 1\n... x",
    ],
    ids=lambda text: text[:40],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"broken\.yaml"):
        read(path)


@settings(max_examples=50)
@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner))
)
def test_any_tree_gives_a_configuration_or_a_config_error(data):
    with contextlib.suppress(ConfigError):
        assert isinstance(parse(data), Config)


def test_plain_turns_parameters_into_what_yaml_holds():
    assert plain(EllipseParams()) == {"scale": 1.0}
    assert plain({"a": (1, 2)}) == {"a": [1, 2]}


@pytest.mark.parametrize("content", [b"\xff\xfe", b"classes: {n\xe4me: {}}", b"\x80"])
def test_bytes_that_are_no_text_are_named(tmp_path, content):
    path = tmp_path / "latin.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"latin\.yaml: not a YAML file"):
        read(path)


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read .*expected a YAML file"):
        read(tmp_path)


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "null\n", "{}\n", "\ufeff"])
def test_an_empty_file_is_the_defaults(tmp_path, text):
    path = tmp_path / "famous.yaml"
    path.write_text(text, encoding="utf-8")
    assert read(path) == Config()
    assert read(path, path) == read() == Config()


def test_the_error_of_several_files_names_the_right_one(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("detect: {score: 0.3}\n")
    bad.write_text("detect: {score: [1]}\n")
    for order in ((good, bad), (bad, good)):
        with pytest.raises(ConfigError, match=r"bad\.yaml: detect\.score: found \[1\]"):
            read(*order)


def test_files_that_are_fine_alone_and_not_together_are_refused(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("classes: {er: {extract: {method: ellipse, scale: 0.9}}}\n")
    second.write_text("classes: {er: {extract: {method: otsu}}}\n")
    with pytest.raises(ConfigError, match=r"classes\.er\.extract\.scale: unknown key"):
        read(first, second)


def test_values_replace_lists_and_mappings_of_lower_files(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("extract: {exclusive: [[a, b]]}\nclasses: {x: {color: red}, y: {}}\n")
    second.write_text("extract: {exclusive: [[c, d]]}\nclasses: {x: {color: blue}}\n")
    config = read(first, second)
    assert config.extract.exclusive == (("c", "d"),)
    assert {name: entry.color for name, entry in config.classes.items()} == {"x": "blue", "y": None}


@pytest.mark.parametrize(
    "data",
    [
        {"invert": "maybe"},
        {"invert": 3},
        {"voxel_size": "8 8 8"},
        {"voxel_size": [True, None, {}]},
        {"window": [1]},
        {"window": [float("inf"), 1]},
        {"weights": 5},
        {"extract": {"exclusive": "ab"}},
        {"extract": {"exclusive": [["a"], 3]}},
        {"classes": {"er": 3}},
        {"classes": {"er": {"extract": "otsu"}}},
        {"classes": {"er": {"extract": {"method": ["otsu"]}}}},
        {"link": {"overlap": None}},
        {"mesh": {"maximum_voxels": 1.5}},
        {"detect": {"class_scores": {"er": "high"}}},
    ],
    ids=str,
)
def test_values_of_another_kind_are_config_errors(data):
    with pytest.raises(ConfigError, match=r"^mine: \w+"):
        parse(data, source="mine")


CLASS_NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "stack": st.none() | CLASS_NAMES,
        "voxel_size": st.none() | st.tuples(*[st.floats(0.1, 1e4)] * 3),
        "window": st.none() | st.tuples(st.floats(0, 10), st.floats(11, 1e6)),
        "invert": st.booleans(),
        "classes": st.dictionaries(CLASS_NAMES, st.fixed_dictionaries({}, optional={"color": st.just("#0072b2")})),
        "detect": st.fixed_dictionaries({}, optional={"score": st.floats(0.01, 0.99), "batch": st.integers(1, 64)}),
        "link": st.fixed_dictionaries({}, optional={"method": st.sampled_from(["overlap", "centre"])}),
    },
)


@settings(max_examples=20)
@given(CONFIGS)
def test_any_configuration_comes_back_from_its_file(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "round ü.yaml"
    config = parse(data)
    write(path, config)
    assert read(path) == config
    assert list(read(path).classes) == list(config.classes)
    before = path.read_bytes()
    write(path, read(path))
    assert path.read_bytes() == before
