"""An archive on a PostGIS server: who may write, what is said where it cannot be had, and never a password."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from glaciertime.archive import Archive, place_of
from glaciertime.archive.connection import is_in_use
from glaciertime.archive.schema import TABLES, VERSION
from glaciertime.archive.storage import Database, Scope
from glaciertime.errors import ArchiveError, UsageError
from tests.archive.test_archive import tracked
from tests.archive.test_kinds import of_glacier
from tests.postgis_server import LocalServer


@pytest.fixture
def database(postgis: LocalServer) -> str:
    """The address of an empty database."""
    return postgis.new_database()


def name_of(address: str) -> str:
    return address.rpartition("/")[2]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://anna:geheim@host:5433/ice", "postgresql://anna@host:5433/ice"),
        ("postgres://anna:ge%40heim@host/ice", "postgresql://anna@host/ice"),
        ("postgresql://host/ice?user=anna&password=geheim", "postgresql://host/ice?user=anna"),
        ("postgresql://?service=ice", "postgresql://?service=ice"),
        ("postgresql:/anna:geheim@host/ice", "postgresql://anna@host/ice"),
    ],
)
def test_an_address_is_shown_without_its_password(address: str, shown: str) -> None:
    place = place_of(address)
    assert str(place) == shown
    assert "heim" not in repr(place) + repr(Archive(address))


def test_what_cannot_be_read_as_an_address_is_not_repeated() -> None:
    with pytest.raises(UsageError, match="the address of the server cannot be read") as caught:
        place_of("postgresql://anna:ge/heim@host/ice")
    assert "heim" not in str(caught.value)


def test_no_server_is_one_sentence(database: str) -> None:
    pytest.importorskip("psycopg")
    archive = Archive("postgresql://anna:geheim@127.0.0.1:1/ice")
    for ask in (archive.exists, archive.check_place, lambda: archive.read("fronts")):
        with pytest.raises(ArchiveError, match=r"anna@127.0.0.1:1/ice: no server answers there") as caught:
            ask()
        assert "geheim" not in str(caught.value)
        assert is_in_use(caught.value)


def test_a_wrong_password_is_one_sentence(postgis: LocalServer, database: str) -> None:
    rules = postgis.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    postgis.sql("DROP ROLE IF EXISTS guarded; CREATE ROLE guarded LOGIN PASSWORD 'right'")
    try:
        rules.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{before}")
        postgis.sql("SELECT pg_reload_conf()")
        archive = Archive(postgis.address(name_of(database), user="guarded", password="wrong-geheim"))
        with pytest.raises(ArchiveError, match="the server refuses the user or the password") as caught:
            archive.exists()
        assert "geheim" not in str(caught.value)
        assert Archive(postgis.address(name_of(database), user="guarded", password="right")).exists() is False
    finally:
        rules.write_text(before)
        postgis.sql("SELECT pg_reload_conf()")


def test_a_database_without_postgis_is_one_sentence(postgis: LocalServer) -> None:
    archive = Archive(postgis.new_database(with_postgis=False))
    with pytest.raises(ArchiveError, match=r"has no PostGIS; .* CREATE EXTENSION postgis"):
        archive.check_place()
    with pytest.raises(ArchiveError, match="does not know the database"):
        Archive(postgis.address("none")).exists()


def test_what_else_a_database_holds_stays(postgis: LocalServer, database: str) -> None:
    postgis.sql(
        "CREATE TABLE public.runs (mine text); INSERT INTO public.runs VALUES ('x')", database=name_of(database)
    )
    archive = Archive(database)
    archive.store_tracked(**tracked(["one"]))
    assert len(archive.read("observations")) == 1
    assert postgis.sql("SELECT mine FROM public.runs", database=name_of(database)) == "x"


def test_a_schema_of_another_program_is_refused(postgis: LocalServer, database: str) -> None:
    postgis.sql("CREATE SCHEMA glaciertime; CREATE TABLE glaciertime.runs (mine text)", database=name_of(database))
    archive = Archive(database)
    for ask in (archive.exists, archive.check_place, lambda: archive.store_tracked(**tracked(["one"]))):
        with pytest.raises(ArchiveError, match="belongs to something else"):
            ask()


def test_schemas_go_one_way(postgis: LocalServer, database: str) -> None:
    name = name_of(database)
    told: list[str] = []
    archive = Archive(database, tell=told.append)
    archive.store_tracked(**tracked(["one"]))
    postgis.sql(
        "ALTER TABLE glaciertime.observations DROP COLUMN run; DROP TABLE glaciertime.run_inputs; "
        "UPDATE glaciertime.glaciertime_schema SET version = 3",
        database=name,
    )
    assert len(archive.read("observations")) == 1
    assert archive.read("run_inputs").empty
    archive.store_tracked(**tracked(["two"], input_file="b.tif"))
    assert any(f"brought from schema 3 to {VERSION}" in text for text in told)
    assert len(archive.read("observations")) == 2
    postgis.sql("INSERT INTO glaciertime.glaciertime_schema VALUES (99, '9.9')", database=name)
    for ask in (archive.exists, lambda: archive.read("fronts"), lambda: archive.store_tracked(**tracked(["one"]))):
        with pytest.raises(ArchiveError, match=r"has schema 99, written by glaciertime 9.9"):
            ask()


def test_who_may_only_read_reads(postgis: LocalServer, database: str) -> None:
    name = name_of(database)
    Archive(database).store_tracked(**tracked(["one"]))
    postgis.sql(
        "DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN; GRANT USAGE ON SCHEMA glaciertime TO guest; "
        "GRANT SELECT ON ALL TABLES IN SCHEMA glaciertime TO guest",
        database=name,
    )
    guest = Archive(postgis.address(name, user="guest"))
    assert len(guest.read("observations")) == 1
    with pytest.raises(ArchiveError, match="this user may not write"):
        guest.check_place()
    with pytest.raises(ArchiveError, match="this user may not do that"):
        guest.store_tracked(**tracked(["two"]))
    assert len(guest.read("observations")) == 1
    with pytest.raises(ArchiveError, match="this user may not write"):
        Archive(postgis.address(name_of(postgis.new_database()), user="guest")).check_place()


def test_geometries_have_the_number_of_their_system(postgis: LocalServer, database: str) -> None:
    Archive(database).store_tracked(**tracked(["one"]))
    systems = postgis.sql(
        "SELECT f_table_name, srid, type FROM geometry_columns WHERE f_table_schema = 'glaciertime' ORDER BY 1",
        database=name_of(database),
    ).splitlines()
    assert {line.split("|")[0]: line.split("|")[1] for line in systems} == {
        name: str(max(table.srs, 0)) for name, table in TABLES.items() if table.is_layer
    }
    assert "fronts|4326|MULTILINESTRING" in systems


def test_a_text_that_the_server_cannot_hold_is_one_sentence(database: str) -> None:
    archive = Archive(database)
    with pytest.raises(ArchiveError, match="NUL"):
        archive.store_tracked(**tracked(["one\0two"]))
    assert archive.read("observations").empty


def test_a_change_in_whose_way_another_was_is_done_again(database: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    archive = Archive(database)
    archive.store_tracked(**tracked(["one"]))
    tries = []

    def work(held: Database) -> str:
        tries.append(held.execute("DELETE FROM observations").rowcount)
        if len(tries) < 3:
            raise psycopg.errors.SerializationFailure if len(tries) == 1 else psycopg.errors.DeadlockDetected
        return "done"

    assert archive.storage.change(work, Scope(["Crane"])) == "done"
    assert tries == [1, 1, 1]  # each on a fresh state


def in_threads(*acts: Callable[[], object]) -> list[BaseException]:
    wrong: list[BaseException] = []

    def run(act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def test_writers_of_one_glacier_lose_nothing(database: str) -> None:
    """Also where none of the tables are there yet, and all begin to make them at once."""

    def store(number: int) -> Callable[[], object]:
        names = ["Crane", "Jorum"] if number % 2 else ["Jorum", "Crane"]
        given = [of_glacier(name, [f"{number}"]) for name in names]
        for one in given:
            one["inputs"] = [(*image, f"{number}.tif") for *image, _ in one["inputs"]]
        return lambda: [Archive(database).store_tracked(**one) for one in given]

    assert in_threads(*(store(number) for number in range(6))) == []
    rows = Archive(database).read("observations")
    assert sorted(zip(rows["glacier"], rows["image_id"], strict=True)) == sorted(
        (name, str(number)) for name in ("Crane", "Jorum") for number in range(6)
    )
