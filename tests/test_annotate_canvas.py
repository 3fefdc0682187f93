"""The canvas of the labelling page, used with mouse and keys in a real browser on the real server.

The stack is the ramp of `tests/desks.py`: voxel (z, y, x) has the grey value 1000 z + y + x, which tells what must be
seen anywhere.
"""

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from famous.stack import Window
from famous.voxels import VoxelSize
from tests.desks import SHAPE, TOKEN, Tables, make_desk, ramp, room_of, serving
from tests.hands import Hands

MITO, NUCLEUS = "mitochondrion", "nucleus"
RESET = """() => {
  const { store, view } = famous;
  document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
  const classes = [{ name: "mitochondrion", color: "#e69f00" }, { name: "nucleus", color: "#56b4e9" }];
  if (!store.classes.length) store.setClasses("classes", classes);
  store.removeBoxes("clear", [...store.boxes.keys()]);
  for (const z of [...store.done]) store.setDone(z, false);
  store.rejectProposals(store.proposals.map(({ key }) => key));
  store.select([]);
  store.setClass("mitochondrion");
  store.goTo(2);
  store.setWindow({ low: 0, high: 6300, inverted: false });
  view.fresh = null;
  view.fit();
  view.canvas.focus();
  famous.said ??= (store.on("say", ({ text }) => famous.said.push(text)), []);
  famous.said.length = 0;
}"""


def open_page(context: Any, port: int) -> Hands:
    page = context.new_page()
    hands = Hands(page, f"http://127.0.0.1:{port}")
    page.goto(f"{hands.origin}/?token={TOKEN}")
    hands.until("Boolean(globalThis.famous?.view?.isReady)")
    return hands


@pytest.fixture(scope="module")
def opened(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hands, list[str]]]:
    errors: list[str] = []
    with room_of(make_desk(tmp_path_factory.mktemp("desk"), Tables())) as room, serving(room) as port:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="dark")
        context.on("weberror", lambda error: errors.append(str(error.error)))
        yield open_page(context, port), errors
        context.close()


@pytest.fixture
def hands(opened: tuple[Hands, list[str]]) -> Iterator[Hands]:
    found, errors = opened
    found.mouse.move(5, 5)
    found.ask(RESET)
    found.until("famous.store.saved", "saved")
    yield found
    found.page.unroute_all(behavior="ignoreErrors")
    assert not errors


# ---------------------------------------------------------------- drawing and changing boxes


def test_one_drag_is_one_box_of_the_current_class(hands: Hands) -> None:
    hands.drag((100, 120), (220, 250))
    hands.press("2")
    hands.drag((400, 500), (300, 400))
    assert hands.boxes() == [[120, 100, 250, 220, MITO], [400, 300, 500, 400, NUCLEUS]]
    hands.until("famous.store.saved", "saved")


def test_a_box_just_drawn_has_handles_but_keys_mean_the_next_one(hands: Hands) -> None:
    hands.drag((100, 120), (220, 250))
    assert hands.selected == 0
    hands.drag((220, 250), (240, 280))
    assert hands.boxes() == [[120, 100, 280, 240, MITO]], "its corner was pulled"
    hands.press("Delete")
    assert hands.boxes() == []


def test_a_box_just_drawn_is_selected_once_its_handle_is_gripped(hands: Hands) -> None:
    """From then on keys mean it; a press on the handle is enough."""
    hands.drag((100, 120), (220, 250))
    hands.drag((220, 250), (240, 280))
    assert hands.selected == 1
    hands.press("2")
    hands.press("ArrowLeft")
    assert hands.boxes() == [[120, 99, 280, 239, NUCLEUS]]
    hands.press("Delete")
    assert hands.boxes() == []
    hands.drag((300, 320), (420, 450))
    hands.click(420, 450)
    assert hands.selected == 1


@pytest.mark.parametrize("key", ["Delete", "Backspace"])
def test_a_box_just_drawn_is_deleted_while_nothing_else_is_selected(hands: Hands, key: str) -> None:
    (other,) = hands.add((400, 400, 500, 500))
    hands.drag((100, 120), (220, 250))
    hands.press(key)
    assert hands.ask("() => famous.store.boxesOn(2).map(({ id }) => id)") == [other]
    hands.drag((100, 120), (220, 250))
    hands.press("PageDown")
    hands.press(key)
    assert len(hands.boxes(2)) == 2, "it is another slice's now"


