"""The page's store in a real browser, against a scripted server: nothing is lost, nothing is said too early."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import serve_web

ORIGIN = "http://127.0.0.1:9"
SERVER = (Path(__file__).parent / "scripted_server.js").read_text(encoding="utf-8")
OPEN = """async ({entry}) => {
  const { Store } = await import(entry);
  const store = new Store();
  globalThis.said = [];
  store.on("say", ({text}) => said.push(text));
  globalThis.store = store;
  await store.start();
  clearTimeout(store.sync.timer);
  store.sync.schedule = () => {};  // the test itself says when the heart beats
  globalThis.quiet = async () => { await new Promise((go) => setTimeout(go)); await store.sync.chain;
  await new Promise((go) => setTimeout(go)); };
  globalThis.box = (z, y, x, more = {}) => ({z, y0: y, x0: x, y1: y + 10, x1: x + 12, class: "mito", ...more});
}"""


def open_store(page: Any) -> None:
    """Load an empty page of the origin with the scripted server, and start a store in it."""
    page.goto(f"{ORIGIN}/")
    page.evaluate(SERVER)
    page.evaluate(OPEN, {"entry": "/web/store.js"})


@pytest.fixture
def tab(page: Any) -> Iterator[Any]:
    """A page with a started store; `run(script)` evaluates with store, server, said, box and quiet at hand."""
    serve_web(page.context, ORIGIN)
    open_store(page)
    return page


def run(tab: Any, script: str) -> Any:
    return tab.evaluate("async () => {" + script + "}")


def test_an_edit_applies_at_once_and_is_saved_only_when_the_server_said_so(tab: Any) -> None:
    found = run(
        tab,
        """
        let open; server.gate = new Promise((go) => (open = go));
        const [id] = store.addBoxes("draw box", [box(3, 20, 30)]);
        const before = [store.boxes.size, store.saved, server.boxes.size];
        open(); server.gate = null; await quiet();
        return {before, after: [store.saved, server.boxes.get(id).x1, store.revision, store.undoLabel],
          left: Object.keys(localStorage).filter((key) => key.includes("unsent"))};
        """,
    )
    assert found == {"before": [1, "saving", 0], "after": ["saved", 42, 1, "draw box"], "left": []}


def test_boxes_are_clipped_to_the_slice_and_refused_below_three_pixels(tab: Any) -> None:
    found = run(
        tab,
        """
        const ids = store.addBoxes("draw", [{z: 3, y0: -7.4, x0: 290.2, y1: 12.6, x1: 333, class: "mito"}, {z: 3,
          y0: 5, x0: 5, y1: 7, x1: 50, class: "mito"}]);
        await quiet();
        return [ids.length, [...server.boxes.values()], said];
        """,
    )
    assert found[0] == 1
    assert found[1] == [{"id": found[1][0]["id"], "z": 3, "y0": 0, "x0": 290, "y1": 13, "x1": 300, "class": "mito"}]
    assert found[2] == ["A box needs 3 pixels on each side within the slice."]


def test_a_box_of_no_class_is_refused_in_words(tab: Any) -> None:
    found = run(
        tab, """ return [store.addBoxes("draw box", [box(3, 1, 1, {class: "axon"})]), said, store.boxes.size]; """
    )
    assert found == [[], ["draw box: the class axon is gone."], 0]


def test_edits_wait_in_order_while_the_server_is_away_and_go_when_it_is_back(tab: Any) -> None:
    found = run(
        tab,
        """
        server.away = true;
        const [one] = store.addBoxes("draw one", [box(3, 20, 30)]);
        store.changeBoxes("move", new Map([[one, {x0: 40, x1: 60}]]));
        store.setDone(3, true);
        await quiet();
        const away = [store.saved, store.boxes.get(one).x0, store.done.has(3), server.revision];
        server.away = false; await store.sync.pulse(); await quiet();
        return {away, labels: server.history.map(({label}) => label), box: server.boxes.get(one),
          done: [...server.done], saved: store.saved};
        """,
    )
    assert found["away"] == ["offline (3 waiting)", 40, True, 0]
    assert found["labels"] == ["draw one", "move", "mark slice 3 done"]
    assert (found["box"]["x0"], found["box"]["x1"], found["done"], found["saved"]) == (40, 60, [3], "saved")


def test_the_wait_between_two_tries_grows_and_ends_with_the_first_answer(tab: Any) -> None:
    found = run(
        tab,
        """
        delete store.sync.schedule;
        const waits = []; const real = setTimeout;
        globalThis.setTimeout = (act, wait, ...rest) => wait >= 500 ? (waits.push(wait), 0) : real(act, wait,
          ...rest);
        server.away = true; for (let i = 0; i < 8; i += 1) await store.sync.pulse();
        server.away = false; await store.sync.pulse();
        return waits.filter((wait, i) => wait !== waits[i - 1]);
        """,
    )
    assert found == [500, 1000, 2000, 4000, 8000, 10000, 1500]


def test_an_answer_that_was_lost_does_no_edit_twice(tab: Any) -> None:
    found = run(
        tab,
        """
        server.loseAnswers = 1;
        const [id] = store.addBoxes("draw", [box(3, 20, 30)]);
        await quiet();
        const lost = [store.saved, server.revision];
        store.changeBoxes("move", new Map([[id, {y0: 15}]]));
        await store.sync.pulse(); await quiet();
        return {lost, labels: server.history.map(({label}) => label),
          same: JSON.stringify([...store.boxes.values()]) === JSON.stringify([...server.boxes.values()]),
            saved: store.saved, y0: store.boxes.get(id).y0};
        """,
    )
    assert found == {
        "lost": ["offline (1 waiting)", 1],
        "labels": ["draw", "move"],
        "same": True,
        "saved": "saved",
        "y0": 15,
    }


def test_edits_unsent_at_a_reload_are_sent_by_the_next_page(tab: Any) -> None:
    run(tab, """ server.away = true; store.addBoxes("draw", [box(9, 20, 30), box(9, 60, 60)]); await quiet(); """)
    open_store(tab)
    found = run(
        tab,
        """ await quiet(); return [store.boxes.size, server.boxes.size, store.saved, said[0],
          Object.keys(localStorage).filter((key) => key.includes("unsent"))]; """,
    )
    assert found == [2, 2, "saved", "Unsaved when this page was last closed: 1 edit. Sending now.", []]


def test_the_queue_of_a_living_tab_is_left_to_it_until_it_falls_silent(tab: Any) -> None:
    found = run(
        tab,
        """
        const edit = {id: "e1", label: "draw", changes: [{op: "add", box: {id: "other-1", ...box(3, 9, 9)}}]};
        const key = store.queue.prefix + "other";
        const put = (at) => localStorage.setItem(key, JSON.stringify({at, entries: [{edit, tried: false}]}));
        put(Date.now()); await store.sync.pulse(); await quiet();
        const living = server.boxes.size;
        put(Date.now() - 60_000); await store.sync.pulse(); await quiet();
        localStorage.setItem(key, "{broken"); await store.sync.pulse();
        return [living, server.boxes.size, store.boxes.size, localStorage.getItem(key)];
        """,
    )
    assert found == [0, 1, 1, None]


def test_the_later_of_two_tabs_is_told_and_loses_no_edit(tab: Any) -> None:
    found = run(
        tab,
        """
        server.take({id: "x", label: "other", changes: [{op: "add", box: {id: "other-1", ...box(3, 90, 90)}}]});
        store.addBoxes("draw", [box(3, 20, 30)]);
        await quiet();
        return {boxes: [store.boxes.size, server.boxes.size], saved: store.saved, said,
          labels: server.history.map(({label}) => label)};
        """,
    )
    assert found["boxes"] == [2, 2]
    assert found["labels"] == ["other", "draw"]
    assert found["saved"] == "saved"
    assert found["said"] == [
        "This stack was changed elsewhere, and its newest state is loaded. Kept and sent again: your 1 unsent edit."
    ]


def test_an_edit_that_no_longer_fits_is_named_and_the_others_are_kept(tab: Any) -> None:
    found = run(
        tab,
        """
        const [one, two] = store.addBoxes("draw", [box(3, 20, 30), box(3, 60, 60)]); await quiet();
        server.take({id: "x", label: "other", changes: [{op: "remove", box: server.boxes.get(one)}]});
        store.changeBoxes("move one", new Map([[one, {x0: 25}]]));
        store.changeBoxes("move two", new Map([[two, {x0: 55}]]));
        await quiet();
        return {ids: [...store.boxes.keys()].length, two: [store.boxes.get(two).x0, server.boxes.get(two).x0],
          said: said.join(" "), saved: store.saved};
        """,
    )
    assert found["ids"] == 1
    assert found["two"] == [55, 55]
    assert "Could not be kept: move one (the box was deleted meanwhile)." in found["said"]
    assert "your 1 unsent edit." in found["said"]
    assert found["saved"] == "saved"


def test_what_another_tab_has_done_too_is_no_conflict(tab: Any) -> None:
    found = run(
        tab,
        """
        server.take({id: "x", label: "other", changes: [{op: "done", z: 3, from: false, to: true}]});
        store.setDone(3, true); await quiet();
        return [store.saved, server.revision, [...store.done], said.filter((text) => text.includes("not be kept"))];
        """,
    )
    assert found == ["saved", 1, [3], []]


def test_an_edit_that_the_server_refuses_is_taken_back_with_a_word(tab: Any) -> None:
    found = run(
        tab,
        """
        server.refuse = "bad";
        store.addBoxes("good", [box(3, 20, 30)]); store.addBoxes("bad", [box(3, 60, 60)]);
        store.addBoxes("fine", [box(3, 90, 90)]);
        await quiet();
        return [server.history.map(({label}) => label), store.boxes.size, said, store.saved];
        """,
    )
    assert found == [["good", "fine"], 2, ["Taken back: bad. it does not fit"], "saved"]


def test_what_hangs_on_a_refused_edit_goes_with_it(tab: Any) -> None:
    found = run(
        tab,
        """
        server.refuse = "bad";
        const [id] = store.addBoxes("bad", [box(3, 20, 30)]); store.changeBoxes("move it", new Map([[id, {x0: 31}]]));
        await quiet();
        return [store.boxes.size, server.revision, store.saved, said];
        """,
    )
    assert found[:3] == [0, 0, "saved"]
    assert found[3] == ["Taken back: bad. it does not fit", "Taken back too: move it (the box was deleted meanwhile)."]


def test_a_full_disk_is_told_and_the_edit_waits(tab: Any) -> None:
    found = run(
        tab,
        """
        server.fail = 2;
        store.addBoxes("draw", [box(3, 20, 30)]); await quiet();
        const before = [store.saved, said.join()];
        await store.sync.pulse(); await quiet();
        const still = store.saved;
        await store.sync.pulse(); await quiet();
        return {before, still, after: store.saved, boxes: server.boxes.size, said: said.length};
        """,
    )
    assert found["before"] == ["saving", "Not saved yet: the disk is full It is tried again."]
    assert (found["still"], found["after"], found["boxes"], found["said"]) == ("saving", "saved", 1, 1)


def test_undo_and_redo_wait_for_what_is_on_its_way_and_show_their_slice(tab: Any) -> None:
    found = run(
        tab,
        """
        store.addBoxes("draw", [box(9, 20, 30)]); store.goTo(20);
        await store.undo();
        const undone = [store.boxes.size, server.boxes.size, store.z, store.redoLabel];
        await store.redo();
        return {undone, redone: [store.boxes.size, server.boxes.size, store.undoLabel, store.redoLabel],
          saved: store.saved};
        """,
    )
    assert found == {"undone": [0, 0, 9, "draw"], "redone": [1, 1, "draw", None], "saved": "saved"}


def test_undo_while_the_server_is_away_takes_back_what_was_never_sent(tab: Any) -> None:
    found = run(
        tab,
        """
        server.away = true;
        store.addBoxes("one", [box(3, 20, 30)]); await quiet();
        store.addBoxes("two", [box(3, 60, 60)]);
        await store.undo();
        const undone = store.boxes.size;
        await store.redo();
        const redone = store.boxes.size;
        await store.undo();
        await store.undo();  // "one" may have arrived: only the server can tell
        const kept = store.boxes.size;
        server.away = false; await store.sync.pulse(); await quiet();
        return {undone, redone, kept, labels: server.history.map(({label}) => label),
          same: store.boxes.size === server.boxes.size};
        """,
    )
    assert found == {"undone": 1, "redone": 2, "kept": 1, "labels": ["one"], "same": True}


def test_a_pulse_brings_what_another_tab_did(tab: Any) -> None:
    found = run(
        tab,
        """
        let loads = 0; store.on("state", () => (loads += 1));
        await store.sync.pulse(); await quiet();
        const same = loads;
        server.take({id: "x", label: "other", changes: [{op: "add", box: {id: "other-1", ...box(3, 90, 90)}}]});
        await store.sync.pulse(); await quiet();
        return [same, loads, store.boxes.size, store.undoLabel, store.saved];
        """,
    )
    assert found == [0, 1, 1, "other", "saved"]


def test_a_new_model_proposes_by_itself_and_only_what_is_not_boxed(tab: Any) -> None:
    found = run(
        tab,
        """
        store.addBoxes("draw", [box(3, 20, 30)]); await quiet();
        server.proposals = [{y0: 21, x0: 30, y1: 30, x1: 42, class: "mito", score: 0.9}, {y0: 90, x0: 90, y1: 99,
          x1: 99, class: "mito", score: 0.4}, {y0: 120, x0: 90, y1: 130, x1: 99, class: "er", score: 0.8}];
        server.model = {version: "v1", kind: "trained", classes: ["mito", "er"]};
        server.training = {state: "running", epoch: 2, epochs: 9};
        await store.sync.pulse();
        const unasked = store.proposals.length;
        const epoch = store.training.epoch;
        server.training = {state: "done", map50: 0.8};
        server.model = {...server.model, version: "v2"};
        await store.sync.pulse();
        await new Promise((go) => { const stop = store.on("proposals", () => store.proposals.length && (stop(),
          go())); });
        const scores = store.proposals.map(({score}) => score);
        store.proposalThreshold = 0.5;
        const ids = store.acceptProposals(store.assistant.good.map(({key}) => key));
        store.rejectProposals(store.proposals.map(({key}) => key));
        await quiet();
        return {scores, left: store.proposals.length, box: server.boxes.get(ids[0]),
          unknown: store.assistant.unknown, epoch, unasked, label: store.undoLabel};
        """,
    )
    assert found["unasked"] == 0
    assert found["scores"] == [0.8, 0.4]
    assert found["left"] == 0
    assert found["box"] == {"id": found["box"]["id"], "z": 3, "y0": 120, "x0": 90, "y1": 130, "x1": 99, "class": "er"}
    assert (found["unknown"], found["epoch"], found["label"]) == ({"axon": 2}, 2, "accept a proposal")


def test_classes_are_added_renamed_and_kept_while_boxes_have_them(tab: Any) -> None:
    found = run(
        tab,
        """
        store.addBoxes("draw", [box(3, 20, 30)]);
        const kept = store.setClasses("remove mito", store.classes.filter(({name}) => name !== "mito"));
        store.setClass("mito"); store.renameClass("mito", "mitochondrion");
        return {kept, names: store.classes.map(({name}) => name), current: store.className,
          box: store.boxesOn(3)[0].class, said};
        """,
    )
    assert found == {
        "kept": False,
        "names": ["mitochondrion", "er"],
        "current": "mitochondrion",
        "box": "mitochondrion",
        "said": ["remove mito: there are boxes of the class mito."],
    }


def test_time_is_counted_where_the_user_is_and_only_while_something_is_done(tab: Any) -> None:
    found = run(
        tab,
        """
        const {clock} = store; const t = performance.now();
        clock.lastTick = t; clock.lastInput = t; clock.lastPost = t + 1e9;
        clock.tick(t + 1000, true); clock.tick(t + 2000, true); clock.tick(t + 3000, false);
        clock.tick(t + 30_000, true);
        const counted = store.seconds.get(3);
        clock.lastTick = t + 40_000; await clock.post();
        server.away = true; clock.add(3, 4); await clock.post(); server.away = false; await clock.post();
        return [counted, server.times];
        """,
    )
    assert found == [2, [{"z": 3, "seconds": 2}, {"z": 3, "seconds": 4}]]


def test_the_window_repaints_at_once_and_is_saved_at_the_end_of_the_drag(tab: Any) -> None:
    found = run(
        tab,
        """
        let paints = 0; store.on("window", () => (paints += 1));
        store.setWindow({low: 10}, {final: false}); store.setWindow({low: 20}, {final: false});
        const dragging = server.window ?? null;
        server.away = true; store.setWindow({}); await quiet(); server.away = false;
        await store.sync.pulse(); await quiet();
        return [paints, dragging, server.window];
        """,
    )
    assert found == [3, None, {"low": 20, "high": 255, "inverted": False}]


def test_a_selection_loses_what_is_gone_and_a_slice_keeps_its_own(tab: Any) -> None:
    found = run(
        tab,
        """
        const [one, two] = store.addBoxes("draw", [box(3, 20, 30), box(3, 60, 60)]);
        store.select([one, two, "nobody"]); const both = store.selection.size;
        store.select([two], {toggle: true}); const toggled = [...store.selection].length;
        store.removeBoxes("delete", [one]);
        const left = store.selection.size;
        store.select([two]); store.goTo(1000);
        return [both, toggled, left, store.selection.size, store.z, store.countsOn(3).get("mito"), store.boxesOn(4)];
        """,
    )
    assert found == [2, 1, 0, 0, 29, 1, []]


@pytest.mark.parametrize(
    ("sizes", "fault", "word"),
    [
        ("[40, 5, 5]", False, "8.0 times as thick"),
        ("[5, 5, 5]", False, "Nearly the same"),
        ("[0.04, 0.005, 0.005]", False, "are these µm"),
        ("[5, 40, 40]", False, "order z, y, x"),
        ("[40, 5, 8]", False, "nearly always square"),
        ("[5000, 500, 500]", False, "really nm"),
        ("[0, 5, 5]", True, "larger than 0"),
        ("[NaN, 5, 5]", True, "Three numbers"),
    ],
)
def test_a_voxel_size_is_wondered_at_in_words(tab: Any, sizes: str, fault: bool, word: str) -> None:
    found = run(tab, f""" const {{voxelHint}} = await import("/web/setup.js"); return voxelHint({sizes}); """)
    assert found["fault"] is fault
    assert word in found["text"]


def test_the_table_of_counts_is_what_is_labelled(tab: Any) -> None:
    found = run(
        tab,
        """
        const {asTsv, countTable} = await import("/web/counts.js");
        store.addBoxes("draw", [box(3, 20, 30), box(3, 60, 60, {class: "er"}), box(9, 5, 5)]);
        store.setDone(3, true); store.seconds.set(9, 4.25);
        return asTsv(countTable(store));
        """,
    )
    assert found == "slice\tdone\tmito\ter\tall\tseconds\n3\tyes\t1\t1\t2\t0.0\n9\tno\t1\t0\t1\t4.3\n"


def test_a_lost_answer_and_another_tab_at_once_lose_nothing_and_double_nothing(tab: Any) -> None:
    found = run(
        tab,
        """
        server.loseAnswers = 1;
        const [id] = store.addBoxes("draw", [box(3, 20, 30)]); await quiet();
        server.take({id: "x", label: "other", changes: [{op: "add", box: {id: "other-1", ...box(3, 90, 90)}}]});
        store.changeBoxes("move", new Map([[id, {y0: 15}]]));
        await store.sync.pulse(); await quiet();
        const sorted = (boxes) => JSON.stringify([...boxes.values()].map((one) => Object.entries(one).sort()).sort());
        return {labels: server.history.map(({label}) => label), same: sorted(store.boxes) === sorted(server.boxes),
          saved: store.saved, y0: server.boxes.get(id).y0, lost: said.filter((text) => text.includes("not be kept"))};
        """,
    )
    assert found == {"labels": ["draw", "other", "move"], "same": True, "saved": "saved", "y0": 15, "lost": []}


VERDICTS = [
    ('{op: "add", box: {id: "new", ...place}}', "fits"),
    ('{op: "add", box: {id: "a", ...place}}', "made"),
    ('{op: "add", box: {id: "new", ...place, class: "axon"}}', "the class axon is gone"),
    ('{op: "remove", box: {id: "a", ...place}}', "fits"),
    ('{op: "remove", box: {id: "b", ...place}}', "made"),
    ('{op: "remove", box: {id: "a", ...place, x0: 3}}', "the box was changed meanwhile"),
    ('{op: "change", id: "a", from: {x0: 2}, to: {x0: 5}}', "fits"),
    ('{op: "change", id: "a", from: {x0: 5}, to: {x0: 2}}', "made"),
    ('{op: "change", id: "a", from: {x0: 9}, to: {x0: 5}}', "the box was changed meanwhile"),
    ('{op: "change", id: "b", from: {x0: 2}, to: {x0: 5}}', "the box was deleted meanwhile"),
    ('{op: "done", z: 1, from: true, to: false}', "fits"),
    ('{op: "done", z: 1, from: false, to: true}', "made"),
    ('{op: "classes", from: classes, to: [classes[0]]}', "fits"),
    ('{op: "classes", from: classes, to: []}', "there are boxes of the class mito"),
    ('{op: "classes", from: [], to: [classes[0]]}', "the classes were changed meanwhile"),
    ('{op: "rename", from: "er", to: "ER"}', "fits"),
    ('{op: "rename", from: "gone", to: "er"}', "made"),
    ('{op: "rename", from: "er", to: "mito"}', "a class mito exists already"),
]


def test_whether_a_change_fits_is_decided_by_what_is_there(tab: Any) -> None:
    changes = ", ".join(change for change, _ in VERDICTS)
    found = run(
        tab,
        """
        const {check} = await import("/web/changes.js");
        const place = {z: 1, y0: 1, x0: 2, y1: 9, x1: 9, class: "mito"};
        const {classes} = server;
        const labelling = {boxes: new Map([["a", {id: "a", ...place}]]), done: new Set([1]), classes};
        return ["""
        + changes
        + """].map((change) => check(labelling, change));
        """,
    )
    assert found == [verdict for _, verdict in VERDICTS]


def test_an_edit_is_made_whole_or_not_at_all(tab: Any) -> None:
    found = run(
        tab,
        """
        const [id] = store.addBoxes("draw", [box(3, 20, 30)]);
        const made = store.commit("both", [{op: "change", id, from: {y0: 20}, to: {y0: 25}},
          {op: "change", id: "nobody", from: {y0: 1}, to: {y0: 2}}]);
        await quiet();
        return [made, store.boxes.get(id).y0, server.revision];
        """,
    )
    assert found == [False, 20, 1]
