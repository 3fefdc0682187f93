import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.config import Config, parse, plain, read, to_mapping, write
from famous.detect import DetectParams
from famous.errors import ConfigError
from famous.extract import EllipseParams, OtsuParams, default_recipe, paper_recipe


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


def test_a_class_starts_from_its_recipe_and_changes_only_what_is_said():
    config = parse({"classes": {"mitochondrion": {"extract": {"blur_nm": 40}}}})
    expected = dataclasses.replace(default_recipe("mitochondrion"), blur_nm=40.0)
    assert config.recipe("mitochondrion") == expected
    assert config.recipe("early endosome") == default_recipe("early endosome")


def test_a_class_can_take_another_method():
    config = parse({"classes": {"mitochondrion": {"extract": {"method": "ellipse"}}}})
    assert config.recipe("mitochondrion") == EllipseParams()
    config = parse({"classes": {"lysosome": {"extract": {"method": "otsu", "polarity": "bright"}}}})
    assert config.recipe("lysosome") == OtsuParams(polarity="bright")


def test_paper_mode_takes_the_papers_recipes():
    config = parse({"extract": {"recipes": "paper"}})
    assert config.recipe("mitochondrion") == paper_recipe("mitochondrion")
    assert config.recipe("mitochondrion") != default_recipe("mitochondrion")


def test_outliers_can_be_told_per_class():
    config = parse({"classes": {"lysosome": {"outliers": {"std_ratio": 1.5}}}})
    assert config.mesh_of("lysosome").shrinkwrap.outliers.std_ratio == 1.5
    assert config.mesh_of("nucleus") == config.mesh


def test_what_is_written_is_read_back(tmp_path):
    config = parse({"window": [3, 200], "detect": {"score": 0.25}, "classes": {"nucleus": {"color": "#0072b2"}}})
    path = tmp_path / "famous.yaml"
    write(path, config)
    assert read(path) == config
    assert "tile_px" not in path.read_text()


def test_files_lie_over_each_other_key_by_key(tmp_path):
    below, above = tmp_path / "a.yaml", tmp_path / "b.yaml"
    below.write_text("detect: {score: 0.3, batch: 2}\n")
    above.write_text("detect: {score: 0.4}\n")
    assert read(below, above).detect == DetectParams(score=0.4, batch=2)
    assert read(tmp_path / "missing.yaml") == Config()


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "just words", "\x00", "a: !!python/object:os.system {}"])
def test_a_file_that_is_no_configuration_is_named(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"broken\.yaml"):
        read(path)


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner))
)
def test_any_tree_gives_a_configuration_or_a_config_error(data):
    with contextlib.suppress(ConfigError):
        assert isinstance(parse(data), Config)


def test_plain_turns_parameters_into_what_yaml_holds():
    assert plain(EllipseParams()) == {"scale": 1.0}
    assert plain({"a": (1, 2)}) == {"a": [1, 2]}
