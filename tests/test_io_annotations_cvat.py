"""CVAT XML 1.1, for images and for video."""

import math

import pytest

from famous.boxes import number
from famous.errors import InputError
from famous.io.annotations import Annotations, read_boxes, write_boxes
from tests.test_io_annotations import SHAPE, corners, labelling

PLACE = 'xtl="6.00" ytl="5.00" xbr="30.00" ybr="20.00"'
META = """  <meta><task><size>10</size><mode>annotation</mode><labels>
    <label><name>mito</name><color>#fff</color><attributes><attribute><name>sure</name></attribute></attributes></label>
    <label><name>early endosome</name></label></labels>
    <original_size><width>100</width><height>80</height></original_size></task></meta>
"""


def read(tmp_path, inside, *, meta=META, **options):
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n{meta}{inside}\n</annotations>\n'
    return read_raw(tmp_path, text, **options)


def read_raw(tmp_path, content, **options):
    (tmp_path / "annotations.xml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_boxes(tmp_path / "annotations.xml", **{"shape": SHAPE} | options)


def image(boxes, name="z_0003.png", **attributes):
    text = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f'<image id="0" name="{name}" width="100" height="80"{text}>\n{boxes}\n</image>'


def test_images_by_hand(tmp_path):
    box = f'<box label="early endosome" occluded="0" {PLACE}><attribute name="sure">yes</attribute></box>'
    imported = read(tmp_path, image(box) + image("", name="z_0004.png"))
    assert corners(imported) == [[3, 5, 6, 20, 30]]
    assert imported.annotations.classes == ("mito", "early endosome")
    assert imported.annotations.done == {3}
    assert imported.notes[1:] == [
        "1 image has no box and does not say that it is done; not taken as done",
        "1 slice counts as done, because it says so or has boxes",
    ]


def test_video_by_hand(tmp_path):
    frames = "".join(
        f'<box frame="{z}" outside="{int(z == 6)}" keyframe="{int(z != 5)}" {PLACE}></box>' for z in (4, 5, 6)
    )
    imported = read(tmp_path, f'<track id="0" label="mito" source="manual">{frames}</track>')
    assert corners(imported) == [[4, 5, 6, 20, 30], [5, 5, 6, 20, 30]]
    assert imported.annotations.done == {4, 5}
    assert imported.notes[0] == "1 box was interpolated by CVAT; it was read like a drawn one"


def test_round_trip_keeps_everything_but_scores(tmp_path):
    scored = Annotations(labelling().boxes.assign(score=[0.1, 1, 1]), frozenset({3, 5}), labelling().classes)
    notes = write_boxes(tmp_path / "a.xml", "cvat", scored, shape=SHAPE)
    back = read_boxes(tmp_path / "a.xml", shape=SHAPE).annotations
    assert back.boxes.equals(labelling().boxes)
    assert (back.done, back.classes) == ({3, 5}, labelling().classes)
    assert notes[0] == "CVAT XML holds no scores: that of 1 box was left out"
    assert "1 slice has boxes but is not done (7)" in notes[1]


def test_what_is_written_is_cvat(tmp_path):
    names = [f"cell <{z}> & 'co'.tif" for z in range(10)]
    odd = Annotations(labelling().boxes.assign(class_name='a "b" <c> & d'), frozenset(), ('a "b" <c> & d',))
    write_boxes(tmp_path / "a.xml", "cvat", odd, shape=SHAPE, names=names)
    back = read_boxes(tmp_path / "a.xml", shape=SHAPE, names=names).annotations
    assert back.classes == ('a "b" <c> & d',)
    assert back.boxes.equals(number(odd.boxes))
    text = (tmp_path / "a.xml").read_text()
    assert 'xtl="6.00" ytl="5.00" xbr="30.00" ybr="20.00"' in text
    assert '<name>a "b" &lt;c&gt; &amp; d</name>' in text


def test_images_are_matched_by_name_number_or_id(tmp_path):
    box = f'<box label="mito" {PLACE}/>'
    assert read(tmp_path, image(box, name="overview.png")).annotations.done == {0}
    assert read(tmp_path, f'<image id="7">{box}</image>').annotations.done == {7}
    names = [f"cell_{100 + z}.tif" for z in range(10)]
    assert read(tmp_path, image(box, name="a/cell_102.jpg"), names=names).annotations.done == {2}


def test_done_is_kept_apart_from_boxes(tmp_path):
    boxes = image(f'<box label="mito" {PLACE}/>', done=0) + image("", name="z4", done=1)
    assert read(tmp_path, boxes).annotations.done == {4}


def test_other_shapes_are_told(tmp_path):
    imported = read(tmp_path, image('<polygon label="mito" points="1,2;3,4"/><polygon/><mask label="mito"/>'))
    assert "only boxes are read; left out: 2 polygon, 1 mask" in imported.notes


def test_rotated_boxes_become_upright(tmp_path):
    quarter = f'<box label="mito" rotation="90.0" {PLACE}/>'  # 15 high, 24 wide, middle (12.5, 18)
    imported = read(tmp_path, image(quarter))
    middle_y, middle_x = 12.5, 18
    expected = [middle_y - 12, middle_x - 7.5, middle_y + 12, middle_x + 7.5]
    found = corners(imported)[0][1:]
    assert all(abs(a - b) <= 0.5 for a, b in zip(found, expected, strict=True))
    assert "1 box is rotated; the upright box around it was taken" in imported.notes
    eighth = read(tmp_path, image(f'<box label="mito" rotation="45" {PLACE}/>'))
    z, y0, x0, y1, x1 = corners(eighth)[0]
    assert (z, y0) == (3, 0)  # 27.6 each way, cut at the edge above
    assert math.isclose(x1 - x0, 39 / math.sqrt(2), abs_tol=1)
    assert math.isclose(y1, middle_y + 39 / math.sqrt(8), abs_tol=0.5)


def test_labels_that_the_task_does_not_list_are_told(tmp_path):
    labels = ("mito", "zebra", "alien", "alien")
    imported = read(tmp_path, image("".join(f'<box label="{name}" {PLACE}/>' for name in labels)))
    assert imported.annotations.classes == ("mito", "early endosome", "alien", "zebra")
    assert [note for note in imported.notes if "does not list" in note] == [
        "2 boxes have the label 'alien', which <labels> does not list; it became a class",
        "1 box has the label 'zebra', which <labels> does not list; it became a class",
    ]


def test_broken_elements_come_by_line_whatever_is_wrong_with_them(tmp_path):
    flat, nameless = f'<box label="mito" {PLACE.replace("6.00", "30")}/>', f"<box {PLACE}/>"
    with pytest.raises(InputError) as caught:
        read(tmp_path, image("\n".join([flat, nameless, flat, flat, nameless])))
    named = [line.split(":")[0] for line in str(caught.value).splitlines()[1:]]
    assert named == [f"  annotations.xml line {line}" for line in (8, 9, 10, 11, 12)]


def test_labels_without_a_list_are_taken(tmp_path):
    imported = read(tmp_path, image(f'<box label="lysosome" {PLACE}/>'), meta="")
    assert imported.annotations.classes == ("lysosome",)
    assert not any("does not list" in note for note in imported.notes)


@pytest.mark.parametrize(
    ("inside", "line", "why"),
    [
        (image(f'<box label="mito" {PLACE}/>\n<box {PLACE}/>'), 9, "found None as class name"),
        (image('<box label="mito" xtl="6" ytl="5" xbr="30"/>'), 8, "found None as ybr"),
        (image(f'<box label="mito" {PLACE.replace("6.00", "six")}/>'), 8, "found 'six' as xtl"),
        (image(f'<box label="mito" {PLACE.replace("6.00", "nan")}/>'), 8, "not a finite number"),
        (image(f'<box label="mito" {PLACE.replace("6.00", "30")}/>'), 8, "without extent"),
        (image(f'<box label="mito" {PLACE.replace("20.00", "-5")}/>'), 8, "without extent"),
        (image(f'<box label="mito" {PLACE.replace("5.00", "80").replace("20.00", "90")}/>'), 8, "wholly outside"),
        (image(f'<box label="mito" rotation="inf" {PLACE}/>'), 8, "rotation"),
        (image(f'<box label="mito" {PLACE}/>', name="z_10.png"), 7, "found slice 10"),
        (image(f'<box label="mito" {PLACE}/>', name="z_10.png"), 8, "of an image that cannot be read"),
        (image(f'<box label="mito" {PLACE}/>', done="yes"), 7, "found 'yes' as done"),
        ('<image name="z3" width="100" height="90"></image>', 7, "an image of 90 × 100 pixels"),
        ('<image name="z3" width="x"></image>', 7, "as width"),
        ("<image></image>", 7, "an image without name and id"),
        (image("") + "\n" + image(""), 10, "found slice 3, which is also annotations.xml line 7"),
        (f'<track label="mito"><box frame="10" {PLACE}/></track>', 7, "found slice 10"),
        (f'<track label="mito"><box {PLACE}/></track>', 7, "found None as frame"),
        (f'<track><box frame="1" {PLACE}/></track>', 7, "class name"),
        (f'<box label="mito" {PLACE}/>', 7, "found a box inside <annotations>"),
        ("<labels><label><name> </name></label></labels>", 7, "class name"),
    ],
)
def test_broken_elements_are_named_by_line(tmp_path, inside, line, why):
    with pytest.raises(InputError) as caught:
        read(tmp_path, inside)
    assert any(f"annotations.xml line {line}: " in row and why in row for row in str(caught.value).splitlines())


def test_a_video_of_another_size_is_named(tmp_path):
    with pytest.raises(InputError, match="an image of 80 × 99 pixels"):
        read(tmp_path, "", meta=META.replace(">100<", ">99<"))


LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "not XML (no element found"),
        ("<annotations>", "not XML"),
        ("<annotations><image></annotations>", "not XML (mismatched tag"),
        (b"\xff\xfe<", "not XML"),
        ("PK\x03\x04", "not XML"),
        ("<html/>", "found the XML element <html>"),
        (LAUGHS + "]><annotations>&j;</annotations>", "document type declaration"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>', "document type declaration"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotations>&x;</annotations>', "document type"),
        ("<annotations>&x;</annotations>", "not XML (undefined entity"),
    ],
)
def test_files_that_are_not_cvat(tmp_path, content, why):
    with pytest.raises(InputError, match=r"annotations\.xml: ") as caught:
        read_raw(tmp_path, content)
    assert why in str(caught.value)


def test_encoding_and_byte_order_mark(tmp_path):
    text = f'<?xml version="1.0" encoding="hex"?>\r\n<annotations>{image(f"<box label={chr(34)}ä{chr(34)} {PLACE}/>")}'
    imported = read_raw(tmp_path, b"\xef\xbb\xbf" + text.encode() + b"\r\n</annotations>")
    assert imported.annotations.classes == ("ä",)
