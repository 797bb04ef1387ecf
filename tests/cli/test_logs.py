"""The log of a command tells what was decided and no secret; Ctrl-C tells what was stored."""

from __future__ import annotations

import logging
import operator
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glaciertime.archive import Archive
from glaciertime.cli import app
from glaciertime.cli.logs import logging_to
from glaciertime.cli.running import without_log_options
from glaciertime.processes import process_pool

from .conftest import Command, write_mask, zones


def test_the_log_of_track_tells_ruler_flags_and_what_was_refused(command: Command, masks: Path, manifest: Path) -> None:
    (masks / "toy_2004-03-15.tif").write_bytes(b"no raster")
    write_mask(masks / "toy_2005-03-15.tif", zones(60))
    given = ("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks, "--log-file", "log.txt")
    assert command(*given).code == 3
    text = Path("log.txt").read_text()
    for wanted in (
        "# log of glaciertime\n", "command: glaciertime track --glacier Toy", "5 scenes of masks, from ",
        "centreline: manifest (the tests)", "plane: EPSG:3031", "refused: toy_2004", "censored", "exit code 3",
    ):  # fmt: skip
        assert wanted in text
    assert "--log-file" not in text, "where the log goes is no part of the command"
    again = command("catalog", "--log-file", "log.txt")
    assert again.code == 0
    assert Path("log.txt").read_text().startswith(text), "a log is added to"
    assert Path("log.txt").read_text().count("command: ") == 2


def test_debug_names_every_file(command: Command, masks: Path, manifest: Path) -> None:
    given = ("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks)
    result = command(*given, "--log-level", "debug")
    assert f"read {masks / 'toy_2001-03-15.tif'} as toy_2001-03-15" in result.err
    assert " DEBUG glaciertime" in result.err
    plain = command(*given).err
    assert "read /" not in plain, "without an option nothing of the log is printed"
    assert " glaciertime" not in plain


def test_a_defect_and_a_refusal_are_in_the_log(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert command("table", "--log-file", "log.txt").code == 1
    told = Path("log.txt").read_text()
    assert f"ERROR glaciertime: there is no archive {Path('glaciertime.gpkg').resolve()}" in told

    def broken() -> None:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr("glaciertime.catalog.load_catalog", broken)
    with pytest.raises(ZeroDivisionError):
        command("data", "list", "--log-file", "log.txt")
    assert "    ZeroDivisionError: by hand" in Path("log.txt").read_text()


def test_no_secret_gets_into_a_log(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    monkeypatch.setenv("GLACIERTIME_TOKEN", "geheim")
    command("why", "https://anna:geheim@example.org/?token=geheim", "--log-file", "log.txt", "--log-level", "debug")
    command("doctor", "--log-file", "log.txt")
    assert "geheim" not in Path("log.txt").read_text()


@pytest.mark.parametrize("kind", ["other", "folder", "link", "device", "gone"])
def test_only_a_log_is_added_to(command: Command, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "other":
        path.write_text("my thesis")
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        (tmp_path / "aim").write_text("aim")
        path.symlink_to(tmp_path / "aim")
    elif kind == "device":
        os.mkfifo(path)
    else:
        path = tmp_path / "no" / "x"
    result = command("catalog", "--log-file", path)
    assert (result.code, result.err.count("\n")) == (2, 1), result
    assert f"--log-file {path}" in result.err
    assert kind != "other" or path.read_text() == "my thesis"
    assert kind != "link" or (tmp_path / "aim").read_text() == "aim"


def test_a_full_disk_under_the_log_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    from glaciertime.cli.logs import _InFile

    handle = os.open("/dev/full", os.O_WRONLY)
    log = _InFile(handle, Path("log.txt"))
    for _ in range(2):
        log.emit(logging.LogRecord("glaciertime", logging.INFO, "", 0, "text", (), None))
    os.close(handle)
    assert capsys.readouterr().err.count("log.txt cannot be written") == 1


def test_an_unknown_level_is_refused(command: Command) -> None:
    result = command("catalog", "--log-level", "loud")
    assert (result.code, result.err) == (
        2, "glaciertime: --log-level 'loud' is not known; known are debug, info, warning, error\n",
    )  # fmt: skip


def test_every_command_has_a_log() -> None:
    import typer

    group = typer.main.get_command(app)
    found = 0
    for command in group.commands.values():  # type: ignore[attr-defined]
        for one in getattr(command, "commands", {"": command}).values():
            assert {"--log-level", "--log-file"} <= {option for each in one.params for option in each.opts}, one.name
            found += 1
    assert found > 15


def test_options_of_the_log_are_no_part_of_a_run() -> None:
    given = ("track", "--log-file", "a", "--glacier", "--log-level=debug", "X", "--log-level", "info", "--log-file=b")
    assert without_log_options(given) == ("track", "--glacier", "X")


# --- Ctrl-C

RUNNING = """
import os, signal, sys, threading
import {module}
kept = {module}.{name}
calls = 0

def stopped(*given, **named):
    global calls
    calls += 1
    if calls > {after}:
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(5)
    return kept(*given, **named)

{module}.{name} = stopped
from glaciertime.__main__ import run
sys.exit(run(sys.argv[1:]))
"""


def stopped(folder: Path, *arguments: object, module: str, name: str, after: int = 0) -> tuple[int, str]:
    """Run a command that gets Ctrl-C when it calls a function for the time after so many."""
    code = RUNNING.format(module=module, name=name, after=after)
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False,
        # a shell that starts the tests in the background lets them ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    return ran.returncode, ran.stderr


def test_ctrl_c_in_track_says_which_glaciers_are_stored(tmp_path: Path) -> None:
    for name in ("A", "B"):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}.yaml").write_text(
            f"name: Toy {name}\ncrs: EPSG:3031\ncentreline:\n  drawn_by: the tests\n"
            "  coordinates: [[-2400000, 1257000], [-2394000, 1257000]]\n"
        )
    for year, column in ((2001, 40), (2002, 38), (2003, 36)):
        write_mask(tmp_path / f"toy_{year}-03-15.tif", zones(column))
    code, said = stopped(
        tmp_path, "track", "--glacier", "Toy A", "--glacier", "Toy B", "--manifest", "A.yaml", "--manifest", "B.yaml",
        "--data", ".", module="glaciertime.pipeline.tracking", name="track_scenes", after=1,
    )  # fmt: skip
    assert code == 130
    last = said.strip().splitlines()[-1]
    assert last.startswith("glaciertime: stopped by Ctrl-C; stored whole before: Toy A (3 scenes, 3 fronts,")
    assert "run the same command again" in last
    assert "Traceback" not in said
    assert Archive(tmp_path / "glaciertime.gpkg").glaciers() == ["Toy A"]


@pytest.mark.parametrize(
    ("arguments", "module", "name"),
    [
        (("export", "--glacier", "Toy", "--out", "o.csv"), "glaciertime.report.files", "sidecar_text"),
        (("report", "--glacier", "Toy"), "glaciertime.report.forms", "lay_out"),
        (("forecast", "--glacier", "Toy", "--until", "2005"), "glaciertime.forecast", "forecast_series"),
        (("import", "lengths.csv"), "glaciertime.scenes.series", "series_of_table"),
        (("backtest", "--glacier", "Toy"), "glaciertime.forecast", "run_backtest"),
    ],
)
def test_ctrl_c_before_anything_is_stored(
    command: Command, masks: Path, manifest: Path, arguments: tuple[str, ...], module: str, name: str
) -> None:
    assert command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks).code == 0
    Path("lengths.csv").write_text("glacier,date,length_m\nRhone,2001-09-01,9500\nRhone,2002-09-01,9480\n")
    held = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    code, said = stopped(Path.cwd(), *arguments, module=module, name=name)
    assert code == 130
    assert said.strip() == (
        "glaciertime: stopped by Ctrl-C; nothing was stored or changed: run the same command again"
    )  # fmt: skip
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == held


def test_ctrl_c_in_a_download_says_how_much_has_come(tmp_path: Path) -> None:
    import http.server
    import threading

    class Stalls(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(bytes(300_000))
            threading.Event().wait(20)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stalls)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "x.yaml").write_text(
        "kind: dataset\nname: X\ntitle: x\ncitation: x\nlicence: x\nfiles:\n"
        f"  - url: http://127.0.0.1:{server.server_port}/a.zip\n    path: a.zip\n"
    )
    part = tmp_path / "a.zip.part"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-m", "glaciertime", "data", "fetch", "X", "--manifest", "x.yaml", "--folder", "."],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=env,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    for _ in range(1200):
        if part.is_file() and part.stat().st_size == 300_000:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1].strip().splitlines()[-1]
    server.server_close()
    assert process.returncode == 130
    assert "300000 bytes in a.zip.part, so far" in said
    assert said.endswith("to go on, run the same command again: what has come of a file is continued")