def test_a_box_just_drawn_does_not_look_selected(hands: Hands) -> None:
    """White handles and a white line are what is selected; a corner's handle and the line beside it are looked at."""
    look = """([x, y]) => {
      const { view } = famous;
      const [px, py] = view.toScreen(x, y).map(Math.round);
      const across = (dy) => view.overContext.getImageData(px - 4, py + dy, 9, 1).data;
      const isWhite = (data, at) => data.slice(4 * at, 4 * at + 4).every((value) => value > 230);
      return [0, 30].map((dy) => [...Array(9).keys()].some((at) => isWhite(across(dy), at)));
    }"""
    hands.drag((100, 120), (220, 250))
    hands.mouse.move(5, 5)
    hands.until("famous.view.asked === 0")
    assert hands.ask(look, [100, 120]) == [False, False]
    hands.click(100, 120)
    hands.mouse.move(5, 5)
    hands.until("famous.view.asked === 0")
    assert hands.ask(look, [100, 120]) == [True, True]


def test_boxes_are_drawn_inside_boxes(hands: Hands) -> None:
    hands.drag((100, 100), (400, 400))
    hands.drag((200, 200), (260, 250))
    assert hands.boxes()[1] == [200, 200, 250, 260, MITO]
    hands.click(120, 390)
    hands.drag((300, 300), (330, 340), key="Alt")
    assert hands.boxes()[2] == [300, 300, 340, 330, MITO], "with Alt also inside a selected one"


def test_what_is_drawn_outside_is_clipped_and_what_is_too_small_refused_with_a_word(hands: Hands) -> None:
    hands.ask("() => famous.view.panBy(60, 60)")
    hands.drag((-30, -40), (50, 60))
    assert hands.boxes() == [[0, 0, 60, 50, MITO]]
    hands.ask("() => famous.view.zoomBy(8, ...famous.view.toScreen(300, 300))")
    hands.drag((300, 300), (302, 330))
    assert hands.said.startswith("Too small: 2 × 30 px")
    assert len(hands.boxes()) == 1


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ((200, 200), [210, 210, 300, 350, MITO]),
        ((275, 200), [210, 200, 300, 350, MITO]),
        ((350, 200), [210, 200, 300, 360, MITO]),
        ((350, 250), [200, 200, 300, 360, MITO]),
        ((350, 300), [200, 200, 310, 360, MITO]),
        ((275, 300), [200, 200, 310, 350, MITO]),
        ((200, 300), [200, 210, 310, 350, MITO]),
        ((200, 250), [200, 210, 300, 350, MITO]),
        ((275, 230), [210, 210, 310, 360, MITO]),
    ],
)
def test_eight_handles_and_the_inside(hands: Hands, start: tuple[int, int], expected: list[Any]) -> None:
    hands.add((200, 200, 300, 350))
    hands.click(230, 230)
    hands.drag(start, (start[0] + 10, start[1] + 10))
    assert hands.boxes() == [expected]


def test_escape_takes_a_drag_back(hands: Hands) -> None:
    hands.add((200, 200, 300, 350))
    hands.click(230, 230)
    for start, end in ((230, 230), (300, 300)), ((20, 20), (90, 90)):
        hands.mouse.move(*hands.at(*start))
        hands.mouse.down()
        hands.mouse.move(*hands.at(*end))
        hands.press("Escape")
        hands.mouse.up()
        assert hands.boxes() == [[200, 200, 300, 350, MITO]]


def test_keys_nudge_resize_relabel_duplicate_and_delete_what_is_selected(hands: Hands) -> None:
    hands.add((200, 200, 230, 240))
    hands.click(220, 220)
    hands.press("ArrowRight")
    hands.press("Shift+ArrowUp")
    assert hands.boxes() == [[190, 201, 220, 241, MITO]]
    hands.press("Alt+ArrowLeft")
    hands.press("Alt+Shift+ArrowDown")
    assert hands.boxes() == [[190, 201, 230, 240, MITO]]
    hands.press("2")
    assert hands.boxes() == [[190, 201, 230, 240, NUCLEUS]]
    assert hands.ask("() => famous.store.className") == MITO
    hands.press("Control+d")
    assert hands.boxes()[1] == [200, 211, 240, 250, NUCLEUS]
    hands.press("Backspace")
    assert len(hands.boxes()) == 1


