"""The report of a comparison as a file: what is in it, that nothing leaves it, and that it is the same each time."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from famous.compare.comparison import Comparison, GridFacts, SourceFacts, as_table
from famous.mesh import Mesh
from famous.report import comparison as report
from famous.report.comparison import render_report, write_report
from tests.comparisons import CLASSES, SIZE, FakePictures, cell, compare, meshes

SECTIONS = ("verdict", "found", "volume", "objects", "worst", "slices", "threshold", "made")


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the plots out where a test does not look at them: they take the longest."""
    monkeypatch.setattr(report, "plots", lambda _: {})


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(compare(cell()), FakePictures(cell()), meshes(cell()))


def test_the_file_appears_whole_with_every_section(tmp_path: Path, html: str) -> None:
    path = write_report(tmp_path / "report" / "report.html", compare(cell()), FakePictures(cell()), meshes(cell()))
    assert path.read_text(encoding="utf-8") == html, "the same input gives the same bytes"
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]
    for section in SECTIONS:
        assert f'<section id="{section}"' in html


def test_verdicts_come_before_everything_and_in_words(html: str) -> None:
    assert html.index("automatic agrees with M1 as well as M2 does.") < html.index('<section id="found"')
    for name in CLASSES:
        assert f"<h3>{name}</h3>" in html


def test_the_papers_table_has_a_column_group_for_each_pair(html: str) -> None:
    first = html[html.index("Precision, recall, F1 and Jaccard of objects") :]
    first = first[: first.index("</table>")]
    assert re.findall(r'scope="colgroup" colspan="4" class="group">([^<]+)<', first) == [
        "automatic vs M1",
        "automatic vs M2",
        "M2 vs M1",
    ]
    row = re.search(r'<th scope="row">mitochondrion</th>(.*?)</tr>', first)
    assert row
    assert re.findall(r">(\d+\.\d\d)<", row.group(1))[:4] == ["66.67", "66.67", "66.67", "50.00"]


def test_an_undefined_number_is_a_dash_with_its_reason(html: str) -> None:
    surface = html[html.index("Distance between the surfaces") :]
    assert '<abbr title="no surface in both">–</abbr>' in surface[: surface.index("</section>")]
    assert re.search(r'<li id="agreement\d-1">no surface in both</li>', surface)
    tables = re.sub(r"<(script|style|svg).*?</\1>", "", html, flags=re.DOTALL)
    assert not re.search(r">\s*(nan|NaN|None|&lt;NA&gt;)\s*<", tables)


