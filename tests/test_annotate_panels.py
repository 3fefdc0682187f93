"""The page round the slice, in a real browser, used as its users do; the server is scripted."""

from typing import Any

import pytest

from tests.browser import serve_web
from tests.test_annotate_store import ORIGIN, SERVER

CLASSES = '[{name: "mito", color: "#e69f00"}, {name: "er", color: "#56b4e9"}]'


@pytest.fixture
def app(page: Any) -> Any:
    """The whole page on a scripted server; `app.begin(script)` changes the server before the page loads."""
    serve_web(page.context, ORIGIN)

    def begin(change: str = "") -> Any:
        page.add_init_script(f"({SERVER})(); {change}")
        page.goto(f"{ORIGIN}/web/index.html")
        page.wait_for_function("globalThis.famous || document.querySelector('#loading.failed')")
        return page

    page.begin = begin
    return page


def draw(page: Any, z: int, count: int = 1) -> None:
    page.evaluate(
        "([z, count]) => { store = famous.store; store.addBoxes('draw', Array.from({length: count},"
        " (_, i) => ({z, y0: 10, x0: 20 * i, y1: 30, x1: 20 * i + 15, class: store.classes[i % 2].name}))); }",
        [z, count],
    )


def test_the_first_start_asks_for_classes_and_voxel_size(app: Any) -> None:
    app.begin("server.classes = []; server.voxels = null; server.presets = {Yeast: " + CLASSES + "};")
    app.click("#begin")
    assert app.inner_text("#setup-dialog [role=alert]") == "Name at least one class."
    app.click("[data-preset=Yeast]")
    app.click("#begin")
    told = app.inner_text("#setup-dialog [role=alert]")
    assert told.startswith("The voxel size is missing: give three numbers in nm, z, y and x. The microscope's log")
    invalid = "[...document.querySelectorAll('[aria-invalid=true]')].map(({id}) => id)"
    assert app.evaluate(invalid) == ["voxel-z", "voxel-y", "voxel-x"]
    assert app.evaluate("document.activeElement.id") == "voxel-z"
    app.fill("#voxel-z", "40")
    app.wait_for_selector("#setup-dialog [role=alert]", state="hidden")
    assert app.evaluate(invalid) == []
    app.fill("#voxel-x", "0")
    app.click("#begin")
    assert app.evaluate(invalid) == ["voxel-y", "voxel-x"]
    assert app.evaluate("document.activeElement.id") == "voxel-y"
    app.fill("#voxel-y", "5")
    app.click("#begin")
    assert app.inner_text("#setup-dialog [role=alert]") == "The voxel size is wrong. Each is larger than 0."
    app.fill("#voxel-x", "5")
    app.click("#add-row")
    app.keyboard.type("axon")
    app.click("#begin")
    app.wait_for_selector("#setup-dialog", state="detached")
    assert app.evaluate("server.voxels") == [40, 5, 5]
    assert app.locator(".class .name").all_inner_texts() == ["mito", "er", "axon"]
    assert app.evaluate("famous.store.z") == 3


def test_a_stack_that_is_set_up_asks_nothing_and_fits_the_window(app: Any) -> None:
    app.begin()
    assert app.locator("dialog").count() == 0
    page = app.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]")
    assert page == [800, 1280]
    assert app.evaluate("document.activeElement.id") == "canvas"


def test_the_list_says_which_slices_are_done_without_colour(app: Any) -> None:
    app.begin()
    draw(app, 9, 3)
    draw(app, 14)
    app.click("#slice-9")
    app.click("#done-switch")
    app.wait_for_function("document.querySelector('#progress-word').textContent === '1 of 4 done'")
    labels = app.eval_on_selector_all(".slice", "rows => rows.map((row) => row.getAttribute('aria-label'))")
    assert labels == [
        "Slice 3, not begun, 0 boxes",
        "Slice 9, done, 3 boxes",
        "Slice 14, begun, 1 box, added by you",
        "Slice 20, not begun, 0 boxes",
    ]
    assert app.eval_on_selector_all(".slice", "rows => new Set(rows.map((row) => row.dataset.mark)).size") == 3