def test_a_held_arrow_is_one_edit_when_it_is_let_go(hands: Hands) -> None:
    hands.add((200, 200, 230, 240))
    hands.click(220, 220)
    for _ in range(5):
        hands.page.keyboard.down("ArrowLeft")
    assert hands.boxes()[0][1] == 200, "not yet saved"
    hands.page.keyboard.up("ArrowLeft")
    assert hands.boxes()[0][1] == 195
    hands.press("Control+z")
    hands.until("famous.store.boxesOn(2)[0].x0", 200)


def test_the_smallest_box_is_selected_and_shift_takes_more(hands: Hands) -> None:
    large, small, other = hands.add((100, 100, 400, 400), (200, 200, 240, 240), (500, 500, 540, 540))
    hands.click(220, 220)
    assert hands.ask("() => [...famous.store.selection]") == [small]
    hands.click(520, 520, "Shift")
    assert hands.ask("() => [...famous.store.selection]") == [small, other]
    hands.click(220, 220, "Shift")
    assert hands.ask("() => [...famous.store.selection]") == [other]
    hands.drag((50, 50), (210, 210), key="Shift")
    assert set(hands.ask("() => [...famous.store.selection]")) == {large, small, other}
    hands.press("Escape")
    assert hands.selected == 0
    hands.press("Control+a")
    hands.drag((220, 220), (220, 190))
    assert [box[0] for box in hands.boxes()] == [70, 170, 470], "all move together"


FOCUSED = "document.activeElement.id"


def test_tab_walks_round_the_boxes_and_keeps_the_focus(hands: Hands) -> None:
    below, above = hands.add((500, 100, 540, 140), (100, 100, 140, 140))
    for key, expected in (("Tab", above), ("Tab", below), ("Tab", above), ("Shift+Tab", below), ("Shift+Tab", above)):
        hands.press(key)
        assert hands.ask("() => [...famous.store.selection]") == [expected]
        assert hands.ask(f"() => {FOCUSED}") == "canvas"


@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
def test_nobody_is_trapped_on_the_slice(hands: Hands, key: str) -> None:
    """Escape selects nothing; after a second one Tab goes on through the page, until the slice has the focus again."""
    hands.add((500, 100, 540, 140), (100, 100, 140, 140))
    hands.press("Tab")
    hands.press("Escape")
    assert hands.selected == 0
    hands.press(key)
    assert (hands.selected, hands.ask(f"() => {FOCUSED}")) == (1, "canvas"), "one is not enough"
    hands.press("Escape")
    hands.press("Escape")
    hands.press(key)
    assert (hands.selected, hands.ask(f"() => {FOCUSED} === 'canvas'")) == (0, False)
    hands.ask("() => famous.view.canvas.focus()")
    hands.press(key)
    assert (hands.selected, hands.ask(f"() => {FOCUSED}")) == (1, "canvas")


def test_an_empty_slice_lets_tab_go_on(hands: Hands) -> None:
    hands.press("Tab")
    assert hands.ask(f"() => {FOCUSED}") != "canvas"


def test_a_box_is_made_with_keys_only(hands: Hands) -> None:
    hands.ask("() => famous.view.setPointer(null)")
    hands.press("b")
    assert hands.selected == 1
    (box,) = hands.boxes()
    assert (box[0] + box[2], box[1] + box[3]) == pytest.approx((SHAPE[1], SHAPE[2]), abs=2), "in the middle"
    hands.press("Shift+ArrowLeft")
    hands.press("Alt+ArrowDown")
    assert hands.boxes() == [[box[0], box[1] - 10, box[2] + 1, box[3] - 10, MITO]]