def test_nothing_is_fetched_from_anywhere(html: str) -> None:
    bare = re.sub(r'<script type="text/plain".*?</script>', "", html, flags=re.DOTALL)
    for address in re.findall(r'(?:src|href|action|data|poster)="([^"]*)"', bare):
        assert address.startswith(("#", "data:")), address
    assert set(re.findall(r"https?://[^\s\"'<)]+", bare)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "@import" not in bare
    assert not re.search(r"url\((?!#)", bare)
    assert "default-src 'none'" in html
    assert "connect-src" not in html, "nothing may be fetched, by the default"


def test_names_are_text_and_never_markup() -> None:
    evil = "<script>alert(1)</script>"
    comparison = compare(cell())
    tables = {
        name: table.assign(**{column: table[column].replace("mitochondrion", evil) for column in ("class",)})
        for name, table in comparison.tables().items()
        if "class" in table
    }
    sources = tuple(
        replace(facts, path=f"/data/{evil}.tif", classes=(evil, *CLASSES[1:]), notes=(evil,))
        for facts in comparison.sources
    )
    made = {"command": f"famous compare '{evil}'", "notes": (evil,), "parameters": {evil: evil}, "version": evil}
    tables["verdicts"] = tables["verdicts"].assign(sentence=evil)
    page = render_report(replace(comparison, sources=sources, **tables, **made), FakePictures(cell()))
    assert evil not in page
    assert "<script>alert" not in page.lower()
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 10


def test_ids_are_unique_and_every_link_has_its_target(html: str) -> None:
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    ids = re.findall(r'\sid="([^"]+)"', bare)
    assert len(ids) == len(set(ids))
    assert {link for link in re.findall(r'href="#([^"]+)"', bare)} <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", bare)) <= set(ids)


def test_tables_pictures_and_landmarks_are_named(html: str) -> None:
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    assert bare.count("<table") == bare.count("<caption")
    assert not re.search(r"<th(?![^>]*scope=)[\s>]", bare)
    assert not re.search(r"<img(?![^>]*alt=)", bare)
    for svg in re.findall(r"<svg[^>]*>", bare):
        assert "aria-label=" in svg or 'aria-hidden="true"' in svg
    for landmark in ("<header", "<nav", "<main", "<footer", '<html lang="en">'):
        assert landmark in bare


def test_no_timestamp_and_no_name_of_this_machine(html: str, tmp_path: Path) -> None:
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", bare)
    assert str(Path.cwd()) not in bare


@pytest.mark.usefixtures("no_plots")
def test_one_truth_only() -> None:
    sources = ("automatic", "M1")
    page = render_report(compare(cell(), sources), FakePictures(cell()), meshes(cell(), sources))
    page = re.sub(r'<pre class="command">.*?</pre>', "", page, flags=re.DOTALL)
    assert "automatic compared with M1</h1>" in page
    assert "no second expert" in page
    assert not re.search(r"vs M2|>M2<|\"M2\"|M2 says", page)


@pytest.mark.parametrize("sources", [(), ("a",), ("a", "b")])
def test_a_comparison_that_found_nothing_says_so(sources: tuple[str, ...]) -> None:
    facts = tuple(SourceFacts(name, name, "label TIFF", SIZE, (4, 5, 6), ("lysosome",)) for name in sources)
    page = render_report(Comparison.empty(facts, GridFacts((4, 5, 6), SIZE)), FakePictures(cell()))
    for section in SECTIONS:
        assert f'<section id="{section}"' in page
    assert page.count('class="none"') >= 6
    assert 'id="three"' not in page, "no 3D library without meshes"


@pytest.mark.usefixtures("no_plots")
def test_boxes_in_one_slice_without_a_voxel_size() -> None:
    flat = compare(cell())
    grid = GridFacts((1, 160, 200), None)
    page = render_report(replace(flat, grid=grid), None)
    assert "1 × 160 × 200 pixels (z, y, x)" in page


@pytest.mark.usefixtures("no_plots")
def test_without_pictures_and_meshes_the_rest_is_there() -> None:
    page = render_report(compare(cell()))
    assert "no pictures were given" in page
    assert 'id="object-data"' in page
    assert 'id="view"' not in page


def test_parameters_versions_and_the_command_are_told(html: str) -> None:
    made = re.sub("</?span>", "", html[html.index('<section id="made"') :])
    for text in ("bootstrap.seed", "famous compare cell.tif", "data/M1.tif", "20 × 8 × 8 nm", "1.17.0", "cropped by 4"):
        assert text in made


def test_a_program_is_listed_once_and_a_fingerprint_says_of_what() -> None:
    comparison = compare(cell())
    sources = tuple(replace(facts, fingerprint="0a1b") for facts in comparison.sources)
    page = render_report(
        replace(comparison, sources=sources, version="0.1.0", versions={"famous": "0.1.0", "numpy": "2.4.6"})
    )
    made = page[page.index('<section id="made"') :]
    assert made.count('<th scope="row">famous</th>') == 1
    assert made.count("Fingerprint of the names, sizes and times of its files: 0a1b") == 3


def test_the_rule_of_the_verdicts_stands_by_them(html: str) -> None:
    verdict = html[html.index('<section id="verdict"') : html.index('<section id="found"')]
    assert "M1, the first expert that was named, is the reference" in verdict
    assert "two-sided 95 % interval" in verdict


@pytest.mark.usefixtures("no_plots")
def test_boxes_are_told_in_pixels() -> None:
    comparison = compare(cell())
    nothing = {"volume_um3": np.nan, "area_um2": np.nan}
    boxes = replace(
        comparison,
        grid=GridFacts(comparison.grid.shape, None),
        objects=comparison.objects.assign(**nothing),
        totals=comparison.totals.assign(**nothing),
        matches=comparison.matches.assign(cost_um3=np.nan),
        agreement=comparison.agreement.iloc[:0],
    )
    page = re.sub(r"<(script|style)\b.*?</\1>", "", render_report(boxes, FakePictures(cell())), flags=re.DOTALL)
    assert "µm³" not in page
    assert 'data-sort="volume">pixels<' in page
    assert "Cost is the number of pixels" in page
    assert re.search(r"<dt>Costs</dt><dd>[\d,]+ pixels</dd>", page)
    assert 'aria-label="xz plane' not in page, "a box lies in one slice"


def test_the_page_is_in_plain_words(html: str) -> None:
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    assert "dearest" not in bare
    assert "ap is undefined" not in bare


@pytest.mark.usefixtures("no_plots")
def test_a_picture_of_what_was_found_below_the_threshold_says_so() -> None:
    comparison = compare(cell())
    matches = comparison.matches
    some = matches.assign(iou=matches["iou"].mask(matches["kind"] == "missed", 0.49))
    page = render_report(replace(comparison, matches=some), FakePictures(cell()))
    missed, invented = (page[page.index(f'"kind">{title}') :] for title in ("Missed: ", "Invented: "))
    assert "<dt>Best IoU</dt><dd>below the threshold, IoU 0.49</dd>" in missed[: missed.index("</article>")]
    assert "<dt>Best IoU</dt><dd>nothing overlaps it</dd>" in invented[: invented.index("</article>")]
    for text in (missed, invented):
        assert "without a match" in text[: text.index("</h3>")]


@pytest.mark.usefixtures("no_plots")
def test_a_merge_names_all_that_it_swallowed(html: str) -> None:
    card = html[html.index("Merged: several") :]
    truth = re.search(r"<dt>Truth</dt><dd>([^<]*)</dd>", card)
    assert truth
    assert truth.group(1).count("M1 ") == 2


@pytest.mark.usefixtures("no_plots")
def test_a_region_and_known_slices_are_told() -> None:
    page = render_report(replace(compare(cell()), region=((0, 4), (10, 20), (3, 9)), known_slices=(1, 2, 3)))
    assert "z 0–3, y 10–19, x 3–8" in page
    assert "3 slices with a truth" in page


@pytest.mark.usefixtures("no_plots")
def test_empty_meshes_are_left_out() -> None:
    listed = [("M1", "lysosome", 1, Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)))]
    assert 'id="view"' not in render_report(compare(cell()), None, listed)


@pytest.mark.usefixtures("no_plots")
def test_paper_matching_gets_a_table_of_its_own() -> None:
    comparison = compare(cell())
    more = comparison.detection.assign(matching="paper")
    both = as_table("detection", [*comparison.detection.to_dict("records"), *more.to_dict("records")])
    page = render_report(replace(comparison, detection=both))
    assert "as the paper counts" in page
    assert page.count("Precision, recall, F1 and Jaccard of objects") == 4, "two captions and two labels"
