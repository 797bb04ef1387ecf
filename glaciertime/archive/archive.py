"""The archive: everything a project knows, in a GeoPackage file, in a folder of GeoParquet, or on a PostGIS server.

Layers ``fronts`` (longitude and latitude), ``fronts_local`` (fronts of images without georeference, in metres of
their own frame), ``footprints``, ``centrelines``, ``rulers`` and ``contours``; tables ``observations``, ``forecasts``,
``scores``, ``verdicts``, ``hazards``, ``inputs``, ``runs`` and ``run_inputs``. Every change happens as a whole or not
at all, and what the archive held stays.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from glaciertime.archive import connection, merging, removal, storing
from glaciertime.archive.flagging import Flagging, FlaggingOf, flag_anew, flagging_of_each, series_in
from glaciertime.archive.kinds import storage_at
from glaciertime.archive.measured_ice import with_measured_ice
from glaciertime.archive.places import Place, Server, is_same_place, place_of
from glaciertime.archive.reading import condition, names_given, table_named
from glaciertime.archive.schema import LOCAL_FRONTS, TABLES
from glaciertime.archive.storage import Database, Storage
from glaciertime.archive.storing import RULER_KEY, scope_of
from glaciertime.errors import UsageError
from glaciertime.naming import agreeing, counted
from glaciertime.provenance import RunRecord
from glaciertime.tables import SERIES_KEY, validate

__all__ = ["Archive"]

_EXPORTED = (
    "fronts", LOCAL_FRONTS, "observations", "forecasts", "scores", "verdicts", "hazards", "footprints", "centrelines",
    "contours",
)  # fmt: skip
_STREAM_ROWS = 50_000


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=2)


class Archive:
    """What holds the results of a project.

    Parameters
    ----------
    place : Path, str or Server
        A GeoPackage file, a folder, or the address of a PostGIS server; what is there tells which, and a place where
        nothing is yet is a file where its name has a suffix, else a folder. It is made when something is first stored.
    tell : callable, optional
        Given a sentence for the user (waiting for another process, a row that cannot be used); default a warning.
    wait_seconds : float, optional
        How long to wait for a process that holds the archive; default 300. Who has worked longer than that on what is
        to be stored should wait longer.
    """

    def __init__(
        self,
        place: Path | str | Server,
        *,
        tell: Callable[[str], None] | None = None,
        wait_seconds: float | None = None,
    ) -> None:
        self.path: Place = place_of(place)
        self.tell = tell or _warn
        self._wait_seconds = wait_seconds

    @property
    def wait_seconds(self) -> float:
        """How long to wait for a process that holds the archive."""
        return connection.WAIT_SECONDS if self._wait_seconds is None else self._wait_seconds

    @property
    def storage(self) -> Storage:
        """What keeps it: asked each time, since a place where nothing was may have become another kind's."""
        return storage_at(self.path, tell=self.tell, wait_seconds=self.wait_seconds)

    def __repr__(self) -> str:
        return f"Archive({str(self.path)!r})"

    def beside(self, what: str) -> Path:
        """Return the name of a file beside it: where something can be kept that it cannot take now."""
        if isinstance(self.path, Server):
            return Path(f"glaciertime.{what}.gpkg")
        suffix = self.path.suffix if self.path.suffix and not self.path.is_dir() else ".gpkg"
        return self.path.with_name(f"{self.path.stem}.{what}{suffix}")

    def exists(self) -> bool:
        """Return whether it is there and holds something.

        Raises
        ------
        ArchiveError
            Where something else is there, or its server cannot be asked.
        """
        return self.storage.exists()

    def check_place(self) -> None:
        """Refuse a place where no archive can live, or what is none; call it before long work.

        Raises
        ------
        ArchiveError
        """
        self.storage.check_place()

    def read(
        self,
        table: str,
        *,
        glacier: str | Iterable[str] | None = None,
        variable: str | Iterable[str] | None = None,
        method: str | Iterable[str] | None = None,
        footprint: str | Iterable[str] | None = None,
        dataset: str | Iterable[str] | None = None,
        source: str | Iterable[str] | None = None,
        model: str | Iterable[str] | None = None,
        image: str | Iterable[str] | None = None,
        since: Any = None,
        until: Any = None,
    ) -> pd.DataFrame:
        """Return a table of the corridor; without rows where nothing was stored yet.

        ``fronts`` come as a GeoDataFrame in longitude and latitude; fronts of images without georeference are read
        with the name ``fronts_local``.

        Parameters
        ----------
        table : str
        glacier, variable, method, footprint, dataset, source, model, image : text or several, optional
            Only rows that have these; by the index, so that the rest of the archive costs nothing.
        since, until : date or text, optional
            First and last day: of the observation, the front, or what was forecast.

        Raises
        ------
        ArchiveError
            Where the file is no archive or cannot be read.
        UsageError
            For a table that does not exist, or rows chosen by what it does not have.
        """
        wanted = table_named(table)
        names = {
            "glacier": glacier, "variable": variable, "method": method, "footprint": footprint, "dataset": dataset,
            "source": source, "model": model, "image": image,
        }  # fmt: skip
        where = condition(wanted, names=names, since=since, until=until)
        return self.storage.read(wanted, where, glaciers=names_given(glacier))

    def stream(
        self,
        table: str,
        *,
        glacier: str | Iterable[str] | None = None,
        source: str | Iterable[str] | None = None,
        rows: int = _STREAM_ROWS,
    ) -> Iterator[pd.DataFrame]:
        """Yield a table in parts of at most ``rows`` rows: what all glaciers take never is in memory at once.

        Parameters
        ----------
        table : str
        glacier, source : text or several, optional
        rows : int

        Raises
        ------
        ArchiveError, UsageError
            As of :meth:`read`.
        """
        wanted = table_named(table)
        where = condition(wanted, names={"glacier": glacier, "source": source})
        return self.storage.stream(wanted, where, glaciers=names_given(glacier), rows=rows)

    def read_for_export(self, table: str, *, glacier: str | None = None) -> pd.DataFrame:
        """Return all rows of a table, of one glacier or of all.

        Of ``fronts`` those with a place on Earth; where there are none, those of local frames. Where there are both,
        the others are told of: they are read as ``fronts_local``.

        Raises
        ------
        UsageError
            For a table that does not exist.
        """
        if table not in _EXPORTED:
            raise UsageError(f"--table '{table}' is not known; known are {', '.join(_EXPORTED)}")
        rows = self.read(table, glacier=glacier)
        if table != "fronts":
            return rows
        local = self.read(LOCAL_FRONTS, glacier=glacier)
        if rows.empty:
            return local
        if len(local):
            glaciers = ", ".join(sorted(local["GlacierID"].unique()))
            self.tell(
                f"{counted(len(local), 'fronts')} of images without georeference ({glaciers}) "
                f"{agreeing(len(local), 'have')} no place on Earth and {agreeing(len(local), 'are')} not "
                f"among these, but in the table {LOCAL_FRONTS}"
            )
        return rows

    def glaciers(self, table: str = "observations") -> list[str]:
        """Return the glaciers that a table holds rows of, sorted."""
        wanted = table_named(table)
        if not wanted.glacier_column:
            raise UsageError(f"table {table} holds no glaciers")
        return self.storage.glaciers(wanted)

    def holds(self, glacier: str, table: str = "observations") -> bool:
        """Return whether a table holds a row of a glacier, by the name that the archive has."""
        wanted = table_named(table)
        if not wanted.glacier_column:
            raise UsageError(f"table {table} holds no glaciers")
        return self.storage.holds(wanted, glacier)

    def store_tracked(
        self,
        *,
        fronts: gpd.GeoDataFrame,
        observations: pd.DataFrame,
        footprints: gpd.GeoDataFrame,
        inputs: Iterable[tuple[str, str, str, str]],
        centrelines: gpd.GeoDataFrame | None = None,
        rulers: gpd.GeoDataFrame | None = None,
        flagged: Flagging | None = None,
        run: RunRecord | None = None,
    ) -> tuple[str, ...]:
        """Store what was measured; it replaces what the same inputs and images gave before.

        An image that was measured before and fails now keeps its earlier rows: a damaged file is no news of a
        glacier.

        Parameters
        ----------
        fronts, observations, footprints
            Tables of the corridor; fronts and footprints in any CRS, or without one for a local frame.
        inputs : iterable of (glacier, dataset, image_id, input)
            Which file each image came from.
        centrelines : GeoDataFrame, optional
            The lines that positions were measured along.
        rulers : GeoDataFrame, optional
            With what was measured; see :meth:`store_rulers`.
        flagged : callable, optional
            Given the tables of fronts and the observations that the archive then holds of the glaciers and data sets,
            returns them with the flags that they are to have: what is new may tell what earlier rows are worth.
        run : RunRecord, optional
            What made them: kept with the rows, for ``glaciertime why``.

        Returns
        -------
        tuple of str
            The images that failed and kept their earlier rows.
        """
        checked = validate(observations, "observations")
        lines = validate(fronts, "fronts")
        areas = validate(footprints, "footprints")
        along = None if centrelines is None else validate(centrelines, "centrelines")
        measured_with = None if rulers is None else validate(rulers, "rulers")
        images = list(inputs)

        def work(database: Database) -> set[storing.ImageKey]:
            kept = storing.store_tracked(database, fronts=lines, observations=checked, inputs=images, run=run)
            measured_in = with_measured_ice(database, self.path, areas, observations=checked, tell=self.tell)
            storing.replace_geometry(database, TABLES["footprints"], measured_in)
            if along is not None:
                storing.replace_geometry(database, TABLES["centrelines"], along)
            if measured_with is not None:
                storing.replace(database, TABLES["rulers"], measured_with, RULER_KEY)
            if flagged is not None:
                keys = checked[["glacier", "dataset", "source"]].drop_duplicates()
                each = {key: flagged for key in keys.itertuples(index=False, name=None)}
                flag_anew(database, self.path, each, tell=self.tell)
            return kept

        touched = {image[0] for image in images}.union(
            *(table["glacier"] for table in (checked, areas, along, measured_with) if table is not None),
            lines["GlacierID"],
        )
        kept = self.storage.change(work, scope_of(touched, run))
        return tuple(sorted(image for _, _, image in kept))

    def store_series(
        self,
        observations: pd.DataFrame,
        *,
        source_file: str,
        glaciers: set[str] | None = None,
        variables: set[str] | None = None,
        run: RunRecord | None = None,
    ) -> None:
        """Store series that a file holds as numbers; they replace what the same file gave before.

        Parameters
        ----------
        observations : DataFrame
        source_file : str
            Where they come from.
        glaciers, variables : set of str, optional
            Only what the file gave of these is replaced, because only these were read now.
        run : RunRecord, optional
            What read it.
        """
        checked = validate(observations, "observations")

        def work(database: Database) -> None:
            storing.store_series(
                database, checked, source_file=source_file, glaciers=glaciers, variables=variables, run=run
            )  # fmt: skip

        before = [(TABLES["inputs"], (' WHERE "inputs"."input" = ?', [source_file]))] if glaciers is None else []
        self.storage.change(work, scope_of({*checked["glacier"], *(glaciers or ())}, run, also=before))

    def store_contours(self, contours: gpd.GeoDataFrame, *, run: RunRecord | None = None) -> None:
        """Store predicted fronts and their bands; those of the same glacier, source and model are replaced."""
        self._replace("contours", contours, ("glacier", "source", "model"), run=run)

    def store_forecasts(self, forecasts: pd.DataFrame, *, run: RunRecord | None = None) -> None:
        """Store forecasts; those of the same series, model and cutoff are replaced."""
        self._replace("forecasts", forecasts, (*SERIES_KEY, "model", "cutoff"), run=run)

    def store_scores(self, scores: pd.DataFrame, *, run: RunRecord | None = None) -> None:
        """Store the scores of a backtest; those of the same series and model are replaced."""
        self._replace("scores", scores, (*SERIES_KEY, "model"), run=run)

    def store_verdicts(self, verdicts: pd.DataFrame, *, run: RunRecord | None = None) -> None:
        """Store which model a backtest speaks for; what an earlier one said of the same series is replaced."""
        self._replace("verdicts", verdicts, SERIES_KEY, run=run)

    def store_hazards(self, hazards: pd.DataFrame, *, run: RunRecord | None = None) -> None:
        """Store how often glaciers of a kind lose much at once; the same up to the same cutoff is replaced."""
        self._replace("hazards", hazards, ("glacier", "variable", "source", "cutoff"), run=run)

    def store_rulers(self, rulers: gpd.GeoDataFrame) -> None:
        """Store with what glaciers are measured; those of the same glacier, data set, source and kind are replaced.

        ``wkt`` holds a ruler exactly, in the coordinate system ``crs``; the geometry is for maps.
        """
        self._replace("rulers", rulers, RULER_KEY)

    def store_run(self, run: RunRecord) -> None:
        """Store a run that wrote a file; an earlier one of the same command, whose file it wrote over, is forgotten."""

        def work(database: Database) -> None:
            storing.keep_run(database, run)
            before = database.execute(
                "SELECT run FROM runs WHERE command = ? AND run <> ? AND json_extract(settings, '$.folder') = ?",
                (run.command, run.run, run.settings["folder"]),
            )
            storing.drop_runs(database, [row[0] for row in before])

        self.storage.change(work, scope_of((), run))

    def forget(
        self,
        *,
        glacier: str | Iterable[str] | None = None,
        dataset: str | Iterable[str] | None = None,
        image: str | Iterable[str] | None = None,
        since: Any = None,
        until: Any = None,
        dry_run: bool = False,
        flagging_of: FlaggingOf | None = None,
    ) -> dict[str, int]:
        """Delete images that match in all that is given, and what was made from them.

        Forecasts that saw one of their values, scores of their series and fronts predicted from them go with them;
        with the last image of a data set, so do its footprints, centreline and rulers.

        Parameters
        ----------
        glacier, dataset, image : text or several, optional
        since, until : date or text, optional
            First and last day of the images.
        dry_run : bool
            Delete nothing, only count.
        flagging_of : callable, optional
            Says by what rows were given their flags: those that stay are given them anew.

        Returns
        -------
        dict of str to int
            How many rows went, by table.

        Raises
        ------
        UsageError
            Where nothing is given.
        """
        if all(given is None for given in (glacier, dataset, image, since, until)):
            raise UsageError("say what to forget: a glacier, a data set, images or dates")
        if not self.exists():
            return {}
        names = {name: names_given(given) for name, given in
                 {"glacier": glacier, "dataset": dataset, "image": image}.items()}  # fmt: skip
        where = condition(TABLES["observations"], names=names, since=since, until=until)

        def work(database: Database) -> dict[str, int]:
            with self._flagged_after(database, where, flagging_of):
                return removal.forget(database, **names, since=since, until=until)

        also = [] if names["glacier"] is not None else removal.holders(names, since=since, until=until)
        return self.storage.change(work, scope_of(names["glacier"] or (), also=also), keep=not dry_run)

    def gone_inputs(self, glacier: str) -> removal.GoneInputs:
        """Return which images of a glacier come from files that are no longer where they were."""
        with self.storage.reading([glacier]) as database:
            return removal.GoneInputs() if database is None else removal.gone_inputs(database, glacier)

    def prune(self, glacier: str, *, dry_run: bool = False, flagging_of: FlaggingOf | None = None) -> dict[str, int]:
        """Delete the images of a glacier whose file is gone although its folder is there; return counts by table."""
        if not self.exists():
            return {}
        where = condition(TABLES["observations"], names={"glacier": glacier})

        def work(database: Database) -> dict[str, int]:
            with self._flagged_after(database, where, flagging_of):
                return removal.delete_images(database, removal.gone_inputs(database, glacier).images)

        return self.storage.change(work, scope_of([glacier]), keep=not dry_run)

    def take_in(
        self, other: Archive, *, flagging_of: FlaggingOf | None = None, strict: bool = False
    ) -> tuple[dict[str, int], int]:
        """Store what another archive holds of measurements, as if its images had been measured again.

        Parameters
        ----------
        other : Archive
        flagging_of : callable, optional
            Says by what rows were given their flags: all of a series are given them anew, once they are together.
        strict : bool
            Take nothing where a row of it cannot be used.

        Returns
        -------
        dict of str to int, int
            How many rows came, by table; how many cannot be used and stayed behind.

        Raises
        ------
        ArchiveError
            Where either cannot be used, and with ``strict`` where a row cannot.
        """
        if is_same_place(self.path, other.path):
            raise UsageError(f"archive {self.path} cannot take in itself; name another one")
        return merging.take_in(self, other, flagging_of=flagging_of, strict=strict)

    def _replace(self, table: str, rows: pd.DataFrame, key: tuple[str, ...], *, run: RunRecord | None = None) -> None:
        checked = validate(rows, table)

        def work(database: Database) -> None:
            storing.replace(database, TABLES[table], checked, key, run=run)

        self.storage.change(work, scope_of(set(checked["glacier"]), run))

    @contextmanager
    def _flagged_after(
        self, database: Database, where: tuple[str, list[Any]], flagging_of: FlaggingOf | None
    ) -> Iterator[None]:
        """Give what is left of some series its flags anew, once rows of them were taken out."""
        flaggings = {}
        if flagging_of is not None:
            found = series_in(database, *where)
            flaggings = flagging_of_each(
                database, self.path, found, flagging_of=flagging_of, tell=self.tell
            )  # fmt: skip
        yield
        flag_anew(database, self.path, flaggings, tell=self.tell)
