"""Files come into being whole or not at all, and never over something that is not theirs."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from glaciertime.errors import UsageError, WritingError
from glaciertime.writing import Target, check_target, draft, drafts, file_name, remove_stale_drafts


def write(path: Path, text: str = "new", then: Callable[[Path], None] = lambda _: None, **options: object) -> None:
    with draft(path, **options) as made:  # type: ignore[arg-type]
        made.write_text(text)
        then(made)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    with draft(tmp_path / "a.txt") as made:
        made.write_text("new")
        assert made.name == "a.txt"
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyboardInterrupt(), SystemExit(143), OSError(errno.EIO, "x")])
def test_an_exception_leaves_the_old_file_whole_and_no_draft(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "a.txt").write_text("old")

    def fail(_: Path) -> None:
        raise error

    with pytest.raises((type(error), WritingError)):
        write(tmp_path / "a.txt", then=fail, overwrite=True)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_draft_that_is_not_what_it_should_be_is_not_taken(tmp_path: Path) -> None:
    def check(path: Path) -> None:
        raise OSError(errno.EIO, f"{path.name} ends early")

    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(WritingError, match=r"a.txt could not be written \(a.txt ends early\).*unchanged"):
        write(tmp_path / "a.txt", check=check, overwrite=True)
    with pytest.raises(WritingError, match="nothing was written"), draft(tmp_path / "b.txt"):
        pass
    with pytest.raises(WritingError, match="nothing was written"):
        write(tmp_path / "b.txt", "")
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_what_no_reader_opens_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("old")
    with pytest.raises(WritingError, match=r"it cannot be read back: Expecting .*unchanged"):
        write(tmp_path / "a.json", "{", check=lambda made: json.loads(made.read_text()), overwrite=True)
    assert (names(tmp_path), (tmp_path / "a.json").read_text()) == (["a.json"], "old")


def test_several_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    def check(_: Path) -> None:
        raise OSError(errno.EIO, "broken")

    (tmp_path / "a").write_text("old")
    targets = [Target(tmp_path / "a"), Target(tmp_path / "b", "--other", check=check)]

    def write_both(targets: list[Target]) -> None:
        with drafts(targets, overwrite=True) as (one, other):
            one.write_text("new")
            other.write_text("new")

    with pytest.raises(WritingError, match="broken"):
        write_both(targets)
    assert (names(tmp_path), (tmp_path / "a").read_text()) == (["a"], "old")
    with pytest.raises(UsageError, match="--out and --other are both"):
        write_both([Target(tmp_path / "c"), Target(tmp_path / "." / "c", "--other")])


def test_an_input_is_never_written_over_by_whatever_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = tmp_path / "in.txt"
    given.write_text("old")
    (tmp_path / "link.txt").symlink_to(given)
    os.link(given, tmp_path / "hard.txt")
    (tmp_path / "folder").mkdir()
    for other in ("in.txt", "./in.txt", "folder/../in.txt", str(given), "link.txt", "hard.txt"):
        with pytest.raises(UsageError, match="is the input"):
            write(Path(other), inputs=[given], overwrite=True)
        with pytest.raises(UsageError, match="is the input"):
            write(given, inputs=[Path(other)], overwrite=True)
    assert given.read_text() == "old"


def test_the_archive_is_never_written_over(tmp_path: Path) -> None:
    archive = tmp_path / "a.gpkg"
    with sqlite3.connect(archive) as database:
        for table in ("observations", "forecasts", "scores", "inputs"):
            database.execute(f"CREATE TABLE {table} (x)")
    with pytest.raises(UsageError, match="is the archive; name another file"):
        write(archive, archive=archive, overwrite=True)
    with pytest.raises(UsageError, match="belongs to the archive"):
        write(tmp_path / "a.gpkg-journal", archive=archive, overwrite=True)
    with pytest.raises(UsageError, match="is an archive of glaciertime"):
        write(archive, overwrite=True)


def test_only_plain_files_in_folders_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "loose").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    refused = {
        "link": "is a link to .*file; name that file itself",
        "loose": "is a link to .*nowhere",
        "pipe": "no file but a device or a pipe",
        ".": "is a folder",
        "none/x": "folder .*none does not exist; create it first",
        "file/x": "Not a directory|is no folder",
        "x" * 300: "File name too long",
        "a\0b": "null",
    }
    for name, message in refused.items():
        with pytest.raises(UsageError, match=message):
            check_target(tmp_path / name, overwrite=True)
    with pytest.raises(UsageError, match="no file but a device"):
        check_target(Path(os.devnull), overwrite=True)


def test_what_another_made_needs_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("somebody's")

    def own(there: Path) -> bool:
        return there.read_text() == "new"

    with pytest.raises(UsageError, match="exists and was not made by this command; add --overwrite"):
        write(path, own=own)
    with pytest.raises(UsageError, match="add --overwrite"):
        write(path)
    assert path.read_text() == "somebody's"
    write(path, own=own, overwrite=True)
    write(path, "newer", own=own)
    assert path.read_text() == "newer"


def test_the_mode_of_the_file_that_is_replaced_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o640)
    write(tmp_path / "a", overwrite=True)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_set_of_files_is_one_and_nothing_of_the_old_one_stays(tmp_path: Path) -> None:
    for end in (".shp", ".dbf", ".qix"):
        (tmp_path / f"a{end}").write_text("old")
    with draft(tmp_path / "a.shp", overwrite=True) as made:
        made.write_text("new")
        made.with_suffix(".dbf").write_text("new")
    assert names(tmp_path) == ["a.dbf", "a.shp"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"new"}
    (tmp_path / "b.dbf").write_text("a table of the user")
    with pytest.raises(UsageError, match=r"its b.dbf would replace a file"):
        write(tmp_path / "b.shp")


def test_a_journal_of_the_old_file_is_not_applied_to_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "a.gpkg-journal").write_text("old")
    write(tmp_path / "a.gpkg")
    assert names(tmp_path) == ["a.gpkg"]


KILLED = """
import os, signal, sys
import glaciertime.writing.replacement
from pathlib import Path
from glaciertime.writing import draft as open_draft
module = sys.modules['glaciertime.writing.replacement']
if sys.argv[2] == "moving":
    def killed(room, target):
        target.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)
    module.finish = killed
