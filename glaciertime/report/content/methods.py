"""How the numbers came about: versions, runs, what was assumed, data with licences, citations of what really ran."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from glaciertime import __version__
from glaciertime.archive.origins import origins_of
from glaciertime.catalog import Catalog
from glaciertime.errors import UsageError
from glaciertime.record import GlacierRecord
from glaciertime.report.content.parts import Block, Heading, Item, Link, Listing, Paragraph, Phrase, Section, day, say
from glaciertime.report.content.series import method_label
from glaciertime.report.content.told import quoted, told_whole

__all__ = ["cited", "data_section", "method_section", "reading_section"]

#: Libraries whose versions are told: those that numbers of areas and positions depend on most.
_TOLD = ("numpy", "pandas", "scipy", "shapely", "pyproj", "PROJ", "rasterio", "GDAL", "scikit-image", "statsmodels",
         "onnxruntime", "torch")  # fmt: skip
_NOTES_SHOWN = 12
_YEAR = re.compile(r"\b(1[89]|20)\d\d\b")
_IMPORT = "import"
#: Commands that make no number.
_ONLY_SHOW = ("report", "export", "plot", "table", "series", "why")


@lru_cache(maxsize=1)
def _citations() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    import yaml

    return yaml.safe_load((Path(__file__).parent / "citations.yaml").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def cited(kind: str, names: Iterable[str]) -> list[Phrase]:
    """Return what to cite of methods, models or steps that ran; what has no paper of its own is left out."""
    known = _citations()[kind]
    found = {known[name]["text"]: known[name]["doi"] for name in names if name in known}
    return [_citation(text, doi) for text, doi in found.items()]


def _citation(text: str, doi: str) -> Phrase:
    return say("methods.cite_doi", text=text, doi=doi_link(doi)) if doi else say("methods.cite", text=text)


def doi_link(doi: str) -> Link:
    """Return a DOI as a link."""
    return Link(f"doi:{doi}", f"https://doi.org/{doi}")


def method_section(record: GlacierRecord, *, used: Iterable[str]) -> Section:
    """Return by what the numbers were made.

    Parameters
    ----------
    record : GlacierRecord
        Of all sources.
    used : iterable of str
        Steps that the report itself rests on: ``rates``, ``breaks``, ``screening``, ``backtest``.
    """
    runs = _runs(record)
    blocks: list[Block] = [Paragraph(sentences=tuple(_how(record, runs)))]
    told = [_run_line(run) for run in runs]
    if told:
        blocks += [Heading(text=say("methods.runs")), Listing(items=tuple(told))]
    assumed = [
        text for run in runs for name in ("ruler", "notes", "decided") for text in _texts(run["settings"].get(name))
    ]
    if assumed := list(dict.fromkeys(assumed)):
        items: list[Item] = [told_whole(text) for text in assumed[:_NOTES_SHOWN]]
        if len(assumed) > _NOTES_SHOWN:
            items.append(say("methods.more_notes"))
        blocks += [Heading(text=say("methods.assumed")), Listing(items=tuple(items))]
    observations = record.observations
    works = [
        *_cited_data(observations, record.catalog), *cited("methods", sorted(observations["method"].unique())),
        *cited("models", list(dict.fromkeys(record.forecasts["model"]))), *cited("steps", used),
    ]  # fmt: skip
    if works:
        blocks += [Heading(text=say("methods.citations")), Listing(items=tuple(works))]
    return Section(key="methods", title=say("methods.title"), blocks=tuple(blocks))


def _runs(record: GlacierRecord) -> list[dict[str, Any]]:
    """Return the runs behind what is held of a glacier, the first first."""
    found: list[dict[str, Any]] = []
    with origins_of(record.archive) as origins:
        # A table of many glaciers was read for none of them by name: its run is known by the rows that it stored.
        for name in [] if origins is None else origins.runs_of(record.glacier):
            run = origins.run(name) if origins is not None else None
            if run is not None:
                files = origins.files(name) if origins is not None and _command(run) == _IMPORT else []
                found.append({**run, "files": tuple(dict.fromkeys(_file_name(row["input"]) for row in files))})
    made = [run for run in found if _command(run) not in _ONLY_SHOW]
    return sorted(made, key=lambda run: str(run["started"]))


def _command(run: Mapping[str, Any]) -> str:
    """Return what was done: of what was typed the rest tells where somebody works, which is nobody's business."""
    words = str(run["command"]).split()
    return words[1] if len(words) > 1 else str(run["command"])


