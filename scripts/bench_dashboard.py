"""The dashboard under a clock: from upload to mask, alone and with ten sessions at once, in a real browser.

    python scripts/bench_dashboard.py                     # two uploads in one session, then ten sessions at once
    python scripts/bench_dashboard.py --sessions 20 --size 2048

Scenes are drawn: ice below dark water, 10 m pixels, another front in each, none told where its ocean lies. The time
runs from the choice of the file to the areas on the page; the browser has its share of the same cores. CPU seconds are
those of the server and of the commands; memory is what they hold together (PSS), at its most. Ends with 0 if every
session got the mask of its own scene, none saw a file of another, and nothing was left on disk.

Needs the extra ``dashboard``, playwright, and a Chromium (--chromium).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.dashboard_server import draw_scene, served  # noqa: E402

_TICKS = os.sysconf("SC_CLK_TCK")
_LEFT_S = 60


def tree(pid: int) -> list[int]:
    """Return a process and all that it started."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found, pending = [], [pid]
    while pending:
        found.append(pending.pop())
        pending += parents.get(found[-1], [])
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process, of all that it started, and of those of them that have ended."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            total += sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return total / _TICKS


def held_mb(pid: int) -> float:
    """Return the memory that a process and all that it started hold, shared pages counted once."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{one}/smaps_rollup").read_text(), re.M)
            total += int(found[1]) if found else 0
    return total / 1024


class Watch:
    """What a server takes between two calls."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.most_mb = 0.0
        self._is_over = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()
        self.begin()

    def begin(self) -> None:
        """Count from here."""
        self.cpu, self.clock = cpu_seconds(self.pid), time.monotonic()
        self.most_mb = held_mb(self.pid)

    def told(self) -> str:
        """Return what was taken since."""
        cpu, clock = cpu_seconds(self.pid) - self.cpu, time.monotonic() - self.clock
        return f"{clock:.1f} s by the clock, {cpu:.1f} CPU s, at most {self.most_mb:,.0f} MB"

    def end(self) -> None:
        """Look no more."""
        self._is_over.set()

    def _look(self) -> None:
        while not self._is_over.wait(0.5):
            self.most_mb = max(self.most_mb, held_mb(self.pid))


async def opened(browser: Any, address: str) -> Any:
    """Return a page of a session of its own, at Segment."""
    page = await (await browser.new_context()).new_page()
    page.set_default_timeout(600_000)
    await page.goto(address)
    await page.get_by_role("button", name="Segment", exact=True).first.click()
    await page.get_by_role("heading", name="Segment an image", exact=True).wait_for()
    return page


async def masked(page: Any, path: Path) -> tuple[float, str]:
    """Bring a scene and segment it; return the seconds, and what stands in the table of areas."""
    begun = time.monotonic()
    await page.locator("input[type=file]").last.set_input_files(str(path))
    await page.get_by_text(f"{path.name}: here").last.wait_for()
    await page.get_by_role("button", name="Segment", exact=True).last.click()
    table = page.get_by_role("region", name=f"Areas by landsat-fronts: {path.name}")
    await table.wait_for()
    return time.monotonic() - begun, await table.inner_text()


async def measure(address: str, pid: int, folder: Path, *, sessions: int, side: int, chromium: str) -> bool:
    """Measure both, and print it."""
    from playwright.async_api import async_playwright

    watch, is_good = Watch(pid), True
    async with async_playwright() as started:
        browser = await started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await opened(browser, address)
        for number, which in enumerate(("first", "second", "third")):
            path = folder / f"alone_{number}_2020-08-01.tif"
            draw_scene(path, side=side, number=number)
            watch.begin()
            seconds, _ = await masked(page, path)
            print(f"{which} upload to mask, {side} x {side}: {seconds:.1f} s; {watch.told()}", flush=True)
        await page.context.close()
        paths = [folder / f"session_{number}_2020-08-01.tif" for number in range(sessions)]
        shares = [draw_scene(path, side=side, number=number) for number, path in enumerate(paths)]
        pages = await asyncio.gather(*(opened(browser, address) for _ in paths))
        watch.begin()
        made = await asyncio.gather(*(masked(page, path) for page, path in zip(pages, paths, strict=True)))
        seconds = sorted(one for one, _ in made)
        print(f"{sessions} at once: first {seconds[0]:.1f} s, middle {seconds[len(seconds) // 2]:.1f} s, "
              f"last {seconds[-1]:.1f} s; {watch.told()}", flush=True)  # fmt: skip
        for number, (page, (_, table)) in enumerate(zip(pages, made, strict=True)):
            seen = await page.content() + await page.locator("body").inner_text()
            offered = await page.get_by_label("Image", exact=True).locator("option").all_inner_texts()
            others = [path.name for path in paths if path != paths[number] and path.name in seen]
            found = re.search(r"glacier.*?([\d.]+)%", table, re.S)
            share = float(found[1]) / 100 if found else float("nan")
            is_own = offered == [paths[number].name] and not others and abs(share - shares[number]) < 0.02
            is_good &= is_own
            if not is_own:
                print(f"session {number}: offered {offered}, sees {others}, ice {share:.3f} for {shares[number]:.3f}")
        print(f"each served with its own, none sees another's: {'yes' if is_good else 'NO'}")
        await browser.close()
    begun = time.monotonic()
    while (left := list(folder.glob("glaciertime-dashboard-*"))) and time.monotonic() - begun < _LEFT_S:
        await asyncio.sleep(1)
    watch.end()
    print(f"folders of sessions left {time.monotonic() - begun:.0f} s after the last page was closed: {len(left)}")
    return is_good and not left


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--size", type=int, default=1024, help="pixels along a side")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        with served(folder, "--archive", str(folder / "none.gpkg")) as (address, pid):
            print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            is_good = asyncio.run(
                measure(address, pid, folder, sessions=args.sessions, side=args.size, chromium=args.chromium)
            )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
