"""Archives are unpacked inside their folder, within limits, and as a whole."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from glaciertime import limits
from glaciertime.errors import InputError, WritingError
from glaciertime.scenes.unpacking import unpack


def packed(folder: Path, members: dict[str, bytes], *, mode: int = 0o100644) -> Path:
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_files_come_to_their_places_once(tmp_path: Path) -> None:
    path = packed(tmp_path, {"a/b.txt": b"1", "c.txt": b"2", "empty/": b"", "none.txt": b""})
    unpack(path)
    found = files(tmp_path)
    assert (found["a/b.txt"], found["c.txt"], found["none.txt"]) == (b"1", b"2", b"")
    (tmp_path / "c.txt").unlink()
    unpack(path)
    assert not (tmp_path / "c.txt").exists()


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..\\x", "C:x"])
def test_a_member_outside_is_refused_and_nothing_is_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    path = packed(tmp_path / "in", {"fine.txt": b"1", name: b"2"})
    with pytest.raises(InputError, match="lies outside its folder"):
        unpack(path)
    assert set(files(tmp_path)) == {"in/a.zip"}


@pytest.mark.parametrize("name", ["two\nlines", "clears\x1b[2J", "tab\t", "del\x7f"])
def test_a_name_that_would_steer_a_terminal_is_refused(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path, {"fine.txt": b"1", name: b"2"})
    with pytest.raises(InputError, match="control characters") as told:
        unpack(path)
    assert str(told.value).isprintable()
    assert set(files(tmp_path)) == {"a.zip"}


def test_a_link_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, {"link": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777)
    with pytest.raises(InputError, match="which is a link"):
        unpack(path)


def test_a_planted_draft_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, {".a.tif.1-1-00000000-0.ready/a.tif": b"x"})
    with pytest.raises(InputError, match="kept for drafts"):
        unpack(path)


def test_a_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    path = packed(tmp_path, {f"{count}.bin": bytes(30_000_000) for count in range(4)})
    assert path.stat().st_size < 200_000
    with pytest.raises(InputError, match=r"a.zip was not unpacked: it .* times its own size.*--limit unpacked-ratio=N"):
        unpack(path)
    with limits.given({"unpacked-gb": 1e-6}), pytest.raises(InputError, match="GLACIERTIME_MAX_UNPACKED_GB"):
        unpack(path)
    with limits.given({"files": 3}), pytest.raises(InputError, match=r"a\.zip was not unpacked: 4 files"):
        unpack(path)
    assert set(files(tmp_path)) == {"a.zip"}
    with limits.given({"unpacked-ratio": 1e5}):
        unpack(path)
    assert "3.bin" in files(tmp_path)


def test_the_environment_raises_the_limits_for_python_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path, {"a.bin": bytes(2_000)})
    monkeypatch.setenv("GLACIERTIME_MAX_UNPACKED_GB", "1e-6")
    with pytest.raises(InputError, match="2e-06 GB that an archive unpacks to, at most 1e-06"):
        unpack(path)
    monkeypatch.setenv("GLACIERTIME_MAX_UNPACKED_GB", "3e-6")
    unpack(path)


def test_a_damaged_archive_leaves_nothing(tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    path = packed(tmp_path, {"a.bin": content, "b.bin": content})
    whole = path.read_bytes()
    for place in (60, 200, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:place] + b"\xff\x00\xff" + whole[place + 3 :])
        with pytest.raises(InputError, match=r"a.zip cannot be unpacked"):
            unpack(path)
        assert set(files(tmp_path)) == {"a.zip"}
    path.write_bytes(b"no zip")
    with pytest.raises(InputError, match="delete it and fetch it again"):
        unpack(path)


def test_a_place_before_the_archive_is_damage_and_no_full_disk(tmp_path: Path) -> None:
    path = packed(tmp_path, {"a.bin": b"1"})
    content = bytearray(path.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    content[end + 16 : end + 20] = (len(content) + 9).to_bytes(4, "little")  # the directory is said to lie further on
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(path)
    assert set(files(tmp_path)) == {"a.zip"}


def test_what_lies_there_is_not_replaced(tmp_path: Path) -> None:
    path = packed(tmp_path, {"a.txt": b"1", "b.txt": b"2"})
    (tmp_path / "a.txt").write_bytes(b"mine")
    with pytest.raises(WritingError, match=r"a.txt is there with another content"):
        unpack(path)
    assert set(files(tmp_path)) == {"a.zip", "a.txt"}
    (tmp_path / "a.txt").write_bytes(b"1")
    unpack(path)
    assert files(tmp_path)["b.txt"] == b"2"


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"1")
        archive.filelist.append(archive.getinfo("a"))
    with pytest.raises(InputError, match="twice"):
        unpack(path)


def test_a_file_below_a_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WritingError, match="could not be written"):
        unpack(packed(tmp_path, {"a": b"1", "a/b": b"2"}))
    assert set(files(tmp_path)) == {"a.zip"}


def test_a_member_without_a_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", b"content")
    path.write_bytes(path.read_bytes().replace(b"x", b"\0"))
    with pytest.raises(InputError, match=r"a\.zip"):
        unpack(path)