with open_draft(Path(sys.argv[1]), overwrite=True) as draft:
    draft.write_text("new")
    draft.with_suffix(".dbf").write_text("new")
    if sys.argv[2] == "writing":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_takes_the_draft_away(tmp_path: Path, number: int) -> None:
    (tmp_path / "a").write_text("old")
    # A job in the background begins with SIGINT ignored, and so does what it begins.
    code = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += KILLED.replace("signal.SIGKILL", str(int(number)))
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a"), "writing"], capture_output=True, check=False
    )
    assert done.returncode in (128 + number, -number)
    assert (names(tmp_path), (tmp_path / "a").read_text()) == (["a"], "old")


@pytest.mark.parametrize("moment", ["writing", "moving"])
def test_the_next_run_clears_up_after_a_killed_one(tmp_path: Path, moment: str) -> None:
    for end in (".shp", ".dbf"):
        (tmp_path / f"a{end}").write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a.shp"), moment], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == (3 if moment == "writing" else 2)
    write(tmp_path / "other.txt")
    assert names(tmp_path) == ["a.dbf", "a.shp", "other.txt"]
    expected = "old" if moment == "writing" else "new"
    assert {(tmp_path / name).read_text() for name in ("a.dbf", "a.shp")} == {expected}


def test_drafts_of_the_living_and_of_others_stay(tmp_path: Path) -> None:
    with draft(tmp_path / "a.txt") as made:
        made.write_text("new")
        mine = made.parent.name
        start = mine.rpartition(f".{os.getpid()}-")[2].partition("-")[0]
        host = mine.rpartition("-")[0].rpartition("-")[2]
        another_machine = f".a.txt.999999999-1-{'0' * 8}-0.draft"
        others = [another_machine, ".x.draft", ".glaciertime-abc", "a.part"]
        reused = f".a.txt.{os.getpid()}-{int(start) + 1}-{host}-0.draft"
        dead = f".a.txt.999999999-1-{host}-0.draft"
        for name in (*others, reused, dead):
            (tmp_path / name).mkdir()
        gone = {path.name for path in remove_stale_drafts(tmp_path)}
        assert gone == ({reused, dead} if start != "0" else {dead})
        assert {*others, mine} <= set(names(tmp_path))


def test_a_vanished_folder_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with pytest.raises(WritingError, match=r"could not be written \(.*the folder is gone"):
        write(folder / "a", then=lambda _: shutil.rmtree(folder))


LIMITED = """
import resource, signal, sys
from pathlib import Path
from glaciertime.errors import WritingError
from glaciertime.writing import draft
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    with draft(Path(sys.argv[1]), overwrite=True) as made:
        made.write_bytes(bytes(20_000))
except WritingError as error:
    print(error)
"""


def test_a_file_that_outgrows_the_limit_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "a")], capture_output=True, text=True, check=True
    )
    assert "could not be written (File too large)" in done.stdout
    assert "the file that was there is unchanged" in done.stdout
    assert (names(tmp_path), (tmp_path / "a").read_text()) == (["a"], "old")


def test_an_input_that_fails_is_not_taken_for_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), draft(tmp_path / "a"):
        (tmp_path / "input").read_text()
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "..", "", "a/b", "con", ".hidden", "a\nb", "ø" * 200, "a\0"]
)
def test_a_name_from_data_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / file_name(name, ".html")
    path.write_text("x")
    assert path.parent == tmp_path
    assert path.resolve().parent == tmp_path.resolve()
    assert not path.name.startswith((".", "-"))


def test_names_that_differ_give_files_that_differ() -> None:
    given = ["a/b", "a_b", "a\\b", "a:b", "../a/b", "A B", "ø" * 100, "ø" * 101]
    assert len({file_name(name, "") for name in given}) == len(given)


def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WritingError, match=r"could not be written \(Input/output error\): check the disk"):
        write(tmp_path / "a", overwrite=True)
    assert (names(tmp_path), (tmp_path / "a").read_text()) == (["a"], "old")


def test_a_full_disk_is_told(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(8192)
    (disk / "a").write_text("old")
    with pytest.raises(WritingError, match=r"No space left on device\): free some space"):
        write(disk / "a", "x" * 9000, overwrite=True)
    assert (names(disk), (disk / "a").read_text()) == (["a"], "old")


def test_a_read_only_disk_is_told(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(8192)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(WritingError, match=r"cannot be written \(read-only"):
        write(disk / "a")


def test_a_lost_mount_is_told(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(8192)
    with pytest.raises(WritingError, match=r"the folder is gone; is its disk still mounted"):
        write(disk / "a", then=lambda _: subprocess.run(["umount", "-l", str(disk)], check=True))
    assert names(disk) == []
