"""The arithmetic of the labelling page (famous/annotate/web), run where it runs: in a browser."""

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import WEB, serve_web

Call = Callable[..., Any]
SLICE = {"height": 400, "width": 600}
HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"]
FRAME = {"scale": 2.0, "left": 30.0, "top": -10.0}


@pytest.fixture(scope="module")
def modules(browser: Any) -> Iterator[Any]:
    """Open an empty page that can import the page's modules."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{serve_web(context)}/")
    yield page
    context.close()


@pytest.fixture(scope="module")
def call(modules: Any) -> Call:
    """Call a function of a module: call("geometry", "moved", box, 1, 2, slice)."""

    def run(module: str, name: str, *arguments: Any) -> Any:
        script = "async ([m, n, a]) => { const f = (await import(`/web/${m}.js`))[n]; return f(...a) }"
        return modules.evaluate(script, [module, name, list(arguments)])

    return run


@pytest.fixture(scope="module")
def evaluate(modules: Any) -> Call:
    """Evaluate a script with the modules `geometry`, `pyramid`, `scalebar` and `keys` at hand."""

    def run(script: str, argument: Any = None) -> Any:
        names = "geometry pyramid scalebar keys"
        head = f"const [{names.replace(' ', ', ')}] = await Promise.all('{names}'.split(' ')"
        return modules.evaluate(f"async (it) => {{ {head}.map((m) => import(`/web/${{m}}.js`))); {script} }}", argument)

    return run


def box(y0: float, x0: float, y1: float, x1: float, **more: Any) -> dict[str, Any]:
    return {"y0": y0, "x0": x0, "y1": y1, "x1": x1, **more}


# ---------------------------------------------------------------- boxes that repeat none


def test_boxes_move_apart_until_they_repeat_none(call: Call) -> None:
    one = box(20, 30, 60, 80, **{"class": "a"})
    at = [one | box(20 + far, 30 + far, 60 + far, 80 + far) for far in (0, 10, 20)]
    assert call("geometry", "apart", [one], [], SLICE, {"mayStay": True}) == [one]
    assert call("geometry", "apart", [one], [], SLICE) == [at[1]]
    assert call("geometry", "apart", [one], at[:2], SLICE) == [at[2]]
    assert call("geometry", "apart", [one], [at[0], at[1] | {"class": "b"}], SLICE) == [at[1]]


def test_at_the_lower_right_they_move_apart_the_other_way_and_stay_in_the_slice(call: Call) -> None:
    corner = box(360, 550, 400, 600, **{"class": "a"})
    assert call("geometry", "apart", [corner], [corner], SLICE) == [corner | box(350, 540, 390, 590)]
    whole = box(0, 0, 400, 600, **{"class": "a"})
    assert call("geometry", "apart", [whole], [whole], SLICE) is None


# ---------------------------------------------------------------- frames


def test_screen_and_slice_are_each_other_s_inverse(call: Call) -> None:
    assert call("geometry", "toScreen", FRAME, 10, 20) == [50, 30]
    assert call("geometry", "toImage", FRAME, 50, 30) == [10, 20]


def test_zoom_keeps_the_point_under_the_cursor(call: Call) -> None:
    before = call("geometry", "toImage", FRAME, 123, 45)
    zoomed = call("geometry", "zoomedAt", FRAME, 7.3, 123, 45)
    assert zoomed["scale"] == 7.3
    assert call("geometry", "toImage", zoomed, 123, 45) == pytest.approx(before)


def test_a_slice_is_framed_whole_and_in_the_middle(call: Call) -> None:
    frame = call("geometry", "framing", box(0, 0, 400, 600), {"height": 500, "width": 1000}, 20)
    assert frame["scale"] == pytest.approx(460 / 400)
    left, top = call("geometry", "toScreen", frame, 0, 0)
    right, bottom = call("geometry", "toScreen", frame, 600, 400)
    assert (left + right) / 2 == pytest.approx(500)
    assert (top, bottom) == pytest.approx((20, 480))


def test_framing_a_tiny_box_stops_at_the_largest_scale(call: Call) -> None:
    frame = call("geometry", "framing", box(10, 10, 13, 13), {"height": 500, "width": 500}, 0, 8)
    assert frame["scale"] == 8
    assert call("geometry", "toScreen", frame, 11.5, 11.5) == pytest.approx([250, 250])


@pytest.mark.parametrize(("left", "held"), [(5000, 920), (-5000, -1120), (100, 100)])
def test_the_slice_cannot_be_pushed_off_the_screen(call: Call, left: float, held: float) -> None:
    frame = {"scale": 2.0, "left": left, "top": 0.0}
    assert call("geometry", "heldOnScreen", frame, SLICE, {"height": 800, "width": 1000})["left"] == held


# ---------------------------------------------------------------- boxes


def test_a_drag_is_a_box_in_whatever_direction(call: Call) -> None:
    corners = [(10.2, 20.4), (49.6, 80.51)]
    for xa, xb in (0, 1), (1, 0):
        for ya, yb in (0, 1), (1, 0):
            found = call("geometry", "boxBetween", corners[xa][0], corners[ya][1], corners[xb][0], corners[yb][1])
            assert found == box(20, 10, 81, 50)


def test_a_box_outside_is_clipped(call: Call) -> None:
    assert call("geometry", "clipped", box(-5, -7, 30, 900), SLICE) == box(0, 0, 30, 600)
    assert call("geometry", "area", call("geometry", "clipped", box(-50, 10, -5, 30), SLICE)) == 0


@pytest.mark.parametrize(("high", "wide", "enough"), [(3, 3, True), (2, 50, False), (50, 2, False), (-4, 9, False)])
def test_three_pixels_are_the_least(call: Call, high: int, wide: int, enough: bool) -> None:
    assert call("geometry", "isLargeEnough", box(0, 0, high, wide)) is enough


def test_a_moved_box_stops_at_the_edge_and_keeps_its_size(call: Call) -> None:
    assert call("geometry", "moved", box(10, 10, 30, 50), 5, -4, SLICE) == box(6, 15, 26, 55)
    assert call("geometry", "moved", box(10, 10, 30, 50), -99, 999, SLICE) == box(380, 0, 400, 40)


def test_boxes_moved_together_keep_their_distances(call: Call) -> None:
    boxes = [box(10, 10, 30, 30), box(5, 570, 25, 590)]
    assert call("geometry", "movedTogether", boxes, 50, -50, SLICE) == [box(5, 20, 25, 40), box(0, 580, 20, 600)]
    assert call("geometry", "movedTogether", [], 50, -50, SLICE) == []


@pytest.mark.parametrize(
    ("handle", "expected"),
    [
        ("nw", box(103, 105, 200, 200)),
        ("n", box(103, 100, 200, 200)),
        ("ne", box(103, 100, 200, 205)),
        ("e", box(100, 100, 200, 205)),
        ("se", box(100, 100, 203, 205)),
        ("s", box(100, 100, 203, 200)),
        ("sw", box(100, 105, 203, 200)),
        ("w", box(100, 105, 200, 200)),
    ],
)
def test_each_handle_moves_its_sides(call: Call, handle: str, expected: dict[str, Any]) -> None:
    assert call("geometry", "resized", box(100, 100, 200, 200), handle, 5, 3, SLICE) == expected


def test_a_handle_pulled_across_turns_the_box_over(call: Call) -> None:
    assert call("geometry", "resized", box(100, 100, 120, 120), "e", -50, 0, SLICE) == box(100, 70, 120, 100)


def test_a_resized_box_is_never_under_three_pixels_nor_outside(evaluate: Call) -> None:
    dice = random.Random(5)
    trials = []
    for _ in range(4000):
        y0, x0 = dice.randrange(0, 38), dice.randrange(0, 58)
        start = box(y0, x0, dice.randrange(y0 + 3, 42), dice.randrange(x0 + 3, 62))
        start = box(start["y0"], start["x0"], min(start["y1"], 40), min(start["x1"], 60))
        if start["y1"] - y0 >= 3 and start["x1"] - x0 >= 3:
            trials.append([start, dice.choice(HANDLES), dice.randint(-70, 70), dice.randint(-70, 70)])
    results = evaluate(
        "return it.map(([b, h, dx, dy]) => geometry.resized(b, h, dx, dy, {height: 40, width: 60}))", trials
    )
    for found in results:
        assert 0 <= found["y0"] <= found["y1"] - 3 <= 37
        assert 0 <= found["x0"] <= found["x1"] - 3 <= 57


# ---------------------------------------------------------------- handles and hits


def test_handles_lie_on_corners_and_edges_of_a_large_box(call: Call) -> None:
    spots = {
        spot["name"]: (spot["x"], spot["y"]) for spot in call("geometry", "handleSpots", box(50, 50, 100, 150), FRAME)
    }
    assert len(spots) == 8
    assert spots["nw"] == (130, 90)
    assert spots["se"] == (330, 190)
    assert spots["n"] == (230, 90)
    assert spots["w"] == (130, 140)


@pytest.mark.parametrize("side", [3, 5, 8, 20, 60])
@pytest.mark.parametrize("scale", [0.05, 0.5, 1, 4])
def test_handles_never_lie_on_one_another(call: Call, side: int, scale: float) -> None:
    spots = call("geometry", "handleSpots", box(50, 50, 50 + side, 50 + side), {**FRAME, "scale": scale})
    for i, one in enumerate(spots):
        for other in spots[:i]:
            assert max(abs(one["x"] - other["x"]), abs(one["y"] - other["y"])) > 2 * 7, "more than twice the reach"


def test_the_nearest_handle_is_gripped_within_ten_pixels(call: Call) -> None:
    large = box(50, 50, 100, 150)  # (130, 90) to (330, 190) on the screen
    assert call("geometry", "handleAt", large, FRAME, 135, 85) == "nw"
    assert call("geometry", "handleAt", large, FRAME, 332, 195) == "se"
    assert call("geometry", "handleAt", large, FRAME, 231, 88) == "n"
    assert call("geometry", "handleAt", large, FRAME, 180, 92) == "n", "anywhere along the edge"
    assert call("geometry", "handleAt", large, FRAME, 230, 140) is None, "the middle moves the box"
    assert call("geometry", "handleAt", large, FRAME, 400, 90) is None


def test_the_inside_of_a_small_box_is_not_all_handles(call: Call) -> None:
    assert call("geometry", "handleAt", box(50, 50, 55, 55), FRAME, 135, 95) is None


def test_the_smallest_box_is_hit(call: Call) -> None:
    nucleus, nucleolus = box(0, 0, 100, 100, id="nucleus"), box(40, 40, 60, 60, id="nucleolus")
    for boxes in ([nucleus, nucleolus], [nucleolus, nucleus]):
        assert call("geometry", "boxAt", boxes, 50, 50)["id"] == "nucleolus"
        assert call("geometry", "boxAt", boxes, 10, 50)["id"] == "nucleus"
        assert call("geometry", "boxAt", boxes, 100, 50) is None, "half-open"
    assert call("geometry", "boxAt", [], 1, 1) is None


def test_a_tiny_box_may_be_missed_a_little_but_not_in_place_of_one_that_is_hit(call: Call) -> None:
    tiny, other = box(10, 10, 13, 13, id="tiny"), box(10, 14, 60, 64, id="other")
    assert call("geometry", "boxAt", [tiny], 15, 11, 4)["id"] == "tiny"
    assert call("geometry", "boxAt", [tiny, other], 15, 11, 4)["id"] == "other"


def test_a_marquee_takes_what_it_touches(call: Call) -> None:
    boxes = [box(0, 0, 10, 10, id=1), box(20, 20, 30, 30, id=2), box(0, 10, 10, 20, id=3)]
    assert [found["id"] for found in call("geometry", "boxesIn", boxes, box(5, 5, 25, 10))] == [1]
    assert [found["id"] for found in call("geometry", "boxesIn", boxes, box(5, 5, 25, 25))] == [1, 2, 3]


def test_one_walks_through_boxes_as_one_reads(call: Call) -> None:
    boxes = [box(200, 5, 220, 15, id="c"), box(2, 300, 20, 320, id="b"), box(0, 10, 20, 30, id="a")]
    assert [found["id"] for found in call("geometry", "readingOrder", boxes, SLICE)] == ["a", "b", "c"]


# ---------------------------------------------------------------- tiles


@pytest.mark.parametrize(("scale", "level"), [(8, 0), (1, 0), (0.7, 0), (0.55, 1), (0.5, 1), (0.25, 2), (0.001, 4)])
def test_the_level_has_about_the_screen_s_pixels(call: Call, scale: float, level: int) -> None:
    assert call("pyramid", "levelFor", scale, 5) == level


def test_visible_tiles_are_those_that_touch_the_screen(call: Call) -> None:
    plane, screen = {"height": 4000, "width": 6000}, {"height": 700, "width": 1000}
    frame = {"scale": 1.0, "left": -600.0, "top": -10.0}
    found = call("pyramid", "visibleTiles", frame, screen, plane, 0, 512)
    assert found == {"row0": 0, "row1": 2, "col0": 1, "col1": 4}
    assert call("pyramid", "visibleTiles", frame, screen, plane, 0, 512, 1) == {
        "row0": 0,
        "row1": 3,
        "col0": 0,
        "col1": 5,
    }
    far = call("pyramid", "visibleTiles", {**frame, "left": -9999.0}, screen, plane, 0, 512)
    assert far["col0"] == far["col1"], "nothing is seen"


@pytest.mark.parametrize("level", range(5))
def test_the_tiles_of_a_level_cover_the_slice(call: Call, level: int) -> None:
    plane = {"height": 4001, "width": 6007}
    size = call("pyramid", "sizeAt", level, plane)
    assert size == {"height": math.ceil(4001 / 2**level), "width": math.ceil(6007 / 2**level)}
    everything = {"height": 1e6, "width": 1e6}
    found = call("pyramid", "visibleTiles", {"scale": 1, "left": 0, "top": 0}, everything, plane, level, 512)
    assert (found["row1"], found["col1"]) == (math.ceil(size["height"] / 512), math.ceil(size["width"] / 512))


def test_tiles_come_from_the_middle(call: Call) -> None:
    order = call("pyramid", "fromTheMiddle", {"row0": 0, "row1": 3, "col0": 4, "col1": 7})
    assert order[0] == [1, 5]
    assert sorted(order) == [[row, col] for row in range(3) for col in range(4, 7)]


def shown(evaluate: Call, window: dict[str, Any], coding: dict[str, Any], values: list[int]) -> list[int]:
    script = "const t = pyramid.lookUpTable(it[0], it[1]); return it[2].map((v) => t[v])"
    pixels = evaluate(script, [window, coding, values])
    assert all(pixel == 0xFF000000 | (pixel & 255) * 0x010101 for pixel in pixels), "opaque and grey"
    return [pixel & 255 for pixel in pixels]


def test_the_window_maps_grey_values_to_the_screen(evaluate: Call) -> None:
    eight = {"bits": 8, "offset": 0, "scale": 1}
    window = {"low": 50, "high": 150, "inverted": False}
    assert shown(evaluate, window, eight, [0, 50, 100, 150, 255]) == [0, 0, 128, 255, 255]
    assert shown(evaluate, {**window, "inverted": True}, eight, [0, 50, 100, 150, 255]) == [255, 255, 128, 0, 0]


def test_the_window_is_in_grey_values_whatever_the_tiles_coding(evaluate: Call) -> None:
    coding = {"bits": 16, "offset": -1.0, "scale": 2 / 65535}
    window = {"low": 0.0, "high": 1.0, "inverted": False}
    assert shown(evaluate, window, coding, [0, 32768, 49151, 65535]) == [0, 0, 127, 255]


def test_an_empty_window_is_a_threshold(evaluate: Call) -> None:
    window = {"low": 7, "high": 7, "inverted": False}
    assert shown(evaluate, window, {"bits": 8, "offset": 0, "scale": 1}, [6, 7, 8]) == [0, 0, 255]


# ---------------------------------------------------------------- scale bar


@pytest.mark.parametrize(
    ("per_px", "room", "label", "px"),
    [
        (4.6, 150, "500 nm", 500 / 4.6),
        (10, 150, "1 µm", 100),
        (10, 199, "1 µm", 100),
        (10, 200, "2 µm", 200),
        (0.05, 150, "5 nm", 100),
        (40_000, 150, "5 mm", 125),
    ],
)
def test_the_bar_is_round_and_fits(call: Call, per_px: float, room: float, label: str, px: float) -> None:
    bar = call("scalebar", "barFor", per_px, room, True)
    assert bar["label"] == label
    assert bar["px"] == pytest.approx(px)


def test_every_bar_fits_and_takes_two_fifths_of_its_room(evaluate: Call) -> None:
    sizes = [1.03**k / 100 for k in range(600)]
    bars = evaluate("return it.map((nm) => scalebar.barFor(nm, 160, true))", sizes)
    assert all(0.4 * 160 - 1e-6 <= bar["px"] <= 160 + 1e-6 for bar in bars)


def test_without_a_voxel_size_the_bar_counts_pixels(call: Call) -> None:
    assert call("scalebar", "barFor", 0.5, 150, False) == {"px": 100, "label": "50 px"}
    assert call("scalebar", "barFor", 0.005, 150, False)["label"] == "1 px"


# ---------------------------------------------------------------- keys


def press(key: str, code: str = "", modifiers: str = "") -> dict[str, Any]:
    held = {f"{name}Key": name in modifiers.split() for name in ("ctrl", "meta", "alt", "shift")}
    return {"key": key, "code": code, **held, "isAltGraph": "altgraph" in modifiers.split()}


@pytest.mark.parametrize(
    ("event", "chord"),
    [
        (press("s", "KeyS"), "S"),
        (press("S", "KeyS", "shift"), "Shift+S"),
        (press("Z", "KeyZ", "ctrl shift"), "Ctrl+Shift+Z"),
        (press("z", "KeyY", "meta"), "Ctrl+Z"),  # QWERTZ, and ⌘
        (press("ы", "KeyS"), "S"),  # Cyrillic: by its place
        (press("2", "Digit2"), "2"),
        (press("é", "Digit2"), "2"),  # AZERTY: by its place
        (press("2", "Digit2", "shift"), "2"),  # AZERTY with Shift
        (press("7", "Numpad7"), "7"),
        (press("Home", "Numpad7"), "Home"),
        (press("?", "Slash", "shift"), "?"),
        (press("?", "Minus", "shift"), "?"),  # QWERTZ
        (press("[", "Digit8", "ctrl alt altgraph"), "["),  # QWERTZ: AltGr is Ctrl and Alt
        (press("+", "Equal", "shift"), "+"),
        (press("ArrowLeft", "ArrowLeft", "alt shift"), "Alt+Shift+ArrowLeft"),
        (press(" ", "Space"), "Space"),
        (press("Shift", "ShiftLeft", "shift"), None),
        (press("Dead", "BracketLeft"), None),
    ],
)
def test_chords_of_many_keyboards(call: Call, event: dict[str, Any], chord: str | None) -> None:
    assert call("keys", "chordOf", event) == chord


def test_the_table_lists_every_key_once_and_says_what_it_does(evaluate: Call) -> None:
    rows = evaluate(
        "return keys.KEYS.map((k) => [k.keys, k.does, k.group, Boolean(k.run), k.run ? keys.chordsOf(k) : []])"
    )
    assert all(does and group for _, does, group, _, _ in rows)
    assert all(runs or group == "Mouse" for _, _, group, runs, _ in rows)
    chords = [chord for *_, found in rows for chord in found]
    twice = {chord for chord in chords if chords.count(chord) > 1}
    assert twice == {"Backspace"}, "deletes boxes, else rejects a proposal"
    wanted = (
        "1 9 Tab Shift+Tab B S C I D N P A X G W H ? Enter Escape Home + - [ ] PageUp PageDown Delete Ctrl+D Ctrl+A"
    )
    wanted += " ArrowUp Shift+ArrowLeft Alt+ArrowRight Ctrl+Z Ctrl+Shift+Z Ctrl+Y"
    assert set(wanted.split()) <= set(chords)


# ---------------------------------------------------------------- manners of the modules


def canvas_modules() -> list[Path]:
    names = "geometry pyramid scalebar tiles picture boxes overlay view actions gestures keys input cuts"
    return [WEB / f"{name}.js" for name in names.split()]


@pytest.mark.parametrize("file", canvas_modules(), ids=lambda file: file.stem)
def test_modules_are_short_and_fetch_nothing_from_elsewhere(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert "http://" not in text
    assert "https://" not in text
    assert text.startswith("/**"), "says what it is for"


def test_dashes_of_one_box_do_not_reach_what_is_drawn_next(modules):
    """The scale bar is drawn after the proposals."""
    dashes = modules.evaluate(
        """async () => {
          const draw = await import("/web/boxes.js");
          const frame = { scale: 1, left: 0, top: 0 }, box = { y0: 2, x0: 2, y1: 30, x1: 30 };
          const left = (paint) => {
            const context = document.createElement("canvas").getContext("2d");
            paint(context);
            return context.getLineDash();
          };
          const looks = [[true, false], [false, true], [false, false]];
          return [
            left((context) => draw.drawGhost(context, box, frame, "#123456")),
            ...looks.map(([isFaint, isFocused]) =>
              left((context) => draw.drawProposal(context, box, frame, { color: "#123456", isFaint, isFocused }))),
          ];
        }"""
    )
    assert dashes == [[], [], [], []]