def test_a_slice_can_be_added_and_the_arrows_walk_the_list(app: Any) -> None:
    app.begin()
    app.fill("#slice-number", "17")
    app.keyboard.press("Enter")
    app.click("#add-slice")
    app.focus("#slices")
    app.keyboard.press("ArrowUp")
    assert app.evaluate("famous.store.z") == 9
    app.keyboard.press("End")
    assert app.evaluate("famous.store.z") == 20
    app.reload()
    app.wait_for_selector("#slice-17")
    assert app.evaluate("famous.store.z") == 20


def test_enter_in_the_class_dialog_keeps_once_and_gives_the_focus_back(app: Any) -> None:
    app.begin()
    draw(app, 3)
    app.get_by_label("Change class mito").click()
    assert app.locator("#remove-class").is_disabled()
    app.keyboard.type("mitochondrion")
    app.keyboard.press("Enter")
    app.wait_for_selector("#class-dialog", state="detached")
    app.wait_for_selector("[data-class=mitochondrion]")
    assert app.locator("dialog").count() == 0
    assert app.evaluate("famous.store.boxesOn(3)[0].class") == "mitochondrion"


def test_a_class_is_added_moved_recoloured_and_removed(app: Any) -> None:
    app.begin()
    app.click("#add-class")
    app.keyboard.type("er")
    app.click("#keep-class")
    assert app.inner_text("#class-dialog [role=alert]") == "There is a class of this name already."
    app.keyboard.type("2")
    app.click("#keep-class")
    app.get_by_label("Change class er2").click()
    app.click("#class-up")
    app.click("#class-up")
    app.click("[data-colour='#e69f00']")
    app.click("#keep-class")
    assert app.evaluate("famous.store.classes.map(({name, color}) => name + color)")[0] == "er2#e69f00"
    app.get_by_label("Change class er2").click()
    app.click("#remove-class")
    assert app.evaluate("famous.store.classes.map(({name}) => name)") == ["mito", "er"]


def test_undo_is_named_and_goes_by_button(app: Any) -> None:
    app.begin()
    assert app.locator("#undo").is_disabled()
    draw(app, 3)
    app.wait_for_function("document.querySelector('#undo').innerText.trim() === 'Undo draw'")
    app.wait_for_function("document.querySelector('#saved').dataset.state === 'saved'")
    app.click("#undo")
    app.wait_for_function("document.querySelector('#redo').innerText.trim() === 'Redo draw'")
    assert app.evaluate("famous.store.boxes.size") == 0


def test_undo_and_redo_are_written_out_where_there_is_room(app: Any) -> None:
    """Cut only in a narrow window, and then the header still holds everything."""
    app.begin()
    app.evaluate(
        """for (const [x0, word] of ["mark", "remark"].entries()) {
          const box = { z: 3, y0: 1, x0, y1: 9, x1: 9, class: "mito" };
          famous.store.addBoxes(`${word} the mitochondrion of slice 3`, [box]);
        }"""
    )
    app.wait_for_function("document.querySelector('#saved').dataset.state === 'saved'")
    app.click("#undo")
    app.wait_for_function("document.querySelector('#redo').innerText.includes('remark')")
    cut = """() => ["#undo span", "#redo span"].map((one) => document.querySelector(one))
      .map(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)"""
    app.set_viewport_size({"width": 1920, "height": 1000})
    assert app.evaluate(cut) == [False, False]
    app.set_viewport_size({"width": 900, "height": 700})
    assert app.evaluate(cut) == [True, True]
    wide, shown = app.eval_on_selector("#top", "(top) => [top.scrollWidth, top.clientWidth]")
    assert wide <= shown