def test_a_box_is_never_made_exactly_where_one_of_its_class_is(hands: Hands) -> None:
    hands.ask("() => famous.view.setPointer(null)")
    for _ in range(3):
        hands.press("b")
        hands.ask("() => famous.view.setPointer(null)")
    (y0, x0, y1, x1, _), *others = hands.boxes()
    assert others == [[y0 + far, x0 + far, y1 + far, x1 + far, MITO] for far in (10, 20)]
    hands.press("Escape")
    hands.press("2")
    hands.press("b")
    assert hands.boxes()[3] == [y0, x0, y1, x1, NUCLEUS], "of another class it may"


def test_a_duplicate_lies_on_no_other(hands: Hands) -> None:
    first, second = hands.add((200, 200, 230, 240), (210, 210, 240, 250))
    hands.ask("(id) => famous.store.select([id])", first)
    hands.press("Control+d")
    assert hands.boxes()[2] == [220, 220, 250, 260, MITO]
    hands.ask("(ids) => famous.store.removeBoxes('clear', ids)", [first, second])
    hands.press("Delete")
    hands.add((0, 0, SHAPE[1], SHAPE[2]))
    hands.press("Control+a")
    hands.press("Control+d")
    assert len(hands.boxes()) == 1
    assert hands.said == "There is no room beside for a duplicate."


def test_keys_are_left_alone_while_one_types_or_answers_a_dialog(hands: Hands) -> None:
    hands.add((200, 200, 230, 240))
    hands.page.focus("#slice-number")
    hands.press("d")
    hands.press("b")
    assert not hands.ask("() => famous.store.done.has(2)")
    assert len(hands.boxes()) == 1
    hands.ask("() => famous.view.canvas.focus()")
    hands.press("?")
    hands.until("Boolean(document.querySelector('dialog[open]'))")
    hands.press("d")
    assert not hands.ask("() => famous.store.done.has(2)")


# ---------------------------------------------------------------- slices


def test_keys_and_wheel_turn_the_slices(hands: Hands) -> None:
    for key, z in (
        ("ArrowDown", 3),
        ("PageDown", 4),
        ("[", 3),
        ("]", 4),
        ("ArrowUp", 3),
        ("PageUp", 2),
        ("Shift+ArrowDown", 5),
    ):
        hands.press(key)
        assert hands.z == z
    hands.mouse.move(*hands.at(300, 300))
    for key, way, z in ("Alt", -120, 4), ("Shift", -120, 3), ("Alt", 120, 4):
        hands.page.keyboard.down(key)
        hands.mouse.wheel(0, way)
        hands.until("famous.store.z", z)
        hands.page.keyboard.up(key)


def test_boxes_are_copied_from_the_last_labelled_slice(hands: Hands) -> None:
    for z, corners in (0, (90, 90, 99, 99)), (1, (10, 10, 30, 30)), (3, (50, 50, 70, 70)):
        hands.add(corners, z=z)
    hands.press("c")
    assert hands.boxes() == [[10, 10, 30, 30, MITO]], "the nearest below"
    hands.press("c")
    assert len(hands.boxes()) == 1, "not twice"
    assert hands.said == "All boxes of slice 1 are here already."
    hands.ask("() => famous.store.goTo(0)")
    hands.press("c")
    assert hands.boxes() == [[90, 90, 99, 99, MITO], [10, 10, 30, 30, MITO]], "else from above, beside what is there"


def test_copies_that_would_repeat_a_box_are_left_out_and_counted(hands: Hands) -> None:
    hands.add((10, 10, 30, 30), (40, 40, 60, 60), (70, 70, 90, 90), z=1)
    hands.add((10, 10, 30, 30), (70, 70, 90, 90))
    hands.press("c")
    assert hands.boxes() == [[a, a, a + 20, a + 20, MITO] for a in (10, 70, 40)]
    assert hands.said == "Copied one box from slice 1; 2 boxes were here already."


def test_boxes_are_interpolated_between_two_key_slices(hands: Hands) -> None:
    hands.add((10, 10, 50, 50), z=1)
    hands.add((22, 25, 62, 65), z=4)
    hands.press("i")
    hands.until("famous.store.boxesOn(3).length", 1)
    assert hands.boxes(2) == [[14, 15, 54, 55, MITO]]
    assert hands.boxes(3) == [[18, 20, 58, 60, MITO]]
    hands.press("Control+z")
    hands.until("famous.store.boxesOn(2).length + famous.store.boxesOn(3).length", 0)


