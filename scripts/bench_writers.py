"""Many writers and readers on one archive of any kind, some killed at random moments: nothing lost, nothing changed.

Each writer stores images of a few glaciers that all share and, once an image is stored, writes it into a ledger of its
own. Each reader reads a glacier, and every image that stood in a ledger before must be there, once, with its value.
With ``--kill`` writers are ended by SIGKILL and others take their place. At the end all of the archive is compared with
the ledgers: an image that no ledger holds is one whose writer was killed between storing and telling; it must be whole.

    python scripts/bench_writers.py --archive /tmp/store --seconds 300 --kill
    python scripts/bench_writers.py --archive postgresql: --seconds 300      # a server of its own, for the time

Started again with the same ``--state``, it goes on with the archive and the ledgers that are there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely

from glaciertime.archive import Archive
from glaciertime.archive.care import check
from glaciertime.provenance import Run
from glaciertime.tables import empty

GLACIERS = [f"Glacier {number}" for number in range(6)]


def store_image(archive: Archive, glacier: str, image: str, value: float) -> None:
    """Store an area and a front of one image, with the run that made them."""
    common = {"dataset": "bench", "source": "observed", "coverage": 1.0}
    observations = pd.DataFrame(
        [
            {"glacier": glacier, "date": "2020-07-01", "variable": "area_km2", "value": value, "unit": "km2",
             "sigma": 0.1, "method": "polygon", "footprint": "box", "sensor": "S2", "image_id": image, "quality": "ok",
             **common}
        ]
    )  # fmt: skip
    fronts = gpd.GeoDataFrame(
        [
            {"GlacierID": glacier, "Date": "2020-07-01", "DecDate": 2020.5, "QualFlag": "ok", "Satellite": "S2",
             "ImageID": image, "Author": "bench", "sigma_m": 9.0, "resolution_m": 10.0, "model": "", **common}
        ],
        geometry=[shapely.LineString([(-50.0, 70.0), (-50.0 + value / 1e6, 70.01)])], crs="EPSG:4326",
    )  # fmt: skip
    named = (glacier, "bench", image, f"{image}.tif")
    archive.store_tracked(
        fronts=fronts, observations=observations, footprints=empty("footprints").set_crs("EPSG:4326"),
        inputs=[named], run=Run(arguments=("bench", image)).record(glacier=glacier, images=[named]),
    )  # fmt: skip


def write(place: str, state: Path, number: int, until: float) -> int:
    """Store images until the time is over; return how many."""
    count = 0
    archive = Archive(place, tell=lambda _: None)
    with (state / f"ledger_{number}.jsonl").open("a") as ledger:
        while time.time() < until:
            glacier = random.choice(GLACIERS)  # nosec B311
            image, value = f"w{number}_{os.getpid()}_{count}", float(random.randint(1, 10**6))  # nosec B311
            store_image(archive, glacier, image, value)
            ledger.write(json.dumps([glacier, image, value]) + "\n")
            ledger.flush()
            count += 1
    return count


def told(state: Path) -> dict[tuple[str, str], float]:
    """Return glacier and image of all ledgers, and the value; a last line that a kill cut off tells nothing."""
    out = {}
    for path in state.glob("ledger_*.jsonl"):
        for line in path.read_text().splitlines():
            with contextlib.suppress(ValueError):
                glacier, image, value = json.loads(line)
                out[(glacier, image)] = value
    return out


def compare(found: pd.DataFrame, expected: dict[tuple[str, str], float]) -> list[str]:
    """Return what is wrong with the rows of an archive: missing, twice, or of another value."""
    held = Counter(zip(found["glacier"], found["image_id"], strict=True))
    values = dict(zip(zip(found["glacier"], found["image_id"], strict=True), found["value"], strict=True))
    wrong = [f"{key} is lost" for key in expected if key not in held]
    wrong += [f"{key} is there {count} times" for key, count in held.items() if count > 1]
    changed = [key for key, value in expected.items() if key in values and values[key] != value]
    return wrong + [f"{key} is {values[key]}, not {expected[key]}" for key in changed]


def read(place: str, state: Path, until: float) -> int:
    """Read glaciers until the time is over; return how often."""
    count = 0
    archive = Archive(place, tell=lambda _: None)
    while time.time() < until:
        glacier = random.choice(GLACIERS)  # nosec B311
        expected = {key: value for key, value in told(state).items() if key[0] == glacier}
        wrong = compare(archive.read("observations", glacier=glacier), expected)
        if wrong:
            raise SystemExit(f"reader: {wrong[:3]}")
        count += 1
    return count


def started(work: Callable[[], int], state: Path, name: str) -> int:
    """Do some work in a process of its own, which writes down how it ended; return its number."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        count = work()
        (state / f"done_{name}_{os.getpid()}").write_text(str(count))
        code = 0
    except BaseException:
        (state / f"failed_{name}_{os.getpid()}").write_text(traceback.format_exc())
    os._exit(code)


@contextlib.contextmanager
def place_of(given: str) -> Iterator[str]:
    """Give the place of the archive: a server of our own for ``postgresql:``."""
    if given != "postgresql:":
        yield given
        return
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.postgis_server import local_server

    with local_server() as server:
        yield server.new_database()


def main() -> None:
    """Run it; exit 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", required=True)
    parser.add_argument("--state", type=Path, required=True, help="Folder of the ledgers.")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--kill", action="store_true")
    given = parser.parse_args()
    given.state.mkdir(exist_ok=True)
    for path in given.state.glob("failed_*"):
        path.unlink()
    for path in given.state.glob("done_*"):
        path.unlink()
    with place_of(given.archive) as place:
        until = time.time() + given.seconds

        def writer(number: int) -> int:
            return started(lambda: write(place, given.state, number, until), given.state, "writer")

        writers = {writer(number): number for number in range(given.writers)}
        readers = [
            started(lambda: read(place, given.state, until), given.state, "reader") for _ in range(given.readers)
        ]
        kills = 0
        while given.kill and time.time() < until - 2:
            time.sleep(random.uniform(0.2, 2.0))  # nosec B311
            pid = random.choice(list(writers))  # nosec B311
            number = writers.pop(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            kills += 1
            writers[writer(number)] = number
        for pid in [*writers, *readers]:
            os.waitpid(pid, 0)
        archive = Archive(place, tell=print)
        expected = told(given.state)
        observations = archive.read("observations")
        wrong = compare(observations, expected)
        fronts, inputs = archive.read("fronts"), archive.read("inputs")
        images = set(zip(observations["glacier"], observations["image_id"], strict=True))
        for name, found in (("fronts", set(zip(fronts["GlacierID"], fronts["ImageID"], strict=True))),
                            ("inputs", set(zip(inputs["glacier"], inputs["image_id"], strict=True)))):  # fmt: skip
            wrong += [f"{key} is in one of observations and {name} only" for key in images ^ found]
        wrong += list(check(archive).problems)
        failed = [path.read_text() for path in given.state.glob("failed_*")]
        counts = {name: sum(int(path.read_text()) for path in given.state.glob(f"done_{name}_*"))
                  for name in ("writer", "reader")}  # fmt: skip
        print(
            f"{place}: {given.writers} writers, {given.readers} readers, {given.seconds:.0f} s, {kills} killed; "
            f"{len(expected)} images told as stored, {len(images)} held, {counts['reader']} readings; "
            f"{len(wrong)} wrong, {len(failed)} processes failed"
        )
        print(*wrong[:5], *failed[:2], sep="\n")
    raise SystemExit(1 if wrong or failed or not expected else 0)


if __name__ == "__main__":
    main()