def test_the_page_says_that_the_server_is_away(app: Any) -> None:
    app.begin()
    app.evaluate("server.away = true")
    draw(app, 3)
    app.wait_for_function("document.querySelector('#saved').dataset.state === 'offline'")
    assert app.inner_text("#saved").strip() == "Server away, 1 edit waits"
    app.evaluate("server.away = false")
    app.wait_for_function("document.querySelector('#saved').dataset.state === 'saved'")
    assert app.evaluate("server.boxes.size") == 1


def test_the_contrast_ends_are_dragged_typed_and_set_by_themselves(app: Any) -> None:
    app.begin()
    app.wait_for_function("document.querySelector('#low-number').value === '0'")
    app.fill("#low-number", "300")
    app.keyboard.press("Tab")
    assert app.inner_text(".toast span") == "Black must be below white."
    app.focus("#window-high")
    app.keyboard.press("Shift+ArrowLeft")
    assert app.evaluate("famous.store.window.high") == pytest.approx(245, abs=1)
    app.click("#auto-window")
    assert app.evaluate("[famous.store.window.low, famous.store.window.high]") == pytest.approx([100, 151], abs=1.5)
    app.click("#invert")
    app.wait_for_selector("#invert[aria-pressed=true]")
    app.wait_for_function("server.window?.inverted === true")


def test_a_model_that_is_being_opened_is_not_none(app: Any) -> None:
    app.begin("server.opening = true;")
    app.wait_for_function("document.querySelector('#model-none').innerText === 'Opening the model …'")
    app.focus("#canvas")
    app.keyboard.press("p")
    assert app.inner_text(".toast span") == "The model is still being opened: ask again in a moment."
    app.evaluate("server.opening = false")
    app.wait_for_function("document.querySelector('#model-none').innerText.startsWith('None yet.')")
    app.evaluate("server.model = {version: 'v', kind: 'trained', classes: ['mito']}")
    app.wait_for_selector("#model-use:not([hidden])")
    assert app.locator("#model-none").is_hidden()


def test_a_class_that_only_the_model_knows_is_offered(app: Any) -> None:
    app.begin(
        'server.model = {version: "v", kind: "packaged", classes: ["mito", "axon"]};'
        'server.proposals = [{y0: 1, x0: 1, y1: 9, x1: 9, class: "mito", score: 0.9},'
        ' {y0: 50, x0: 50, y1: 70, x1: 70, class: "er", score: 0.1}];'
    )
    app.click("#propose")
    app.wait_for_selector("#unknown:not([hidden])")
    assert app.inner_text("#accept-all") == "Accept 1 of 2"
    app.click("#unknown button")
    assert app.evaluate("famous.store.classes.at(-1).name") == "axon"
    app.wait_for_selector("#unknown", state="hidden")


def test_training_needs_a_done_slice_and_shows_its_progress(app: Any) -> None:
    app.begin()
    app.click("#open-train")
    assert app.locator("#start-training").is_disabled()
    app.keyboard.press("Escape")
    app.click("#done-switch")
    app.click("#open-train")
    app.fill("#train-minutes", "5")
    app.click("#start-training")
    app.wait_for_function("document.querySelector('#training-word').textContent === 'Epoch 2 of 9 · 1:05 left'")
    assert app.evaluate("server.minutes") == 5
    app.click("#stop-training")
    app.wait_for_selector("#training", state="hidden")


LACKING = (
    'server.missing = {name: "yolo26n.pt", folder: "/data/cell.famous/model", variable: "FAMOUS_WEIGHTS",'
    ' source: "https://github.com/ultralytics/assets/releases", megabytes: 5.5};'
)


def test_missing_weights_are_said_before_anything_starts_and_fetched_by_their_own_button(app: Any) -> None:
    app.begin(LACKING + "server.done.add(3);")
    app.click("#open-train")
    app.wait_for_selector("#weights-missing:not([hidden])")
    told = app.inner_text("#weights-missing")
    for word in ("yolo26n.pt", "/data/cell.famous/model", "FAMOUS_WEIGHTS", "about 6 MB", "Without"):
        assert word in told
    assert "--" not in told
    assert app.inner_text("#start-training") == "Download and train"
    app.focus("#train-minutes")
    app.keyboard.press("Enter")  # is no word about a download
    assert app.evaluate("server.calls.filter(({name}) => name === '/api/train').length") == 0
    assert app.evaluate("document.activeElement.id") == "start-training"
    app.keyboard.press("Enter")
    app.wait_for_function("server.training.state === 'running'")
    assert app.evaluate("[server.minutes, server.download]") == [30, True]


