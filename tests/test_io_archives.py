"""Zips from anywhere: what is packed comes back, what is malicious is refused, and nothing is written outside."""

import io
import stat
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.errors import InputError
from famous.io import archives
from famous.io.archives import is_zip, pack, unpack

ENDINGS = (".txt", ".csv")


def zipped(entries, *, kind=zipfile.ZIP_DEFLATED):
    """A zip of (name or ZipInfo, content)."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", kind) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return target.getvalue()


def entry(name, mode=0):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def everything_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_what_is_packed_comes_back(tmp_path):
    files = {"a/one.txt": b"1\n", "two.csv": b"", "a/b/three.txt": b"3" * 5000}
    taken = unpack(pack(files), tmp_path, ENDINGS)
    assert {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in taken.files} == files
    assert taken.left == ()


def test_the_same_files_give_the_same_bytes():
    files = {"b.txt": b"b", "a.txt": b"a"}
    assert pack(files) == pack(dict(reversed(files.items())))
    with zipfile.ZipFile(io.BytesIO(pack(files))) as archive:
        assert [one.date_time for one in archive.infolist()] == [(1980, 1, 1, 0, 0, 0)] * 2
        assert archive.namelist() == ["a.txt", "b.txt"]


def test_images_stay_in_and_what_systems_add_is_passed_over(tmp_path):
    content = zipped([("x/a.txt", "1"), ("x/a.png", "2"), ("__MACOSX/x/._a.txt", "3"), ("x/.hidden.txt", "4")])
    taken = unpack(content, tmp_path, ENDINGS)
    assert everything_below(tmp_path) == ["x/a.txt"]
    assert taken.left == ("x/a.png",)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "a/../../evil.txt",
        "/etc/evil.txt",
        "..\\evil.txt",
        "C:\\evil.txt",
        "C:evil.txt",
        "a//b.txt",
        "./a.txt",
        "a\x00b.txt",
        "a\nb.txt",
        " a.txt",
        "x" * 300 + ".txt",
        "a/" * 20 + "b.txt",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    inside = tmp_path / "one" / "two"
    inside.mkdir(parents=True)
    info = zipfile.ZipInfo("a.txt")
    info.filename = name
    with pytest.raises(InputError, match="own folder"):
        unpack(zipped([(info, "evil")]), inside, ENDINGS)
    assert everything_below(tmp_path) == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(tmp_path, kind):
    with pytest.raises(InputError, match="link or a device"):
        unpack(zipped([(entry("a.txt", kind | 0o777), "/etc/passwd")]), tmp_path, ENDINGS)
    assert everything_below(tmp_path) == []


@pytest.mark.parametrize(
    "names", [("a.txt", "A.TXT"), ("a.txt", "a.txt"), ("a.txt", "a.txt/b.txt"), ("A.txt/b.txt", "a.txt")]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_cannot_have_one_name(tmp_path, names):
    with pytest.raises(InputError, match=r"twice|both"):
        unpack(zipped([(name, "1") for name in names]), tmp_path, ENDINGS)


def test_a_bomb_is_stopped_while_it_goes_off(tmp_path):
    with pytest.raises(InputError, match="times its own"):
        unpack(zipped([("a.txt", b"0" * (40 << 20))]), tmp_path, ENDINGS)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 10 << 20


def test_a_bomb_that_lies_about_its_size_is_stopped(tmp_path):
    content = bytearray(zipped([("a.txt", b"0" * (8 << 20))]))
    place = content.rfind(b"PK\x01\x02")
    struct.pack_into("<II", content, place + 20, 1 << 20, 100)  # packed, unpacked
    with pytest.raises(InputError):
        unpack(bytes(content), tmp_path, ENDINGS)


def test_sizes_and_counts_are_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "TOTAL_BYTES", 1000)
    with pytest.raises(InputError, match="unpacks to more"):
        unpack(zipped([("a.txt", bytes(range(256)) * 5)]), tmp_path, ENDINGS)
    monkeypatch.setattr(archives, "FILES", 2)
    with pytest.raises(InputError, match="files of labels"):
        unpack(zipped([(f"{i}.txt", "") for i in range(3)]), tmp_path, ENDINGS)
    monkeypatch.setattr(archives, "ENTRIES", 4)
    with pytest.raises(InputError, match="entries"):
        unpack(zipped([(f"{i}.png", "") for i in range(5)]), tmp_path, ENDINGS)


def test_encrypted_and_unusual_zips_are_refused(tmp_path):
    content = bytearray(zipped([("a.txt", "1")]))
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InputError, match="password"):
        unpack(bytes(content), tmp_path, ENDINGS)
    with pytest.raises(InputError, match="unusual"):
        unpack(zipped([("a.txt", "1")], kind=zipfile.ZIP_LZMA), tmp_path, ENDINGS)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip", b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_zip_is_said_so(tmp_path, content):
    with pytest.raises(InputError, match="zip"):
        unpack(content, tmp_path, ENDINGS)


def test_an_empty_zip_is_empty(tmp_path):
    assert is_zip(pack({}))
    assert unpack(pack({}), tmp_path, ENDINGS).files == ()


@given(st.data())
def test_a_damaged_zip_is_refused_or_read_but_never_leaves_its_folder(tmp_path_factory, data):
    top = tmp_path_factory.mktemp("fuzz")
    inside = top / "in"
    inside.mkdir()
    content = bytearray(zipped([("a/b.txt", "0 0.5 0.5 0.1 0.1\n" * 20), ("c.csv", "z,done\n"), ("d.png", "x")]))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(len(content) - 30, len(content)))]
    try:
        written = unpack(bytes(content), inside, ENDINGS).files
    except InputError:
        written = ()
    assert all(inside in path.parents for path in written)
    assert [path.name for path in top.iterdir()] == ["in"]
    assert not any(path.is_symlink() for path in top.rglob("*"))


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(tmp_path_factory, content):
    with pytest.raises(InputError):
        unpack(b"PK\x03\x04" + content, tmp_path_factory.getbasetemp() / "never", ENDINGS)
    assert not (tmp_path_factory.getbasetemp() / "never").exists()
