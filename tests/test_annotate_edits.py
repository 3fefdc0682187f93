"""The log of edits: what a replay gives, what a kill leaves, what undo takes back; and the state's own rules."""

import copy
import json
import os
import threading
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import TypeAdapter, ValidationError

from famous.annotate import edits as room_of_edits
from famous.annotate.edits import OUTSIDE, Labelling
from famous.annotate.records import AnyChange, Box, Class, Edit, inverse
from famous.annotate.state import EditError, SaveError, Snapshot, StaleError, State, difference
from famous.errors import InputError

SHAPE = (10, 80, 100)
MITO, NUCLEUS = Class(name="mitochondrion", color="#e69f00"), Class(name="nucleus", color="#56b4e9")
CHANGE = TypeAdapter(AnyChange)


def box(name="a", z=1, y0=10, x0=10, y1=20, x1=30, kind="mitochondrion"):  # noqa: PLR0917
    return Box(id=name, z=z, y0=y0, x0=x0, y1=y1, x1=x1, class_name=kind)


def change(op, **fields):
    """A change as the page writes it."""
    fields = {key.rstrip("_"): value for key, value in fields.items()}
    return CHANGE.validate_json(json.dumps({"op": op, **fields}))


def add(*args, **kwargs):
    return change("add", box=box(*args, **kwargs).plain())


def edit(name, *changes, label="draw box"):
    return Edit(id=name, label=label, changes=changes)


def open_log(folder, outside=None):
    return Labelling.open(folder / "edits.jsonl", SHAPE, outside)


@pytest.fixture
def started(tmp_path):
    """A labelling with two classes and nothing to undo."""
    labelling = open_log(tmp_path)
    labelling.set_classes([MITO, NUCLEUS])
    return labelling


def tables(labelling, **other):
    """The labelling as its tables have it."""
    return replace(labelling.snapshot(), **other)


def lines(folder):
    return [json.loads(line) for line in (folder / "edits.jsonl").read_text().splitlines()]


def test_nothing_is_a_labelling(tmp_path):
    labelling = open_log(tmp_path)
    assert labelling.snapshot() == Snapshot()
    assert (labelling.revision, labelling.undo_label, labelling.redo_label) == (0, None, None)
    assert not (tmp_path / "edits.jsonl").exists()


def test_a_replay_gives_the_state(started, tmp_path):
    started.apply(1, [edit("e1", add("a"), add("b", z=2)), edit("e2", change("done", z=2, from_=False, to=True))])
    moved = change("change", id="a", from_={"x0": 10, "class": "mitochondrion"}, to={"x0": 5, "class": "nucleus"})
    started.apply(3, [edit("e3", moved, label="move box")])
    started.apply(4, [edit("e4", change("rename", from_="nucleus", to="nuclei"))])
    started.add_time(2, 1.5)
    started.add_time(2, 1)
    again = open_log(tmp_path)
    assert again.snapshot() == started.snapshot()
    assert again.snapshot().boxes["a"] == box("a", x0=5, kind="nuclei")
    assert again.snapshot().done == {2}
    assert again.snapshot().seconds == {2: 2.5}
    assert [entry.name for entry in again.snapshot().classes] == ["mitochondrion", "nuclei"]
    assert again.revision == 5


def test_each_line_is_one_json_object_as_planned(started, tmp_path):
    started.apply(1, [edit("e1", add("a"))])
    started.undo(2)
    started.redo(3)
    started.add_time(4, 12.5)
    start, drawn, undone, redone, time = lines(tmp_path)
    assert start["kind"] == "start"
    assert drawn == {
        "kind": "edit",
        "rev": 2,
        "at": drawn["at"],
        "id": "e1",
        "label": "draw box",
        "changes": [{"op": "add", "box": box("a").plain()}],
    }
    assert (undone["kind"], undone["rev"], undone["of"]) == ("undo", 3, 2)
    assert (redone["kind"], redone["rev"], redone["of"]) == ("redo", 4, 2)
    assert time == {"kind": "time", "z": 4, "seconds": 12.5}