def test_weights_that_were_put_in_place_are_seen_when_one_looks_again(app: Any) -> None:
    app.begin(LACKING + "server.done.add(3);")
    app.click("#open-train")
    app.wait_for_selector("#weights-missing:not([hidden])")
    app.evaluate("server.missing = null")
    app.click("#look-again")
    app.wait_for_selector("#weights-missing", state="hidden")
    app.wait_for_function("document.querySelector('#start-training').textContent === 'Train'")
    app.click("#start-training")
    app.wait_for_function("server.training.state === 'running'")
    assert app.evaluate("server.download") is False


def test_a_file_of_the_user_that_is_gone_cannot_be_downloaded(app: Any) -> None:
    app.begin(LACKING + "server.done.add(3); Object.assign(server.missing, {name: 'ours.pt', source: ''});")
    app.click("#open-train")
    app.wait_for_selector("#weights-missing:not([hidden])")
    assert "ours.pt" in app.inner_text("#weights-missing")
    assert app.locator("#start-training").is_disabled()
    assert app.inner_text("#start-training") == "Train"


def test_missing_weights_do_not_open_the_way_without_a_done_slice(app: Any) -> None:
    app.begin(LACKING)
    app.click("#open-train")
    app.wait_for_selector("#weights-missing:not([hidden])")
    assert app.locator("#start-training").is_disabled()


def test_what_happens_before_the_first_epoch_is_shown(app: Any) -> None:
    app.begin("server.training = {state: 'running', message: 'Downloading yolo26n.pt'};")
    app.wait_for_function("document.querySelector('#training-word').textContent === 'Downloading yolo26n.pt …'")


def test_colours_switch_between_the_system_s_light_and_dark(app: Any) -> None:
    app.begin()
    seen = []
    for _ in range(3):
        app.click("#switch-theme")
        seen.append(app.get_attribute("html", "data-theme"))
    assert seen == ["light", "dark", None]


def test_the_help_lists_every_key_of_the_table(app: Any) -> None:
    app.begin()
    app.click("#open-help")
    listed = app.locator("#help-dialog dd").all_inner_texts()
    assert listed == app.evaluate("import('/web/keys.js').then(({KEYS}) => KEYS.map(({does}) => does))")
    app.keyboard.press("Escape")
    app.wait_for_selector("dialog", state="detached")
    assert app.evaluate("document.activeElement.id") == "open-help"


def test_a_group_of_keys_stays_together_and_all_are_seen(app: Any) -> None:
    app.begin()
    app.click("#open-help")
    columns = app.eval_on_selector_all(
        ".key-group",
        "(groups) => groups.map((group) => new Set([...group.querySelectorAll('h3, dl > div')]"
        ".map((part) => Math.round(part.getBoundingClientRect().left))).size)",
    )
    assert columns == [1] * 5
    high, shown = app.eval_on_selector("#help-dialog .dialog-body", "(body) => [body.scrollHeight, body.clientHeight]")
    assert high <= shown


def test_every_button_has_a_name_and_every_field_a_label(app: Any) -> None:
    app.begin()
    for opener in ("#open-files", "#open-train", "#open-counts", "#add-class"):
        app.click(opener)
        nameless = app.evaluate(
            """() => [...document.querySelectorAll("button, input, select, [role=slider]")]
              .filter((one) => !(one.getAttribute("aria-label") || one.textContent.trim() || one.closest("label")))
              .map((one) => one.outerHTML)"""
        )
        assert nameless == []
        app.keyboard.press("Escape")
        app.wait_for_selector("dialog", state="detached")