def _file_name(place: object) -> str:
    """Return the name of a file: the folders above it tell where somebody works."""
    return str(place).replace("\\", "/").rstrip("/").rpartition("/")[2]


def _texts(held: object) -> list[str]:
    return [str(text) for text in held] if isinstance(held, list) else []


def _run_line(run: Mapping[str, Any]) -> Phrase:
    command: Item = _command(run)
    if run["files"]:
        command = say("methods.imported", files=run["files"])
    named: dict[str, Item] = {"command": command, "version": str(run["version"]), "run": str(run["run"])}
    try:
        return say("methods.run", date=day(str(run["started"])[:10]), **named)
    except (ValueError, TypeError):  # an archive that somebody wrote by hand
        return say("methods.run_undated", **named)


def _how(record: GlacierRecord, runs: list[dict[str, Any]]) -> list[Phrase]:
    measured = sorted(set(record.observations["method"]) - {"-", ""})
    versions = {
        f"{name} {version}"
        for run in runs for name, version in (run["settings"].get("versions") or {}).items() if name in _TOLD
    }  # fmt: skip
    found = [say("methods.made", version=__version__)]
    if versions:
        found.append(say("methods.libraries", names=tuple(sorted(versions))))
    if measured:
        found.append(say("methods.measured", methods=tuple(map(method_label, measured))))
    held = [run["settings"].get("models") for run in runs]
    segmented = sorted({str(name) for models in held if isinstance(models, dict) for name in models})
    if segmented:
        found.append(say("methods.segmented", models=tuple(segmented)))
    forecasters = tuple(dict.fromkeys(record.forecasts["model"]))
    if forecasters:
        found.append(say("methods.forecasters", models=forecasters))
    return found


def _cited_data(observations: pd.DataFrame, catalog: Catalog) -> list[Phrase]:
    """Return what to cite of the data: that of the catalog, and of a table what it calls its own source."""
    found = []
    for name in dict.fromkeys(observations.loc[observations["source"] == "observed", "dataset"]):
        try:
            entry = catalog.dataset(name)
        except UsageError:
            if _YEAR.search(name):  # a name that is a citation
                found.append(say("methods.cite", text=name))
            continue
        if entry.citation.strip():
            found.append(_citation(entry.citation, entry.doi))
    return found


def data_section(observations: pd.DataFrame, catalog: Catalog) -> Section:
    """Return the data sets that a report rests on, with citation and licence; where there is none that is said."""
    items = []
    for name, source in observations[["dataset", "source"]].drop_duplicates().itertuples(index=False):
        try:
            entry = catalog.dataset(name)
        except UsageError:
            items.append(say("data.simulated" if source == "simulated" else "data.own", name=str(name)))
            continue
        licence: Item = (
            say("data.licence", licence=quoted(entry.licence)) if entry.licence.strip() else say("data.no_licence")
        )
        cite: Item = _citation(entry.citation, entry.doi) if entry.citation.strip() else say("data.no_citation")
        items.append(say("data.known", name=name, source=say(f"data.is_{source}"), citation=cite, licence=licence))
    return Section(key="data", title=say("data.title"), blocks=(Listing(items=tuple(items)),))


def reading_section() -> Section:
    """Return how the numbers are meant."""
    keys = ("areas", "position", "kinds", "sigma", "dates", "bounds", "mass")
    return Section(
        key="reading", title=say("reading_notes.title"),
        blocks=(Listing(items=tuple(say(f"reading_notes.{key}") for key in keys)),),
    )  # fmt: skip