def test_loose_boxes_snap_and_those_without_an_edge_stay(hands: Hands) -> None:
    def answer(route: Any) -> None:
        tight = {"box": {"y0": 110, "x0": 120, "y1": 180, "x1": 190}}
        is_first = route.request.post_data_json["box"]["y0"] == 100
        route.fulfill(json=tight) if is_first else route.fulfill(status=422, json={"error": "there is no clear edge"})

    hands.page.route("**/api/snap", answer)
    hands.add((100, 100, 200, 200), (300, 300, 400, 400))
    hands.press("Control+a")
    hands.press("s")
    hands.until("famous.store.boxesOn(2)[0].x1", 190)
    assert hands.boxes() == [[110, 120, 180, 190, MITO], [300, 300, 400, 400, MITO]]
    assert hands.said == "one box left as drawn: there is no clear edge"


@pytest.mark.parametrize("hand", ["key", "button"])
def test_why_the_next_slice_is_next_stays_on_the_page(hands: Hands, hand: str) -> None:
    hands.ask("() => { document.getElementById('suggest-reason').textContent = '' }")
    hands.press("n") if hand == "key" else hands.page.click("#suggest-slice")
    hands.until("document.getElementById('suggest-reason').innerText", "Slice 1: it is drawn")
    assert hands.z == 1
    hands.until("document.getElementById('suggest-slice').disabled", expected=False)
    assert hands.said == ("Slice 1: it is drawn" if hand == "key" else "")


def test_done_is_said_by_key(hands: Hands) -> None:
    hands.press("d")
    assert hands.ask("() => famous.store.done.has(2)")
    hands.press("d")
    assert not hands.ask("() => famous.store.done.has(2)")


def test_proposals_are_truth_only_when_accepted(hands: Hands) -> None:
    hands.press("p")
    hands.until("famous.store.proposals.length", 1)  # (1, 2) to (30, 40)
    assert hands.boxes() == []
    hands.mouse.move(*hands.at(20, 15))
    hands.press("x")
    assert hands.ask("() => famous.store.proposals.length") == 0
    hands.press("p")
    hands.until("famous.store.proposals.length", 1)
    hands.press("Tab")
    hands.press("Enter")
    assert hands.boxes() == [[1, 2, 30, 40, MITO]]
    assert hands.ask("() => famous.store.proposals.length") == 0


def test_all_proposals_above_the_score_are_accepted_at_once(hands: Hands) -> None:
    hands.press("p")
    hands.until("famous.store.proposals.length", 1)
    hands.ask("() => { famous.store.proposalThreshold = 0.6 }")
    hands.press("a")
    assert hands.boxes() == []
    hands.ask("() => { famous.store.proposalThreshold = 0.4 }")
    hands.press("a")
    assert hands.boxes() == [[1, 2, 30, 40, MITO]]


# ---------------------------------------------------------------- looking


def test_the_wheel_zooms_to_the_cursor(hands: Hands) -> None:
    hands.mouse.move(*[round(value) for value in hands.at(150, 200)])
    before = hands.ask("() => famous.view.toImage(famous.view.pointer.px, famous.view.pointer.py)")
    scale = hands.ask("() => famous.view.frame.scale")
    hands.mouse.wheel(0, -240)
    hands.until("famous.view.goal === null && famous.view.frame.scale > 1.5")
    after = hands.ask("() => famous.view.toImage(famous.view.pointer.px, famous.view.pointer.py)")
    assert after == pytest.approx(before, abs=0.01)
    hands.press("Home")
    assert hands.ask("() => famous.view.frame.scale") == scale


@pytest.mark.parametrize(("button", "key"), [("middle", ""), ("right", ""), ("left", "Space")])
def test_the_slice_is_moved_by_dragging(hands: Hands, button: str, key: str) -> None:
    left, top = hands.ask("() => [famous.view.frame.left, famous.view.frame.top]")
    scale = hands.ask("() => famous.view.frame.scale")
    hands.drag((300, 300), (340, 280), key=key, button=button)
    moved = hands.ask("() => [famous.view.frame.left, famous.view.frame.top]")
    assert moved == pytest.approx([left + 40 * scale, top - 20 * scale], abs=1.1)
    assert hands.boxes() == []


