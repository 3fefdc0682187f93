"""The report in a real browser, from a file and without a network."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from famous.report.comparison import write_report
from famous.report.comparison_numbers import significant
from tests.comparisons import CLASSES, FakePictures, cell, compare, meshes

ROWS = "#object-table tbody tr"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    return write_report(path, compare(cell()), FakePictures(cell()), meshes(cell())).as_uri()


@pytest.fixture
def opened(page: Any, report: str) -> Any:
    """The open report; a word on the console or a request for anything but the file fails the test."""
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url) if not request.url.startswith("data:") else None)
    page.goto(report)
    yield page
    assert said == []
    assert asked == [report]


def see_3d(page: Any) -> None:
    page.locator("#objects").scroll_into_view_if_needed()
    page.wait_for_selector('#view[data-state="ready"][data-drawn]', timeout=60_000)


def test_it_opens_from_a_file_and_the_3d_view_waits_until_it_is_seen(opened: Any) -> None:
    assert opened.title() == "automatic compared with M1 and M2"
    assert opened.locator("#view").get_attribute("data-state") == "waiting"
    assert opened.evaluate("typeof THREE") == "undefined"
    see_3d(opened)
    assert opened.evaluate("THREE.REVISION") != ""


def test_nothing_is_wider_than_the_window(opened: Any) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    box = opened.locator("#rows")
    assert box.evaluate("element => element.scrollWidth <= element.clientWidth")


def test_matrices_of_classes_are_seen_whole(opened: Any) -> None:
    assert opened.viewport_size["width"] == 1280
    boxes = opened.locator(".beside .scroll")
    assert boxes.count() == 3
    for box in boxes.all():
        assert box.evaluate("element => element.scrollWidth <= element.clientWidth")
        assert box.locator("thead th").last.inner_text().split() == ["in", "none"]


def test_what_is_wider_than_its_place_scrolls_and_says_so(opened: Any) -> None:
    box = opened.locator(".beside .scroll").first
    box.evaluate("element => { element.style.width = '200px' }")
    assert box.evaluate("element => element.scrollWidth > element.clientWidth")
    style = box.evaluate("element => [getComputedStyle(element).overflowX, getComputedStyle(element).backgroundImage]")
    assert style[0] == "auto"
    assert style[1].count("linear-gradient") == 4, "a shadow at each side, and what covers it at the end"


def test_a_switch_takes_the_picked_object_along_and_brings_it_back(opened: Any) -> None:
    see_3d(opened)
    view, chosen = opened.locator("#view"), opened.locator(f'{ROWS}[aria-selected="true"]')
    opened.locator(ROWS).nth(4).click()
    key = view.get_attribute("data-picked")
    assert key.startswith("0/")
    for name, value in (("source", "0"), ("class", key.split("/")[1])):
        switch = opened.locator(f'input[name="{name}"][value="{value}"]')
        switch.uncheck()
        assert view.get_attribute("data-picked") == ""
        assert chosen.count() == 0
        assert opened.locator("#facts").inner_text() == "No object is picked."
        switch.check()
        assert view.get_attribute("data-picked") == key
        assert chosen.get_attribute("data-key") == key


def test_a_row_that_is_picked_is_switched_on(opened: Any) -> None:
    see_3d(opened)
    switch = opened.locator('input[name="source"][value="0"]')
    switch.uncheck()
    opened.locator(ROWS).nth(2).click()
    assert switch.is_checked()
    assert opened.locator("#view").get_attribute("data-picked").startswith("0/")
    assert opened.locator(f'{ROWS}[aria-selected="true"]').count() == 1


def test_the_whole_view_lets_go_of_what_was_picked(opened: Any) -> None:
    see_3d(opened)
    opened.locator(ROWS).nth(2).click()
    opened.locator("#view-reset").click()
    assert opened.locator(f'{ROWS}[aria-selected="true"]').count() == 0
    switch = opened.locator('input[name="source"][value="1"]')
    switch.uncheck()
    switch.check()
    assert opened.locator("#view").get_attribute("data-picked") == ""


def test_heads_of_what_was_compared_are_not_broken(opened: Any) -> None:
    heads = opened.locator("#made thead th")
    assert heads.count() > 6
    for head in heads.all():
        assert (
            head.evaluate(
                "cell => { const text = document.createRange(); text.selectNodeContents(cell);"
                " return text.getClientRects().length }"
            )
            == 1
        ), head.inner_text()


def test_switches_show_and_hide_sources_and_classes(opened: Any) -> None:
    see_3d(opened)
    view = opened.locator("#view")
    everything = set(view.get_attribute("data-visible").split())
    assert len(everything) == 12
    opened.locator('input[name="source"][value="0"]').uncheck()
    assert set(view.get_attribute("data-visible").split()) == {key for key in everything if not key.startswith("0/")}
    opened.locator('input[name="class"][value="2"]').uncheck()
    left = {f"{source}/{kind}" for source in (1, 2) for kind in (0, 1, 3)}
    assert set(view.get_attribute("data-visible").split()) == left


def test_volumes_are_written_as_on_the_cards(opened: Any) -> None:
    numbers = [1.06, 0.000028, 0.0000819, 12345.6, 0.9996, 8.19e-7, 0.0123]
    script = """number => {
        const object = { ...objects.all[0], volume: number, index: 0, id: 10 ** 6 };
        objects.all.unshift(object);
        const find = document.getElementById("filter-text");
        find.value = "1000000"; find.dispatchEvent(new Event("input"));
        const text = document.querySelector("#object-table tbody tr td:nth-child(4)").textContent;
        objects.all.shift();
        return text;
    }"""
    assert [opened.evaluate(script, number) for number in numbers] == [significant(number) for number in numbers]


@pytest.mark.parametrize("shift_nm", [0.0, 1.5])
def test_surfaces_that_agree_show_one_clean_colour(page: Any, tmp_path: Path, shift_nm: float) -> None:
    """Two sources draw the same bodies, or a little apart: the first one's green covers the second one's orange."""
    own = meshes(cell(), ("automatic",))
    moved = [("M1", name, number, mesh.translated((shift_nm, -shift_nm, shift_nm))) for _, name, number, mesh in own]
    path = write_report(tmp_path / "report.html", compare(cell()), None, [*own, *moved])
    page.goto(path.as_uri())
    see_3d(page)
    shot = Image.open(io.BytesIO(page.locator("#view canvas").screenshot())).convert("RGB")
    red, green, _ = np.moveaxis(np.asarray(shot).astype(int), 2, 0)
    first, second = np.count_nonzero(green > red + 30), np.count_nonzero(red > green + 30)
    assert first > 2000
    assert "the colour of the first of them" in page.locator("#objects .about").last.inner_text()
    assert second < (0.03 if shift_nm else 0.002) * first, "moved ones show at the rim only"


def test_cells_of_the_sources_are_cells_and_a_fingerprint_breaks_in_its_middle(opened: Any) -> None:
    table = opened.locator("#made .texts").first
    for row in table.locator("tbody tr").all():
        bottoms = row.evaluate("row => [...row.children].map(cell => cell.getBoundingClientRect().bottom)")
        assert max(bottoms) - min(bottoms) < 1, "one line below all cells of a row"
    table.evaluate("table => { table.style.width = '480px' }")
    mark = table.locator(".mark").first
    mark.evaluate("mark => { mark.innerHTML = Array(4).fill('0123456789abcdef').join('<wbr>') }")
    ends = "mark => { const text = document.createRange(), lines = {};"
    ends += " for (const node of mark.childNodes) if (node.nodeType === 3) for (let k = 0; k < node.length; k += 1) {"
    ends += " text.setStart(node, k); text.setEnd(node, k + 1); const y = Math.round(text.getBoundingClientRect().y);"
    ends += " lines[y] = (lines[y] || 0) + 1; } return Object.values(lines); }"
    letters = mark.evaluate(ends)
    assert len(letters) > 1
    assert all(number % 16 == 0 for number in letters)


@pytest.mark.parametrize("media", ["screen", "print"])
def test_no_word_of_the_command_is_broken(opened: Any, media: str) -> None:
    opened.emulate_media(media=media)
    command = opened.locator(".command")
    command.evaluate("command => { command.style.width = '25em' }")
    lines = "word => { const text = document.createRange(); text.selectNodeContents(word);"
    lines += " return new Set([...text.getClientRects()].map(box => Math.round(box.y))).size }"
    words = command.locator("span").all()
    assert "--truth" in [word.inner_text() for word in words]
    assert [word.evaluate(lines) for word in words] == [1] * len(words)
    assert command.inner_text() == compare(cell()).command, "what is copied is the command"
    assert command.bounding_box()["height"] > 2 * words[0].bounding_box()["height"], "it has several lines"


def test_a_scale_bar_lies_below_its_picture(opened: Any) -> None:
    for figure in opened.locator(".planes figure").all()[:6]:
        picture, scale = (figure.locator(f"svg.{name}").bounding_box() for name in ("plane", "scale"))
        assert scale["y"] >= picture["y"] + picture["height"]
        assert scale["width"] == pytest.approx(picture["width"])
        line = figure.locator("svg.scale line").bounding_box()
        assert 0.05 * picture["width"] < line["width"] < picture["width"]


def test_a_row_shows_its_object_in_3d(opened: Any) -> None:
    see_3d(opened)
    row = opened.locator(ROWS).nth(4)
    row.click()
    key = row.get_attribute("data-key")
    assert opened.locator("#view").get_attribute("data-picked") == key
    assert opened.locator(f'{ROWS}[aria-selected="true"]').get_attribute("data-key") == key
    assert f"automatic, mitochondrion {key.split('/')[2]}" in opened.locator("#facts").inner_text()
    assert "IoU" in opened.locator("#facts").inner_text()


def test_an_object_in_3d_shows_its_row(opened: Any) -> None:
    see_3d(opened)
    opened.locator(ROWS).nth(6).click()  # the camera looks at it: the middle of the view is this object
    wanted = opened.locator("#view").get_attribute("data-picked")
    opened.locator(ROWS).nth(0).focus()
    opened.evaluate("objects.picked = null; document.querySelector('#rows').scrollTop = 0")
    opened.locator("#filter-text").fill("lysosome")
    assert opened.locator(f'{ROWS}[data-key="{wanted}"]').count() == 0
    for kept in ("1", "2"):
        opened.locator(f'input[name="source"][value="{kept}"]').uncheck()
    opened.locator("#view").click()
    chosen = opened.locator(f'{ROWS}[aria-selected="true"]')
    assert chosen.get_attribute("data-key") == wanted
    assert opened.locator("#filter-text").input_value() == "", "a filter that hides it is taken away"
    inside = chosen.evaluate(
        "row => { const box = document.querySelector('#rows').getBoundingClientRect();"
        " const at = row.getBoundingClientRect(); return at.top >= box.top && at.bottom <= box.bottom }"
    )
    assert inside


def test_the_empty_ground_picks_nothing(opened: Any) -> None:
    see_3d(opened)
    opened.locator("#view").click(position={"x": 3, "y": 3})
    assert opened.locator(f'{ROWS}[aria-selected="true"]').count() == 0


def test_rows_sort_both_ways(opened: Any) -> None:
    button = opened.locator('button[data-sort="volume"]')
    cells = f"{ROWS} td:nth-child(4)"
    button.click()
    down = [float(text) for text in opened.locator(cells).all_inner_texts()]
    assert down == sorted(down, reverse=True)
    button.click()
    up = [float(text) for text in opened.locator(cells).all_inner_texts()]
    assert up == sorted(up)
    assert opened.locator('th[aria-sort="ascending"]').count() == 1


def test_rows_filter_by_word_source_and_class(opened: Any) -> None:
    whole = opened.locator(ROWS).count()
    opened.locator("#filter-source").select_option("1")
    opened.locator("#filter-class").select_option("1")
    assert opened.locator(ROWS).count() == 8 < whole
    opened.locator("#filter-text").fill("missed")
    assert opened.locator(ROWS).count() == 3, "two that the program missed, and one that M2 did"
    opened.locator("#filter-text").fill("nothing is called so")
    assert opened.locator(ROWS).count() == 0
    assert opened.locator("#page-range").inner_text() == "no object"


def test_what_lies_below_the_threshold_is_found_by_either_word(page: Any, tmp_path: Path) -> None:
    comparison = compare(cell())
    matches = comparison.matches
    some = replace(comparison, matches=matches.assign(iou=matches["iou"].mask(matches["kind"] == "missed", 0.49)))
    page.goto(write_report(tmp_path / "report.html", some, None, meshes(cell())).as_uri())
    page.locator("#filter-source").select_option("1")
    for word in ("missed", "below"):
        page.locator("#filter-text").fill(word)
        assert page.locator(f"{ROWS} .near").first.inner_text() == "below the threshold, IoU 0.49"
    page.locator(f"{ROWS} .near").first.click()
    assert "in automatic: below the threshold, IoU 0.49" in page.locator("#facts").inner_text()
    box = page.locator("#rows")
    assert box.evaluate("element => element.scrollWidth <= element.clientWidth")


def test_a_picture_leads_to_its_object(opened: Any) -> None:
    button = opened.locator("button[data-object]").first
    key = button.get_attribute("data-object")
    button.click()
    assert opened.locator(f'{ROWS}[aria-selected="true"]').get_attribute("data-key") == key
    opened.wait_for_selector(f'#view[data-picked="{key}"]', timeout=60_000)


def test_partners_lead_to_each_other(opened: Any) -> None:
    opened.locator(ROWS).nth(5).click()
    opened.locator("#facts button").first.click()
    assert opened.locator("#facts strong").inner_text().startswith("M1, mitochondrion")


def test_rows_are_reached_by_the_keyboard(opened: Any) -> None:
    opened.locator(ROWS).nth(0).focus()
    opened.keyboard.press("ArrowDown")
    opened.keyboard.press("Enter")
    chosen = opened.locator(f'{ROWS}[aria-selected="true"]')
    assert chosen.get_attribute("data-key") == opened.locator(ROWS).nth(1).get_attribute("data-key")
    assert opened.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"


def test_paper_has_the_stills_instead_of_the_3d_view(opened: Any) -> None:
    assert not opened.locator(".stills").is_visible()
    opened.emulate_media(media="print")
    assert not opened.locator(".explorer").is_visible()
    assert opened.locator(".stills img").count() == 3
    for still in opened.locator(".stills img").all():
        assert still.is_visible()
        assert still.evaluate("image => image.naturalWidth") == 560


def test_paper_breaks_no_caption_and_no_command(opened: Any) -> None:
    opened.emulate_media(media="print")
    for name in (".stills", "#objects .about", "#worst > .legend", ".command"):
        assert opened.locator(name).last.evaluate("element => getComputedStyle(element).breakInside") == "avoid", name
    assert opened.locator(".stills").evaluate("element => getComputedStyle(element).breakAfter") == "avoid"


def test_a_head_on_the_right_keeps_away_from_the_next_one_on_the_left(opened: Any) -> None:
    opened.locator('button[data-sort="volume"]').click()  # its arrow lies beyond its text
    heads = opened.locator("#object-table thead button")
    volume, after = (heads.nth(place).bounding_box() for place in (3, 4))
    assert after["x"] - (volume["x"] + volume["width"]) > 20
    assert opened.locator("#rows").evaluate("element => element.scrollWidth <= element.clientWidth")


@pytest.mark.parametrize("name", [".sheet .first", ".beside"])
def test_on_paper_numbers_of_two_pairs_keep_apart(opened: Any, name: str) -> None:
    opened.emulate_media(media="print")
    gap = "element => Math.max(...['paddingLeft', 'columnGap'].map(k => parseFloat(getComputedStyle(element)[k]) || 0))"
    assert min(element.evaluate(gap) for element in opened.locator(name).all()[:4]) >= 6


def test_no_table_is_wider_than_the_paper(opened: Any) -> None:
    opened.set_viewport_size({"width": 703, "height": 1000})  # A4 less its margins, at 96 to the inch
    opened.emulate_media(media="print")
    for box in opened.locator(".sheet .scroll").all():
        assert box.evaluate("element => element.scrollWidth <= element.clientWidth + 1"), box.get_attribute(
            "aria-label"
        )


def test_dark_and_light_have_their_own_colours(opened: Any) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    opened.emulate_media(color_scheme="light")
    light = opened.evaluate(ground)
    opened.emulate_media(color_scheme="dark")
    assert opened.evaluate(ground) != light


def test_a_hostile_name_does_not_run(page: Any, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
    comparison = compare(cell())
    tables = {
        name: table.assign(**{"class": table["class"].replace("lysosome", evil)})
        for name, table in comparison.tables().items()
        if "class" in table
    }
    sources = tuple(replace(facts, classes=(*CLASSES[:3], evil)) for facts in comparison.sources)
    path = write_report(tmp_path / "r.html", replace(comparison, sources=sources, **tables), FakePictures(cell()))
    shown: list[str] = []
    page.on("dialog", lambda dialog: (shown.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    page.locator("#filter-class").select_option("3")
    assert page.locator(ROWS).first.locator("td").nth(1).inner_text() == evil
    assert shown == []