POOL = """
import os, signal, sys, threading, time
from glaciertime.processes import process_pool

def work(seconds):
    time.sleep(seconds)

def stop():
    time.sleep(float(sys.argv[2]))
    os.killpg(os.getpgrp(), signal.SIGINT)

if __name__ == "__main__":
    try:
        with process_pool(2, spawn=sys.argv[1] == "spawn") as pool:
            threading.Thread(target=stop).start()
            list(pool.map(work, [100] * 4))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("kind", ["spawn", "fork"])
@pytest.mark.parametrize("after_seconds", [0.0, 1.0])
def test_ctrl_c_ends_the_processes_of_a_pool_in_silence(tmp_path: Path, kind: str, after_seconds: float) -> None:
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    start = time.monotonic()
    ran = subprocess.run(
        [sys.executable, str(script), kind, str(after_seconds)], capture_output=True, text=True, check=False,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (130, "")
    assert time.monotonic() - start < 90, "the work was waited for"


@pytest.mark.parametrize("spawn", [True, False])
def test_what_workers_say_is_in_the_log_once(tmp_path: Path, *, spawn: bool) -> None:
    log = tmp_path / "a.log"
    say = operator.methodcaller("info", "said by a worker")
    with logging_to(log), process_pool(1, spawn=spawn) as pool:
        pool.submit(say, logging.getLogger("glaciertime.track")).result()
    assert len([line for line in log.read_text().splitlines() if line.endswith("said by a worker")]) == 1
