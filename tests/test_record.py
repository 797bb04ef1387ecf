"""A record reads what it needs of one glacier, once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from glaciertime.archive import Archive
from glaciertime.catalog import Catalog, Glacier
from glaciertime.errors import DataNotFoundError
from glaciertime.record import GlacierRecord, held_name, read_record, records
from glaciertime.report.content import glacier_content

from .archive.test_archive import tracked


class Counted(Archive):
    """An archive that counts which tables are read, and how many rows come."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.reads: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()

    def read(self, table: str, **given: Any) -> pd.DataFrame:
        rows = super().read(table, **given)
        self.reads[table] += 1
        self.rows[table] += len(rows)
        return rows


@pytest.fixture
def archive(tmp_path: Path) -> Counted:
    store = Counted(tmp_path / "a.gpkg")
    for glacier in ("Crane", "Toy", "Other"):
        for source in ("observed", "simulated"):
            given = tracked(["one", "two"], input_file=f"{glacier} {source}")
            for table, column in (("fronts", "GlacierID"), ("observations", "glacier"), ("footprints", "glacier")):
                given[table][column] = glacier
                given[table]["source"] = source
                given[table]["dataset"] = f"{source} set"
            given["inputs"] = [(glacier, f"{source} set", *row[2:]) for row in given["inputs"]]
            store.store_tracked(**given)
    return store


def test_a_table_is_read_once_and_only_of_the_glacier(archive: Counted) -> None:
    record = read_record(archive, "Toy")
    assert archive.reads == {}
    for part in (record, record.of("observed"), record.of("simulated"), record.of("observed")):
        assert set(part.observations["glacier"]) == {"Toy"}
        assert len(part.fronts) == (4 if part is record else 2)
    assert archive.reads == {"observations": 1, "fronts": 1}
    assert archive.rows == {"observations": 4, "fronts": 4}


def test_parts_hold_one_source_and_say_so(archive: Counted) -> None:
    record = read_record(archive, "Toy")
    assert record.sources == ("observed", "simulated")
    for source in record.sources:
        part = record.of(source)
        assert set(part.observations["source"]) == set(part.footprints["source"]) == {source}
        assert part.fronts.crs == record.fronts.crs
    assert record.place is None
    assert read_record(archive, "Crane").place is not None


def test_a_report_reads_every_table_at_most_once(archive: Counted) -> None:
    glacier_content(GlacierRecord(archive, "Toy"))
    assert set(archive.reads.values()) == {1}
    assert archive.rows["observations"] == 4


def test_a_region_is_an_iterator_of_records(archive: Counted) -> None:
    assert [record.glacier for record in records(archive)] == ["Crane", "Other", "Toy"]
    assert [record.glacier for record in records(archive, ["toy", "CRANE"])] == ["Toy", "Crane"]
    assert list(records(Archive(archive.path.with_name("none.gpkg")))) == []


def test_names_of_the_catalog_lead_to_the_name_in_the_archive(archive: Counted) -> None:
    catalog = Catalog([Glacier(name="Toy", aliases=("Leksak",))], [])
    assert held_name(archive, "leksak", catalog=catalog) == "Toy"
    assert held_name(archive, "CRANE") == "Crane"
    with pytest.raises(DataNotFoundError, match="holds nothing of 'Jakobshavn'; it holds Crane, Other, Toy"):
        held_name(archive, "Jakobshavn")


def test_a_large_archive_is_not_listed_in_a_message(archive: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "glaciers", lambda: [f"Glacier {i:05d}" for i in range(20_000)])
    with pytest.raises(DataNotFoundError) as caught:
        held_name(archive, "Glacier 0000A")
    assert "Glacier 0000" in str(caught.value)
    assert "more" in str(caught.value)
    assert len(str(caught.value)) < 300
