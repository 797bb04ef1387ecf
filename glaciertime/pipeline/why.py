"""Where a number, an image or a file comes from, told from what was kept when it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glaciertime.archive import Archive
from glaciertime.archive.origins import Origins, origins_of
from glaciertime.errors import DataNotFoundError, GlacierTimeError
from glaciertime.pipeline.runs import rows_of_series
from glaciertime.provenance import digest_of, read_tag, table_digest
from glaciertime.provenance.rows import names_of_rows, tables_of
from glaciertime.tables import SERIES_KEY

__all__ = ["explain"]

#: What is told: a mapping of plain values, as JSON holds it.
Told = dict[str, Any]
_KINDS = {
    "observations": "observation", "fronts": "front", "fronts_local": "front in a local frame",
    "forecasts": "forecast", "scores": "score", "contours": "predicted front",
    "verdicts": "verdict", "hazards": "hazard",
}  # fmt: skip
_ROWS_SHOWN = 500


def explain(what: str, archive: Archive) -> list[Told]:
    """Return where something comes from; several answers where it is several things.

    Parameters
    ----------
    what : str
        A file, the name of a row, of a run, or of an image in the archive.
    archive : Archive
        Need not be there for a file that tells itself what made it.

    Raises
    ------
    DataNotFoundError
        Where nothing is known of it.
    """
    path = Path(what)
    with origins_of(archive) as origins:
        try:
            is_file = path.is_file()
        except (OSError, ValueError):
            is_file = False
        if is_file:
            return _of_file(path, archive, origins)
        if origins is None:
            raise DataNotFoundError(
                f"there is no file {what} and no archive {archive.path}; name the archive with --archive"
            )
        names = what.split()
        if names and all(map(tables_of, names)):  # a value of several rows of one day has the names of all
            return [_of_row(name, *_row(name, archive, origins), archive, origins) for name in names]
        run = origins.run(what)
        if run is not None:
            return [_of_run(run, origins)]
        images = origins.images_named(what)
        if images:
            return [_of_image(image, origins) for image in images]
    raise DataNotFoundError(
        f"'{what}' is no file, and {archive.path} holds no row, image or run of that name; rows have names such as "
        "o3fa9c1d2e07b, in the column row of glaciertime export"
    )


def _row(name: str, archive: Archive, origins: Origins) -> tuple[str, Mapping[str, Any]]:
    found = origins.row(name)
    if found is None:
        raise DataNotFoundError(
            f"{archive.path} holds no row {name}; glaciertime export shows the names of its rows, and a row that was "
            "forgotten or is of another archive is not there"
        )
    return found


def _of_row(name: str, table: str, row: Mapping[str, Any], archive: Archive, origins: Origins) -> Told:
    told: Told = {"is": _KINDS[table], "name": name, "row": {k: v for k, v in row.items() if k != "run"}}
    run = origins.run(row.get("run") or "")
    if table in ("observations", "fronts", "fronts_local"):
        parts = ("glacier", "dataset", "image_id") if table == "observations" else ("GlacierID", "dataset", "ImageID")
        image = (str(row[parts[0]]), str(row[parts[1]] or ""), str(row[parts[2]]))
        told["image"] = {"glacier": image[0], "dataset": image[1], "image_id": image[2],
                         "input": origins.source_of(image)}  # fmt: skip
        if run is not None:
            told["files"] = _files(origins.files(run["run"], image=image), follow=True)
    elif run is not None:
        told["files"] = _files(origins.files(run["run"]))
        told["series"] = _series(run["settings"].get("series"), row, archive, origins)
    told["run"] = _known(run)
    return told


def _of_image(image: tuple[str, str, str], origins: Origins) -> Told:
    rows = origins.rows_of_image(image)
    runs = list(dict.fromkeys(row.get("run") or "" for held in rows.values() for row in held))
    found = [run for name in runs if (run := origins.run(name)) is not None]
    told: Told = {
        "is": "image",
        "image": {"glacier": image[0], "dataset": image[1], "image_id": image[2], "input": origins.source_of(image)},
        "rows": _names(rows),
        "files": _files([row for run in found for row in origins.files(run["run"], image=image)], follow=True),
        "run": _known(found[0] if found else None),
    }
    return told


def _of_run(run: Mapping[str, Any], origins: Origins) -> Told:
    return {
        "is": "run",
        "name": run["run"],
        "stored": origins.rows_of_run(run["run"], ""),
        "files": _files(origins.files(run["run"])),
        "run": _run(run),
    }


def _of_file(path: Path, archive: Archive, origins: Origins | None) -> list[Told]:
    found = digest_of(path.resolve())
    if not found:
        raise DataNotFoundError(f"{path} cannot be read")
    sha256 = found[0].sha256
    this: Told = {"file": str(path), "sha256": sha256, "size_bytes": found[0].size_bytes}
    out: list[Told] = []
    tag = read_tag(path)
    if tag is not None:
        out.append({"is": "file written by glaciertime", **this, **_of_tag(tag, archive, origins)})
    if origins is not None:
        read = origins.images_of_file(sha256)
        for image in dict.fromkeys((r["glacier"], r["dataset"], r["image_id"]) for r in read if r["image_id"]):
            told = _of_image(image, origins)
            out.append({**told, "is": "file that an image came from", **this})
        for name in dict.fromkeys(row["run"] for row in read if not row["image_id"]):
            run = origins.run(name)
            if run is not None:
                out.append({**_of_run(run, origins), "is": "file that a run read", **this})
        if not out and (before := origins.images_of_path(str(path.resolve()))):
            raise DataNotFoundError(
                f"{path} has changed since it was read (sha256 {sha256[:16]}... now, "
                f"{str(before[0]['sha256'])[:16]}... then): what {archive.path} holds comes from the file as it was; "
                "run the command again to measure it as it is"
            )
    if not out:
        held = f"{archive.path} has read no file of this content" if origins is not None else "there is no archive"
        raise DataNotFoundError(f"{path} (sha256 {sha256}) does not say which run wrote it, and {held}")
    return out


def _of_tag(tag: Mapping[str, Any], archive: Archive, origins: Origins | None) -> Told:
    """Return what a file says of its run, completed from the archive where it holds the run."""
    run = None if origins is None else origins.run(tag["run"])
    told: Told = {}
    if tag.get("is_other"):
        told["warning"] = "the note beside it is of another content of this file: it has been changed since"
    if run is not None:
        assert origins is not None
        told.update(files=_files(origins.files(run["run"])), run=_run(run), kept_in=str(archive.path))
    else:
        apart = ("run", "command", "version", "inputs", "written", "is_other")
        settings = {name: value for name, value in tag.items() if name not in apart}
        row = {"run": tag["run"], "command": tag.get("command", ""), "version": tag.get("version", ""),
               "settings": settings}  # fmt: skip
        inputs = tag.get("inputs")
        told.update(files=[one for one in inputs if isinstance(one, dict)] if isinstance(inputs, list) else [])
        told["run"] = _run(row)
    return told


def _known(run: Mapping[str, Any] | None) -> Told | None:
    """Return a run flat; None where the archive does not know it."""
    return None if run is None else _run(run)


def _run(run: Mapping[str, Any]) -> Told:
    told = {name: run[name] for name in ("run", "command", "version", "started", "finished") if run.get(name)}
    return {**run["settings"], **told}


def _files(rows: Sequence[Mapping[str, Any]], *, follow: bool = False) -> list[Told]:
    """Return what was read, each once, with whether the files are still as they were.

    ``follow``: and with the run that wrote a file which glaciertime itself wrote, such as a mask.
    """
    out: dict[tuple[str, str], Told] = {}
    for row in rows:
        key = (str(row["input"]), str(row["sha256"] or ""))
        size = row.get("size_bytes")
        out[key] = {
            "input": key[0], "image": row.get("image_id") or "", "sha256": key[1],
            "bytes": int(size) if isinstance(size, int | float) else None,
            "modified": row.get("modified") or "", "now": _now(*key),
        }  # fmt: skip
        if follow and out[key]["now"] == "unchanged" and (tag := read_tag(Path(key[0]))) is not None:
            out[key]["written_by"] = _run({**tag, "settings": {}}) | {"inputs": tag.get("inputs", [])}
    return list(out.values())


def _now(path: str, sha256: str) -> str:
    if not Path(path).is_absolute():
        return ""
    found = digest_of(path)
    if not found:
        return "gone" if sha256 else ""
    return "unchanged" if found[0].sha256 == sha256 else "changed since"


def _names(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Told]:
    import pandas as pd

    out = []
    for table, held in rows.items():
        frame = pd.DataFrame(held)
        for name, row in zip(names_of_rows(frame, table), held, strict=True):
            told = {"table": table, "row": name}
            shown = ("date", "variable", "method", "footprint", "value", "unit", "quality", "Date", "QualFlag")
            out.append({**told, **{column: row[column] for column in shown if row.get(column) is not None}})
    return out[:_ROWS_SHOWN]


def _series(held: Any, row: Mapping[str, Any], archive: Archive, origins: Origins) -> list[Told]:
    """Return the series that a forecast or a score rests on, whether they are still as they were, and their runs."""
    out = []
    for one in held if isinstance(held, list) else []:
        if not isinstance(one, dict) or any(str(row.get(name) or "") != one.get(name) for name in SERIES_KEY):
            continue
        key = {name: str(one[name]) for name in (*SERIES_KEY, "source")}
        try:
            every = archive.read("observations", glacier=key["glacier"], variable=key["variable"])
        except GlacierTimeError:
            continue
        rows = rows_of_series(every, [key[name] for name in SERIES_KEY], source=key["source"])
        is_same = table_digest(rows) == one.get("sha256")
        runs = []
        for name, count, first, last in origins.runs_behind(key):
            run = origins.run(name)
            runs.append({"run": name, "rows": count, "first": first, "last": last,
                         "command": "" if run is None else run["command"]})  # fmt: skip
        out.append({**one, "now": "unchanged" if is_same else "changed since", "runs": runs})
    return out