def test_undo_and_redo_reach_back_across_restarts(started, tmp_path):
    for number in range(5):
        started.apply(started.revision, [edit(f"e{number}", add(f"b{number}"), label=f"box {number}")])
    labelling = started
    for number in reversed(range(5)):
        labelling = open_log(tmp_path)
        assert labelling.undo_label == f"box {number}"
        revision, changes = labelling.undo(labelling.revision)
        assert changes == [change("remove", box=box(f"b{number}").plain())]
        assert revision == labelling.revision
    assert labelling.snapshot().boxes == {}
    assert labelling.undo_label is None  # the classes were there from the start
    for number in range(5):
        labelling = open_log(tmp_path)
        assert labelling.redo_label == f"box {number}"
        labelling.redo(labelling.revision)
    assert list(labelling.snapshot().boxes) == [f"b{number}" for number in range(5)]
    with pytest.raises(EditError, match="nothing to redo"):
        labelling.redo(labelling.revision)


def test_a_new_edit_forgets_what_was_undone_but_the_log_does_not(started, tmp_path):
    started.apply(1, [edit("e1", add("a"))])
    started.undo(2)
    started.apply(3, [edit("e2", add("b"))])
    assert started.redo_label is None
    assert [line.get("id") for line in lines(tmp_path)][1:] == ["e1", None, "e2"]
    assert open_log(tmp_path).redo_label is None


def test_undo_takes_the_changes_of_an_edit_back_in_reverse(started):
    grown = [
        add("a"),
        change("change", id="a", from_={"y1": 20}, to={"y1": 30}),
        change("change", id="a", from_={"y1": 30}, to={"y1": 40}),
    ]
    started.apply(1, [edit("e1", *grown)])
    assert started.snapshot().boxes["a"].y1 == 40
    _, changes = started.undo(2)
    assert [entry.op for entry in changes] == ["change", "change", "remove"]
    assert started.snapshot().boxes == {}


