"""The plots of a comparison."""

import re
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from famous.compare.comparison import COLUMNS, Comparison, SourceFacts, as_table, empty_table
from famous.report import comparison_plots
from famous.report.comparison_axes import whole_numbers
from famous.report.comparison_plots import Plot, plots
from famous.report.inline_svg import new_figure
from tests.comparisons import CLASSES, SIZE, cell, compare

KEYS = ["totals", "distributions", "sizes", "slices", "thresholds"]


@pytest.fixture(scope="module")
def drawn() -> dict[str, Plot]:
    return plots(compare(cell()))


def test_every_plot_is_there_with_its_classes_as_text(drawn: dict[str, Plot]) -> None:
    assert list(drawn) == KEYS
    for plot in drawn.values():
        assert plot.svg.startswith("<svg viewBox=")
        assert 'role="img"' in plot.svg
        for name in CLASSES:
            assert f">{name}</text>" in plot.svg
        assert plot.caption.endswith(".")


def test_total_volumes_have_three_digits() -> None:
    comparison = compare(cell())
    volumes = [1.06, 1.04, 0.297, 0.305, 0.0000819, 1234.5] * len(comparison.totals)
    totals = comparison.totals.assign(volume_um3=volumes[: len(comparison.totals)])
    svg = plots(replace(comparison, totals=totals))["totals"].svg
    for text in ("1.06", "1.04", "0.297", "0.305", "0.0000819", "1,230"):
        assert f">{text}</text>" in svg


def test_boxes_have_numbers_and_no_volumes() -> None:
    comparison = compare(cell())
    boxes = replace(
        comparison,
        objects=comparison.objects.assign(volume_um3=np.nan),
        totals=comparison.totals.assign(volume_um3=np.nan, area_um2=np.nan),
    )
    drawn = plots(boxes)
    assert "sizes" not in drawn
    assert drawn["totals"].title == "Number"
    assert "µm³" not in drawn["totals"].svg
    assert ">Number of objects</text>" in drawn["totals"].svg


@pytest.fixture(scope="module")
def with_an_empty_class() -> dict[str, Plot]:
    """Plots of a comparison of which nobody has a lysosome."""
    comparison = compare(cell())
    tables = {
        name: table[table["class"] != "lysosome"] for name, table in comparison.tables().items() if "class" in table
    }
    gone = comparison.slices["class"] == "lysosome"
    tables["slices"] = comparison.slices.assign(f1=comparison.slices["f1"].mask(gone))
    gone = comparison.detection["class"] == "lysosome"
    tables["detection"] = comparison.detection.assign(f1=comparison.detection["f1"].mask(gone))
    gone = comparison.totals["class"] == "lysosome"
    tables["totals"] = comparison.totals.assign(
        count=comparison.totals["count"].mask(gone, 0), volume_um3=comparison.totals["volume_um3"].mask(gone, 0)
    )
    return plots(replace(comparison, **tables))


@pytest.mark.parametrize(
    ("key", "reason", "panels"),
    [
        ("totals", "no source", 2),
        ("distributions", "no source has an object of it", 1),
        ("sizes", "no truth has an object of it", 1),
        ("slices", "no slice of any source has it", 1),
        ("thresholds", "no source has an object of it", 1),
    ],
)
def test_an_empty_class_has_words_and_no_axes(
    drawn: dict[str, Plot], with_an_empty_class: dict[str, Plot], key: str, reason: str, panels: int
) -> None:
    assert with_an_empty_class[key].svg.count(f">{reason}</text>") == panels
    assert f">{reason}</text>" not in drawn[key].svg
    ticks = [plots[key].svg.count("-xtick_") for plots in (drawn, with_an_empty_class)]
    assert ticks[1] < ticks[0] if key != "totals" else ticks[1] == ticks[0]


@pytest.mark.parametrize("most", [1, 3, 9, 10_000])
def test_objects_and_slices_are_counted_in_whole_numbers(most: int) -> None:
    figure = new_figure(3, 2)
    axes = figure.subplots()
    axes.set_xlim(-0.5, most + 0.5)
    axes.set_ylim(0, 1.1 * most)
    for which, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        whole_numbers(axes, which)
        assert all(float(tick).is_integer() for tick in axis.get_majorticklocs())
    assert "." not in axes.yaxis.get_major_formatter()(most)


def test_counts_and_slices_have_no_half_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(comparison_plots, "whole_numbers", lambda _, which: asked.append(which))
    comparison = compare(cell())
    comparison_plots.totals(comparison)
    assert asked == ["y"], "of the number, and not of the volume"
    comparison_plots.slices(comparison)
    assert asked[1:] == ["x"] * len(CLASSES)


def test_the_threshold_promises_no_verdict(drawn: dict[str, Plot]) -> None:
    plot = drawn["thresholds"]
    assert "as good" not in plot.caption
    assert "without their intervals; dashed" in plot.caption
    assert "verdict" not in plot.title.lower()


