"""What examples of help need from elsewhere, small and on this machine: a catalogue of scenes, downloads, models."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import shapely

from glaciertime.catalog import Catalog, load_catalog

from ..scenes.sources.server import BASELINE, Catalogue, catalogue_served, numbers, tiff

_SIDE, _SIZE_M = 160, 200.0


@contextmanager
def scenes_of_crane(patch: pytest.MonkeyPatch) -> Iterator[Catalogue]:
    """Serve two simulated scenes of Crane in place of the catalogue that is asked by default."""
    patch.setattr("glaciertime.scenes.sources.web.WAIT_S", 0.0)
    glacier = load_catalog().glacier("Crane")
    assert glacier.box is not None
    assert glacier.centreline is not None
    line = shapely.LineString(glacier.centreline.coordinates)
    west, north = glacier.box[0], glacier.box[3]
    row, column = np.mgrid[0:_SIDE, 0:_SIDE] + 0.5
    along = shapely.line_locate_point(line, shapely.points(west + column * _SIZE_M, north - row * _SIZE_M))
    with catalogue_served() as served:
        patch.setattr("glaciertime.scenes.sources.stac.EARTH_SEARCH", served.url)
        for day, share in (("2023-01-15", 0.6), ("2023-02-20", 0.55)):
            grey = np.where(along > share * line.length, 0.08, 0.6)
            stored = (np.round((grey + np.random.default_rng(0).normal(0, 0.02, grey.shape)) * 10_000) + 1000).astype(
                "uint16"
            )
            place: dict[str, Any] = {"size_m": _SIZE_M, "west": west, "north": north, "crs": glacier.crs}
            files = {
                "green": tiff(stored, nodata=0, **place),
                "scl": tiff(numbers(11, shape=(_SIDE, _SIDE), dtype="uint8"), **place),
            }
            served.add(
                f"S2A_{day.replace('-', '')}", f"{day}T13:00:00Z", files,
                **{BASELINE: "05.09", "eo:cloud_cover": 3.0, "glaciertime:source": "simulated"},
            )  # fmt: skip
        yield served


@contextmanager
def downloads_served(patch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """Serve a small zip in place of what a data set is downloaded from."""
    whole = load_catalog()
    dataset = whole.dataset(name)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("data_raw/readme.txt", "two lines\nof text\n")
    with catalogue_served() as served:
        files = []
        for index, file in enumerate(dataset.files):
            served.files[f"/{index}.zip"] = packed.getvalue()
            files.append(file.model_copy(update={"url": f"{served.url}/{index}.zip"}))
        changed = dataset.model_copy(update={"files": tuple(files)})
        others = [one for one in whole.datasets.values() if one.name != name]
        here = Catalog(list(whole.glaciers.values()), [*others, changed])
        patch.setattr("glaciertime.catalog.load_catalog", lambda *_, **__: here)
        yield


def serve_for_a_moment(patch: pytest.MonkeyPatch) -> list[int]:
    """Let the dashboard listen on a free port, answer one visitor, and stop; returns the answers' status codes."""
    import threading
    import urllib.request

    from glaciertime.dashboard import server

    codes: list[int] = []
    serve = server.pn.serve

    def on_a_free_port(*given: Any, **named: Any) -> Any:
        listening = serve(*given, **{**named, "port": 0})
        loop, start = listening.io_loop, listening.io_loop.start

        def visit() -> None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{listening.port}/", timeout=120) as answer:
                    codes.append(answer.status)
            finally:
                loop.add_callback(loop.stop)

        def start_and_visit() -> None:
            threading.Thread(target=visit, daemon=True).start()
            start()
            listening.stop()

        patch.setattr(loop, "start", start_and_visit)
        return listening

    patch.setattr(server.pn, "serve", on_a_free_port)
    patch.setattr(server, "warm", lambda: None)
    return codes


def grey_models(patch: pytest.MonkeyPatch) -> None:
    """Stand in for weights of one's own, by their names: a model of clean ice, and one of ice under debris."""
    from ..segment.test_merging import CLEAN, DEBRIS

    def load(name: object, **_: object) -> tuple[Any, Any]:
        def answer(batch: np.ndarray) -> np.ndarray:
            seen = 1 / (1 + np.exp((batch[:, 0] - 120) / 10 * (1 if "debris" in str(name) else -1)))
            return np.stack([1 - seen, seen], axis=1).astype(np.float32)

        return answer, DEBRIS if "debris" in str(name) else CLEAN

    patch.setattr("glaciertime.segment.predict.engine.load_engine", load)
    patch.setattr("glaciertime.pipeline.runs.card_of", lambda path: {"name": path.stem})