WRONG = {
    "add a box that is there": [add("a"), add("a")],
    "remove a box that is not there": [change("remove", box=box("a").plain())],
    "remove a box that is another": [add("a"), change("remove", box=box("a", x0=11).plain())],
    "change a box that is not there": [change("change", id="a", from_={"z": 1}, to={"z": 2})],
    "change a box that is another": [add("a"), change("change", id="a", from_={"z": 2}, to={"z": 3})],
    "change nothing": [add("a"), change("change", id="a", from_={}, to={})],
    "change other fields than said": [add("a"), change("change", id="a", from_={"z": 1}, to={"x0": 2})],
    "a box below the last slice": [add("a", z=10)],
    "a box beyond the edge": [add("a", x1=101)],
    "a box without extent": [add("a", y0=20)],
    "a box turned round": [add("a", y0=30)],
    "a box of two pixels": [add("a", x1=12)],
    "a box that becomes too small": [add("a"), change("change", id="a", from_={"x1": 30}, to={"x1": 12})],
    "a box of an unknown class": [add("a", kind="golgi")],
    "a box that takes an unknown class": [
        add("a"),
        change("change", id="a", from_={"class": "mitochondrion"}, to={"class": "golgi"}),
    ],
    "a slice that is not done": [change("done", z=1, from_=True, to=False)],
    "a slice that does not exist": [change("done", z=10, from_=False, to=True)],
    "classes that are others": [change("classes", from_=[], to=[])],
    "a class that goes with boxes": [
        add("a"),
        change("classes", from_=[MITO.plain(), NUCLEUS.plain()], to=[NUCLEUS.plain()]),
    ],
    "a class twice": [change("classes", from_=[MITO.plain(), NUCLEUS.plain()], to=[MITO.plain(), MITO.plain()])],
    "rename what is not there": [change("rename", from_="golgi", to="er")],
    "rename to what is there": [change("rename", from_="nucleus", to="mitochondrion")],
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_an_edit_that_does_not_fit_leaves_nothing_behind(changes, started, tmp_path):
    started.apply(1, [edit("e0", add("z", z=4))])
    before, log = copy.deepcopy(started.snapshot()), (tmp_path / "edits.jsonl").read_bytes()
    with pytest.raises(EditError, match="edit e2: ") as refused:
        started.apply(2, [edit("e1", add("y", z=5)), edit("e2", *changes)])
    assert refused.value.edit == "e2"
    assert started.snapshot() == before
    assert (tmp_path / "edits.jsonl").read_bytes() == log
    assert (started.revision, started.undo_label) == (2, "draw box")
    assert started.apply(2, [edit("e1", add("y", z=5))]) == 3


def test_a_box_of_three_pixels_is_the_smallest(started):
    started.apply(1, [edit("e1", add("a", y0=0, x0=97, y1=3, x1=100))])
    with pytest.raises(EditError, match="10 × 2 pixels, expected 3"):
        started.apply(2, [edit("e2", add("b", x1=12))])


def test_a_smaller_box_from_outside_may_change_its_class_and_go(started):
    started.take_in(tables(started, boxes={"x": box("x", x1=11)}))
    kind = change("change", id="i2-1", from_={"class": "mitochondrion"}, to={"class": "nucleus"})
    started.apply(2, [edit("e1", kind)])
    started.apply(3, [edit("e2", change("remove", box=box("i2-1", x1=11, kind="nucleus").plain()))])
    started.undo(4)
    assert started.snapshot().boxes["i2-1"].x1 == 11


def test_an_edit_on_an_older_state_is_refused(started):
    started.apply(1, [edit("e1", add("a"))])
    for call in (lambda: started.apply(1, [edit("e2", add("b"))]), lambda: started.undo(1), lambda: started.redo(7)):
        with pytest.raises(StaleError, match="revision 2") as stale:
            call()
        assert stale.value.revision == 2
    assert list(started.snapshot().boxes) == ["a"]


def test_an_edit_whose_answer_was_lost_is_made_once(started, tmp_path):
    sent = [edit("e1", add("a")), edit("e2", add("b"))]
    assert started.apply(1, sent) == 3
    assert started.apply(1, sent) == 3
    assert started.apply(1, [*sent, edit("e3", add("c"))]) == 4  # what was drawn meanwhile comes along
    assert open_log(tmp_path).apply(1, [*sent, edit("e3", add("c"))]) == 4
    assert list(started.snapshot().boxes) == ["a", "b", "c"]
    started.apply(4, [edit("other-tab", add("d"))])
    with pytest.raises(StaleError):  # it has not seen the other tab's box
        started.apply(1, sent)
    assert started.apply(5, sent) == 5
    assert started.apply(5, [edit("e9", add("e")), edit("e9", add("e"))]) == 6


@pytest.mark.parametrize("cut", [1, 2, 30, 120])
def test_a_last_line_that_a_kill_cut_short_is_cut_off(cut, started, tmp_path):
    started.apply(1, [edit("e1", add("a"))])
    before = started.snapshot()
    log = tmp_path / "edits.jsonl"
    whole = log.read_bytes()
    started.apply(2, [edit("e2", add("b"))])
    log.write_bytes(log.read_bytes()[:-cut])
    again = open_log(tmp_path)
    assert again.snapshot() == before
    assert log.read_bytes() == whole
    assert again.apply(2, [edit("e2", add("b"))]) == 3
    assert open_log(tmp_path).snapshot() == again.snapshot()


def test_every_cut_of_a_log_can_be_opened(started, tmp_path):
    started.apply(1, [edit("e1", add("a")), edit("e2", add("b"))])
    started.undo(3)
    started.mark_saved(4)
    log = tmp_path / "edits.jsonl"
    content = log.read_bytes()
    kept = 0
    for end in range(len(content) + 1):
        log.write_bytes(content[:end])
        kept += open_log(tmp_path).revision
    assert kept > 0
    assert log.read_bytes() == content


BROKEN = {
    "no json": "{",
    "no object": "7",
    "an unknown kind": '{"kind":"delete","rev":2}',
    "an unknown key": '{"kind":"time","z":1,"seconds":1,"user":"me"}',
    "a revision too far": '{"kind":"undo","rev":9,"at":"","of":1}',
    "an undo of nothing": '{"kind":"undo","rev":2,"at":"","of":1}',
    "a redo of nothing": '{"kind":"redo","rev":2,"at":"","of":1}',
    "a change that does not fit": '{"kind":"edit","rev":2,"at":"","id":"x","label":"x","changes":'
    '[{"op":"done","z":1,"from":true,"to":false}]}',
    "not a number": '{"kind":"time","z":1,"seconds":NaN}',
    "no text": b"\xff\xfe".decode("latin-1"),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_line_is_named(text, started, tmp_path):
    with (tmp_path / "edits.jsonl").open("a", encoding="latin-1") as file:
        file.write(text + '\n{"kind":"saved","rev":1}\n')
    with pytest.raises(InputError, match=r"edits\.jsonl, line 2: .* mend it"):
        open_log(tmp_path)


def test_blank_lines_and_windows_line_ends_do_no_harm(started, tmp_path):
    started.apply(1, [edit("e1", add("a"))])
    log = tmp_path / "edits.jsonl"
    log.write_bytes(log.read_bytes().replace(b"\n", b"\r\n\r\n"))
    again = open_log(tmp_path)
    assert again.snapshot() == started.snapshot()
    again.apply(2, [edit("e2", add("b"))])
    assert open_log(tmp_path).revision == 3


def test_tables_that_others_changed_win_and_can_be_undone(started, tmp_path):
    started.apply(1, [edit("e1", add("a"), add("b", z=3), change("done", z=3, from_=False, to=True))])
    started.mark_saved(2)
    golgi = Class(name="golgi", color="#009e73")
    outside = Snapshot(
        {"0": box("0", z=3), "1": box("1", z=5, kind="golgi"), "2": box("2", z=5, kind="golgi")},
        frozenset({5}),
        (golgi, MITO),
    )
    again = open_log(tmp_path, outside)
    found = again.snapshot()
    assert found.is_alike(outside)
    assert list(found.boxes) == ["b", "i3-1", "i3-2"]  # what stays keeps its id
    assert again.undo_label == OUTSIDE
    again.mark_saved(3)
    assert open_log(tmp_path, outside).revision == 3
    again.undo(3)
    assert again.snapshot().is_alike(started.snapshot())


def test_tables_that_are_there_at_the_first_start_are_the_start(tmp_path):
    outside = Snapshot({"0": box("0")}, frozenset({1}), (MITO,))
    labelling = open_log(tmp_path, outside)
    assert labelling.snapshot().is_alike(outside)
    assert labelling.undo_label is None
    assert open_log(tmp_path, outside).revision == 1


def test_tables_that_a_kill_kept_from_being_written_do_not_win(started, tmp_path):
    """After a kill each table may be as it was or as it becomes; no edit in the log may be lost by that."""
    started.mark_saved(1)
    old = tables(started)
    started.apply(1, [edit("e1", add("a"), change("done", z=1, from_=False, to=True))])
    new = tables(started)
    for boxes in (old, new):
        for done in (old, new):
            torn = Snapshot(boxes.boxes, done.done, old.classes)
            assert open_log(tmp_path, torn).revision == 2
    elsewhere = Snapshot({"0": box("0", z=9)}, frozenset(), old.classes)
    assert open_log(tmp_path, elsewhere).snapshot().is_alike(elsewhere)


def test_tables_put_back_by_hand_to_what_they_were_before_the_last_edit_win(started, tmp_path):
    started.mark_saved(1)
    old = tables(started)
    started.apply(1, [edit("e1", add("a"))])
    started.mark_saved(2)
    assert open_log(tmp_path, old).snapshot().is_alike(old)


def test_colours_and_the_order_of_classes_are_taken_in_too(started, tmp_path):
    started.mark_saved(1)
    other = (NUCLEUS, MITO.model_copy(update={"color": "#010203"}))
    assert open_log(tmp_path, tables(started, classes=other)).snapshot().classes == other


def test_a_log_that_cannot_be_written_takes_nothing(started, tmp_path, monkeypatch):
    log = tmp_path / "edits.jsonl"
    before = log.read_bytes()

    def full(file, content):
        os.write(file.fileno(), content[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(room_of_edits, "_write_all", full)
        for call in (
            lambda: started.apply(1, [edit("e1", add("a"))]),
            lambda: started.add_time(1, 2.0),
            lambda: started.set_classes([MITO]),
        ):
            with pytest.raises(SaveError, match="No space left"):
                call()
    assert log.read_bytes() == before
    assert started.snapshot() == open_log(tmp_path).snapshot()
    assert started.apply(1, [edit("e1", add("a"))]) == 2
    assert open_log(tmp_path).snapshot() == started.snapshot()


def test_an_undo_that_cannot_be_written_is_not_made(started, monkeypatch):
    started.apply(1, [edit("e1", add("a"))])
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(SaveError, match="Input/output error"):
        started.undo(2)
    assert list(started.snapshot().boxes) == ["a"]
    assert started.undo_label == "draw box"


def test_a_line_counts_only_when_it_is_on_the_disk(started, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(len(started.snapshot().boxes)))
    started.apply(1, [edit("e1", add("a")), edit("e2", add("b"))])
    assert len(synced) == 1
    assert started.revision == 3


def test_two_programs_on_one_log_do_not_mix(started, tmp_path):
    other = open_log(tmp_path)
    other.apply(1, [edit("e1", add("a"))])
    with pytest.raises(SaveError, match="another program"):
        started.apply(1, [edit("e2", add("b"))])
    assert open_log(tmp_path).revision == 2


def test_threads_do_not_tear_the_log(started, tmp_path):
    def draw(name):
        made = 0
        while made < 20:
            try:
                started.apply(started.revision, [edit(f"{name}-{made}", add(f"{name}-{made}"))])
                made += 1
            except StaleError:
                continue

    threads = [threading.Thread(target=draw, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert started.revision == 81
    assert open_log(tmp_path).snapshot() == started.snapshot()


RECORDS = {
    "a fraction": {"y0": 1.5},
    "a truth": {"z": True},
    "a word": {"z": "1"},
    "a negative": {"x0": -1},
    "a position that no table holds": {"x1": 2**31},
    "an unknown key": {"score": 1},
    "an id with a blank": {"id": "a b"},
    "no id": {"id": ""},
    "no class": {"class": ""},
    "a class of two lines": {"class": "a\nb"},
    "a class that is a comment": {"class": "#a"},
    "a class that is no folder": {"class": "a/b"},
    "a class that is another folder": {"class": ".."},
    "a class with blanks": {"class": " a"},
    "a class too long": {"class": "a" * 101},
}


@pytest.mark.parametrize("fields", RECORDS.values(), ids=RECORDS)
def test_a_record_is_strict(fields):
    with pytest.raises(ValidationError):
        Box.model_validate_json(json.dumps(box().plain() | fields))


def test_colours_are_written_in_one_way():
    assert Class(name="a", color="#ABCDEF").color == "#abcdef"
    for wrong in ("red", "#abc", "#abcdeg", "url(x)"):
        with pytest.raises(ValidationError):
            Class(name="a", color=wrong)


def test_a_large_import_is_replayed_in_the_order_of_its_size(tmp_path):
    many = {str(n): box(str(n), z=n % 10, y0=n % 70, x0=n % 67, y1=n % 70 + 3, x1=n % 67 + 3) for n in range(4000)}
    labelling = open_log(tmp_path, Snapshot(many, frozenset(), (MITO,)))
    assert len(labelling.snapshot().boxes) == 4000
    assert labelling.revision == 1
    again = open_log(tmp_path, labelling.snapshot())
    assert again.snapshot() == labelling.snapshot()


boxes = st.builds(
    lambda name, z, y, x, h, w, kind: box(name, z, y, x, y + h, x + w, kind),
    st.sampled_from("abcdefgh"),
    st.integers(0, 9),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(1, 20),
    st.integers(1, 40),
    st.sampled_from(["mitochondrion", "nucleus"]),
)
snapshots = st.builds(
    lambda found, done, kinds: Snapshot({str(n): entry for n, entry in enumerate(found)}, done, kinds),
    st.lists(boxes, max_size=6),
    st.frozensets(st.integers(0, 9), max_size=4),
    st.permutations([MITO, NUCLEUS]).map(tuple),
)


@given(snapshots, snapshots)
def test_a_difference_leads_from_one_labelling_to_the_other_and_back(old, new):
    state = State(SHAPE)
    first = list(difference(Snapshot(), old, 1))
    state.make_all(first, 1)
    there = Snapshot(dict(state.boxes), frozenset(state.done), state.classes)
    assert there.is_alike(old)
    changes = list(difference(there, new, 2))
    state.make_all(changes, 1)
    assert Snapshot(dict(state.boxes), frozenset(state.done), state.classes).is_alike(new)
    state.make_all([inverse(entry) for entry in reversed(changes)], 1)
    assert Snapshot(dict(state.boxes), frozenset(state.done), state.classes).is_alike(old)
    assert not changes or not there.is_alike(new)


class Journal(RuleBasedStateMachine):
    """Any sequence of edits, undos, redos and restarts: the state is that of a naive list of states."""

    folder = None

    @initialize()
    def start(self):
        for path in self.folder.glob("*"):
            path.unlink()
        self.labelling = open_log(self.folder)
        self.labelling.set_classes([MITO, NUCLEUS])
        self.past, self.future, self.count = [], [], 0

    @rule(drawn=boxes)
    def draw(self, drawn):
        self.count += 1
        before = self.labelling.snapshot()
        old = before.boxes.get(drawn.id)
        changes = [change("remove", box=old.plain())] if old else []
        changes.append(change("add", box=drawn.plain()))
        try:
            self.labelling.apply(self.labelling.revision, [edit(f"e{self.count}", *changes)])
        except EditError:
            assert drawn.y1 - drawn.y0 < 3 or drawn.x1 - drawn.x0 < 3
            assert self.labelling.snapshot() == before
            return
        self.past.append(before)
        self.future.clear()

    @rule(z=st.integers(0, 9))
    def toggle(self, z):
        self.count += 1
        before = self.labelling.snapshot()
        self.labelling.apply(
            self.labelling.revision,
            [edit(f"e{self.count}", change("done", z=z, from_=z in before.done, to=z not in before.done))],
        )
        self.past.append(before)
        self.future.clear()

    @precondition(lambda self: self.past)
    @rule()
    def undo(self):
        self.future.append(self.labelling.snapshot())
        self.labelling.undo(self.labelling.revision)
        assert self.labelling.snapshot().is_alike(self.past.pop())

    @precondition(lambda self: self.future)
    @rule()
    def redo(self):
        self.past.append(self.labelling.snapshot())
        self.labelling.redo(self.labelling.revision)
        assert self.labelling.snapshot().is_alike(self.future.pop())

    @rule(saved=st.booleans())
    def restart(self, saved):
        before, revision = self.labelling.snapshot(), self.labelling.revision
        if saved:
            self.labelling.mark_saved(revision)
        self.labelling = open_log(self.folder, before)
        assert (self.labelling.snapshot(), self.labelling.revision) == (before, revision)

    @invariant()
    def labels_tell_what_can_be_done(self):
        if hasattr(self, "labelling"):
            assert (self.labelling.undo_label is None) == (not self.past)
            assert (self.labelling.redo_label is None) == (not self.future)


def test_any_history_can_be_undone_and_replayed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    machine = type("Journal", (Journal,), {"folder": tmp_path})
    run = machine.TestCase()
    run.settings = settings(
        max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run.runTest()