def test_the_grey_value_under_the_cursor_is_that_of_the_voxel(hands: Hands) -> None:
    for x, y in (0.5, 0.5), (599.5, 699.5), (511.5, 512.5):
        hands.mouse.move(*hands.at(x, y))
        row, col = int(y), int(x)
        hands.until("famous.view.cursor.isExact && famous.view.cursor.grey", 2000 + row + col)
        assert hands.ask("() => [famous.view.cursor.y, famous.view.cursor.x]") == [row, col]
    assert hands.ask("() => famous.view.cursor.um.z") == pytest.approx(2.5 * 30 / 1000)


def test_the_slice_is_painted_through_the_window(hands: Hands) -> None:
    hands.ask("() => famous.view.zoomBy(1 / famous.view.frame.scale)")
    hands.until("famous.view.isReady && famous.view.picture.held", 2)
    for low, high, inverted in (0, 6300, False), (2300, 2900, False), (2300, 2900, True):
        hands.ask("(window) => famous.store.setWindow(window)", {"low": low, "high": high, "inverted": inverted})
        for x, y in (300.5, 350.5), (400.5, 200.5), (200.5, 400.5):
            share = min(max((2000 + int(x) + int(y) - low) / (high - low), 0), 1)
            wanted = round(255 * (1 - share if inverted else share))
            hands.until(
                f"Math.abs({wanted} - famous.view.context.getImageData("
                f"...famous.view.toScreen({x}, {y}).map(Math.floor), 1, 1).data[0]) <= 1"
            )


def test_pixels_are_squares_from_twice_the_size_on(hands: Hands) -> None:
    hands.ask("() => famous.store.setWindow({low: 2640, high: 2660, inverted: false})")
    hands.ask("() => famous.view.zoomBy(16 / famous.view.frame.scale)")
    hands.until("famous.view.picture.held === 2 && famous.view.asked === 0")
    shades = [hands.pixel(300 + step / 16, 350.5) for step in range(1, 47)]
    assert len(set(shades)) == 3, "three voxels, three shades"


def test_a_turn_never_flashes_and_a_slice_that_takes_long_is_announced(hands: Hands) -> None:
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    hands.page.route("**/tiles/5/**", hold)
    hands.ask("""() => {
      famous.frames = [];
      const look = () => {
        const { view } = famous;
        const [x, y] = [view.context.canvas.width >> 1, view.context.canvas.height >> 1];
        famous.frames.push(view.context.getImageData(x, y, 1, 1).data[0]);
        famous.looking = requestAnimationFrame(look);
      };
      look();
      for (const key of famous.view.tiles.kept.keys()) if (key.startsWith("5/")) famous.view.tiles.kept.delete(key);
      famous.store.goTo(5);
    }""")
    hands.until("famous.view.notice()", "Slice 5 is being read …")
    for route in held:
        route.continue_()
    hands.page.unroute("**/tiles/5/**")
    hands.until("famous.view.picture.held", 5)
    assert hands.ask("() => famous.view.notice()") is None
    frames = hands.ask("() => { cancelAnimationFrame(famous.looking); return famous.frames }")
    background = hands.ask("() => Number(/\\d+/.exec(famous.view.background)[0])")
    assert background < 32, "the page is dark, as asked for"
    assert min(frames) > background + 10, "always a slice, dimmed at most"


def test_a_slice_that_cannot_be_read_says_why(hands: Hands) -> None:
    fault = {"status": 422, "content_type": "application/json", "body": '{"error": "z0004.png is torn"}'}
    hands.page.route("**/tiles/4/**", lambda route: route.fulfill(**fault))
    hands.ask("() => { famous.view.tiles.kept.clear(); famous.store.goTo(4) }")
    hands.until("famous.view.notice()", "z0004.png is torn")