def test_slices_are_said_to_be_of_pixels(drawn: dict[str, Plot]) -> None:
    assert "pixels" in drawn["slices"].title
    assert ">F1 of pixels</text>" in drawn["slices"].svg


def test_a_slice_alone_is_seen() -> None:
    values = np.array([np.nan, 0.5, np.nan, 0.5, 0.5, np.nan, 0.1])
    assert np.flatnonzero(comparison_plots._alone(values)).tolist() == [1, 6]
    comparison = compare(cell())
    one = comparison.slices[comparison.slices["z"] == 16]
    plot = comparison_plots.slices(replace(comparison, slices=one))
    assert plot is not None
    assert "PathCollection" in plot.svg


def test_colours_are_the_pages_own(drawn: dict[str, Plot]) -> None:
    for plot in drawn.values():
        colours = set(re.findall(r"#[0-9a-f]{6}\b", plot.svg)) - {"#000000", "#ffffff"}
        assert colours == set(), plot.key
    assert "var(--source-1)" in drawn["totals"].svg
    assert "var(--pair-2)" in drawn["thresholds"].svg


def test_the_same_tables_give_the_same_bytes_whatever_the_user_set(drawn: dict[str, Plot]) -> None:
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.grid": True}):
        assert plots(compare(cell())) == drawn
        assert mpl.rcParams["font.size"] == 30


@pytest.mark.parametrize(
    ("gone", "key"),
    [
        ("totals", "totals"),
        ("objects", "distributions"),
        ("matches", "sizes"),
        ("slices", "slices"),
        ("detection", "thresholds"),
    ],
)
def test_a_table_that_is_empty_has_no_plot(gone: str, key: str) -> None:
    assert getattr(comparison_plots, key)(replace(compare(cell()), **{gone: empty_table(gone)})) is None


def test_nothing_compared_has_no_plots() -> None:
    assert plots(Comparison.empty()) == {}
    assert set(COLUMNS) >= {"totals", "slices"}


def test_one_class_and_many_classes() -> None:
    names = [f"class {k}" for k in range(9)]
    facts = (
        SourceFacts("a", "a", "f", SIZE, (1, 1, 1), tuple(names)),
        SourceFacts("b", "b", "f", SIZE, (1, 1, 1), tuple(names)),
    )
    row = {
        "id": 1,
        "voxels": 5,
        "touches_border": False,
        **{f"{end}_{axis}_voxel": 1 for end in ("low", "high") for axis in "zyx"},
    }
    rows = [row | {"source": source, "class": name, "volume_um3": 0.5} for source in "ab" for name in names]
    drawn = plots(Comparison.empty(facts, objects=as_table("objects", rows)))
    assert drawn["distributions"].svg.count(">class ") == 9
    one = plots(Comparison.empty((replace(facts[0], classes=("class 0",)),), objects=as_table("objects", rows)))
    assert ">class 0<" in one["distributions"].svg


def test_a_name_with_a_dollar_is_no_formula_and_markup_is_text() -> None:
    evil = "$x_1$<b>&"
    comparison = compare(cell())
    tables = {
        name: table.assign(**{"class": table["class"].replace("lysosome", evil)})
        for name, table in comparison.tables().items()
        if "class" in table
    }
    sources = tuple(replace(facts, classes=(*CLASSES[:3], evil)) for facts in comparison.sources)
    for plot in plots(replace(comparison, sources=sources, **tables)).values():
        assert "$x_1$&lt;b&gt;&amp;" in plot.svg


def test_thousands_of_objects_stay_small() -> None:
    comparison = compare(cell())
    row = comparison.objects.iloc[[0]]
    many = row.loc[row.index.repeat(5000)].assign(
        volume_um3=np.geomspace(0.001, 9, 5000), id=np.arange(5000).astype(np.uint64)
    )
    drawn = plots(replace(comparison, objects=many.reset_index(drop=True)))["distributions"]
    assert len(drawn.svg) < 100_000
    assert f"{comparison_plots.MOST_POINTS} are drawn" in drawn.caption
    assert len(drawn.svg) > 10_000


def test_long_stacks_are_drawn_as_means() -> None:
    z, values = comparison_plots._coarsen(np.arange(1000), np.arange(1000, dtype=np.float64), 100)
    assert len(z) == 100
    assert values[0] == pytest.approx(4.5)
    same = comparison_plots._coarsen(np.arange(5), np.ones(5), 100)
    assert len(same[0]) == 5


def test_undefined_slices_leave_a_gap() -> None:
    _, values = comparison_plots._coarsen(np.arange(4), np.array([np.nan, np.nan, 1.0, np.nan]), 2)
    assert np.isnan(values[0])
    assert values[1] == 1.0