def test_few_requests_at_once_and_those_of_slices_left_behind_are_aborted(hands: Hands) -> None:
    hands.page.route("**/tiles/**", lambda route: None)  # no answer
    hands.ask("() => { famous.view.tiles.kept.clear(); famous.store.goTo(0) }")
    hands.until("famous.view.tiles.inFlight.size > 0")
    hands.ask("() => { famous.store.goTo(4) }")
    hands.until("[...famous.view.tiles.inFlight.values()].every(({place}) => place.z >= 3)")
    assert hands.ask("() => famous.view.tiles.inFlight.size") <= 10


def test_a_moving_window_looks_up_only_what_is_seen(hands: Hands) -> None:
    hands.ask("() => famous.view.zoomBy(40 / famous.view.frame.scale, ...famous.view.toScreen(100, 100))")
    hands.until("famous.view.tiles.has({ z: 2, level: 0, row: 0, col: 0 }) && famous.view.asked === 0")
    hands.ask("""() => {
      const { tiles } = famous.view;
      famous.lookUps = 0;
      const before = Object.getPrototypeOf(tiles).lookUp;
      tiles.lookUp = (tile) => { famous.lookUps += 1; before.call(tiles, tile); };
    }""")
    hands.ask("() => famous.store.setWindow({ low: 100 }, { final: false })")
    hands.until("famous.view.asked === 0 && famous.lookUps > 0")
    assert hands.ask("() => { delete famous.view.tiles.lookUp; return famous.lookUps }") == 1


def test_cuts_run_through_the_cursor_and_a_click_in_them_turns_the_slices(hands: Hands) -> None:
    hands.mouse.move(*hands.at(300.5, 350.5))
    hands.until("document.getElementById('cut-xz').width > 0")
    script = """() => {
      const pane = document.getElementById('cut-xz');
      const context = pane.getContext('2d');
      const ratio = pane.width / pane.clientWidth;
      const across = Math.max(40, Math.round(3 * (30 / 4) * (pane.clientWidth / pane.clientHeight)));
      const down = (pane.clientWidth / (2 * across + 1)) * (30 / 4);
      const reach = Math.min(pane.clientHeight / 2 / down, 3);
      const middle = Math.min(Math.max(2.5, reach), 6 - reach); // the stack's six slices fill the pane
      const row = (k) => (pane.clientHeight / 2 + (2.5 + k - middle) * down) * ratio;
      return [-1, 1, 2].map((k) => context.getImageData(pane.width / 2 + 9, row(k), 1, 1).data[0]);
    }"""
    end = time.monotonic() + 20
    wanted = [round(255 * (1000 * z + 660) / 6300) for z in (1, 3, 4)]
    while (found := hands.ask(script)) != pytest.approx(wanted, abs=6):
        assert time.monotonic() < end, f"{found}, expected {wanted}: one slice is 30 nm, one pixel 4 nm"
        hands.page.wait_for_timeout(50)
    pane = hands.page.locator("#cut-xz").bounding_box()
    across = max(40, round(3 * 30 / 4 * pane["width"] / pane["height"]))
    down = pane["width"] / (2 * across + 1) * 30 / 4
    reach = min(pane["height"] / 2 / down, 3)
    hands.mouse.click(pane["x"] + 20, pane["y"] + pane["height"] / 2 + (4.5 - min(max(2.5, reach), 6 - reach)) * down)
    hands.until("famous.store.z", 4)


@pytest.mark.parametrize(("fault", "x"), [("no answer", 350), ("refused", 400)])
def test_cuts_are_asked_for_again_where_an_answer_got_lost(hands: Hands, fault: str, x: int) -> None:
    asked = []

    def fail(route: Any) -> None:
        asked.append(route)
        if len(asked) > 1:
            route.continue_()
        elif fault == "refused":
            route.fulfill(status=503)

    hands.page.wait_for_timeout(500)  # the cuts of where the cursor was are there
    hands.page.route("**/cuts?*", fail)
    hands.mouse.move(*hands.at(x + 0.5, 300.5))
    hands.until("(({ from, cols }) => from + (cols - 1) / 2)(famous.cuts.panes[0].cut)", x, seconds=20)
    assert len(asked) > 1


def test_a_tile_whose_answer_got_lost_is_fetched_again(hands: Hands) -> None:
    asked = []

    def lose(route: Any) -> None:
        asked.append(route.request.url)
        if asked.count(route.request.url) > 1:
            route.continue_()

    hands.page.route("**/tiles/**", lose)
    hands.ask("() => { famous.view.tiles.kept.clear(); famous.view.tiles.patienceMs = 500; famous.store.goTo(4) }")
    hands.until("famous.view.tiles.has({ z: 4, level: 0, row: 0, col: 0 })", seconds=20)


@pytest.mark.parametrize("z", [0, 2, 39])
def test_near_a_face_the_stack_fills_the_cuts(browser: Any, tmp_path: Any, z: int) -> None:
    """No part of a pane lies outside a stack that is deep enough."""
    volume = np.tile(ramp().volume[:1], (40, 1, 1)) + 500 * np.arange(40, dtype=np.uint16)[:, None, None]
    stack = dataclasses.replace(ramp(), volume=volume, window=Window(0, 22_000), voxel_size=VoxelSize(8, 4, 4))
    with room_of(make_desk(tmp_path, stack=stack)) as room, serving(room) as port:
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        hands = open_page(context, port)
        hands.ask("(z) => famous.store.goTo(z)", z)
        hands.until("document.getElementById('cut-xz').width > 0")
        rows = """(() => {
          const pane = document.getElementById('cut-xz');
          const column = pane.getContext('2d').getImageData(pane.width / 2 + 9, 0, 1, pane.height).data;
          return [...Array(pane.height - 1).keys()].filter((row) => column[4 * row + 3] < 255).length < 9;
        })()"""
        hands.until(rows)  # but for what rounding leaves
        context.close()


def test_a_stack_without_a_voxel_size_is_measured_in_pixels(browser: Any, tmp_path: Any) -> None:
    stack = dataclasses.replace(ramp(), voxel_size=None)
    with room_of(make_desk(tmp_path, stack=stack)) as room, serving(room) as port:
        context = browser.new_context(viewport={"width": 900, "height": 700}, device_scale_factor=2)
        hands = open_page(context, port)
        assert hands.ask("() => famous.store.stack.voxel_size_nm") is None
        size = hands.ask(
            "() => { const { canvas } = famous.view; return [canvas.width / canvas.clientWidth, famous.view.ratio] }"
        )
        assert size == pytest.approx([2, 2], abs=0.01), "as sharp as the screen"
        context.close()


def test_a_drag_held_at_the_edge_moves_the_slice(hands):
    """A box may be larger than what is on the screen; one that begins at the edge does not move anything."""
    hands.ask("() => { famous.view.zoomBy(6); famous.view.place({ ...famous.view.frame, left: 0, top: 0 }); }")
    right, bottom = hands.ask("() => famous.view.toImage(famous.view.screen.width, famous.view.screen.height)")
    hands.mouse.move(*hands.at(20, 20))
    hands.mouse.down()
    hands.mouse.move(*hands.at(60, 60))
    hands.mouse.move(*hands.at(right - 0.5, bottom - 0.5))
    hands.until(f"famous.view.band.box.x1 > {right + 30} && famous.view.band.box.y1 > {bottom + 30}")
    hands.mouse.up()
    ((y0, x0, y1, x1, _),) = hands.boxes()
    assert (y0, x0) == (20, 20)
    assert (y1 > bottom + 30, x1 > right + 30) == (True, True)
    still = hands.ask("() => famous.view.frame.left")
    hands.page.wait_for_timeout(50)
    assert hands.ask("() => famous.view.frame.left") == still


def test_at_the_slices_own_edge_nothing_moves(hands):
    """The whole slice is on the screen: there is no more of it beyond."""
    before = hands.ask("() => ({ ...famous.view.frame })")
    hands.mouse.move(*hands.at(300, 300))
    hands.mouse.down()
    for x, y in ((400, 400), (590, 690), (600, 2000)):
        hands.mouse.move(*hands.at(x, y))
        hands.page.wait_for_timeout(30)
    hands.mouse.up()
    assert hands.ask("() => ({ ...famous.view.frame })") == before
    assert hands.boxes() == [[300, 300, 700, 600, MITO]]
