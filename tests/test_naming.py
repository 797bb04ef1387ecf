"""Names in all spellings are one name; columns are known in all of theirs."""

from __future__ import annotations

import unicodedata

import pytest

from glaciertime.errors import InputError
from glaciertime.naming import (
    DATE_COLUMNS,
    IDENTIFIER_COLUMNS,
    NAME_COLUMNS,
    clean_name,
    column_called,
    columns_among,
    fold_name,
    other_spellings,
    whole_identifier,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Corbassière", unicodedata.normalize("NFD", "Corbassière")), ("Sjögren Inlet", "SJÖGREN  INLET"),
        ("103", 103.0), ("103", "103.0"), (103, "103"), ("Großer Aletsch", "GROSSER ALETSCH"), ("Jorum", " jorum\t"),
        ("Hintereisferner", "Hintereisferner                 À"),
    ],
)  # fmt: skip
def test_spellings_of_one_name(one: object, other: object) -> None:
    assert fold_name(one) == fold_name(other)


@pytest.mark.parametrize(
    ("one", "other"), [("103", "1030"), ("Ice A", "Ice B"), ("Breen 1", "Breen 1.5"), ("RGI60-11.01", "RGI60-11.010")]
)
def test_names_that_differ_stay_apart(one: str, other: str) -> None:
    assert fold_name(one) != fold_name(other)


@pytest.mark.parametrize("value", [None, float("nan"), "", "  ", "None", "N/A", "unknown"])
def test_what_names_nothing_is_empty(value: object) -> None:
    assert clean_name(value) == ""


def test_a_divide_is_left_out_of_an_identifier() -> None:
    assert whole_identifier("RGI50-11.00719_d02") == whole_identifier("RGI50-11.00719")
    assert whole_identifier("RGI50-11.00719") != whole_identifier("RGI50-11.00718")


@pytest.mark.parametrize(
    ("columns", "name", "identifier", "date"),
    [
        (["RGIId", "GLIMSId", "BgnDate", "EndDate", "Name"], "Name", "RGIId", "BgnDate"),
        (["rgi_id", "glims_id", "src_date", "glac_name"], "glac_name", "rgi_id", "src_date"),
        (["line_type", "glac_id", "anlys_time", "src_date", "glac_name"], "glac_name", "glac_id", "src_date"),
        (["Glc_Name", "FCGI_ID", "GLIMS_ID", "Rep_Date"], "Glc_Name", "FCGI_ID", "Rep_Date"),
        (["GlacierID", "Date", "QualFlag", "DecDate"], None, "GlacierID", "Date"),
        (["GrnlndcN", "OfficialN", "AltName", "RefName", "Date"], "OfficialN", None, "Date"),
        (["Glacier_ID", "Quality_Fl", "SourceDate", "Image_ID"], None, "Glacier_ID", "SourceDate"),
        (["shelf_name", "DATE_"], "shelf_name", None, "DATE_"),
        (["SGI", "date"], None, "SGI", "date"),
        (["local_id", "name", "aqc_time"], "name", "local_id", "aqc_time"),
        (["GLACIER", "ACQ_DATE"], "GLACIER", None, "ACQ_DATE"),
        (["NAME", "AcqDay"], "NAME", None, "AcqDay"),
        (["glacier_na", "acquisitio"], "glacier_na", None, "acquisitio"),
    ],
)
def test_the_columns_of_the_inventories_are_known(
    columns: list[str], name: str | None, identifier: str | None, date: str
) -> None:
    for keys, expected in ((NAME_COLUMNS, name), (IDENTIFIER_COLUMNS, identifier), (DATE_COLUMNS, date)):
        assert next(iter(columns_among(columns, keys)), None) == expected


def test_a_column_that_is_not_there_is_refused_with_those_that_are() -> None:
    assert column_called(["Gletscher"], "gletscher", option="--name-column", where="a.shp") == "Gletscher"
    with pytest.raises(InputError, match=r"--name-column Gletcher: a\.shp has no such column, did you mean Gletscher"):
        column_called(["Gletscher", "x"], "Gletcher", option="--name-column", where="a.shp")


def test_another_way_of_writing_is_offered_and_not_taken_to_be_the_same() -> None:
    assert fold_name("Weißferner") == fold_name("WEISSFERNER")
    known = ["Jakobshavn Isbræ", "Åsgårdfonna", "Øyerbreen", "Hochjochferner", "Þjórsárjökull", "Gößnitzkees"]
    for written, name in (
        ("Jakobshavn Isbrae", known[0]), ("Aasgaardfonna", known[1]), ("Oyerbreen", known[2]),
        ("Thjorsarjokull", known[4]), ("Goessnitzkees", known[5]),
    ):  # fmt: skip
        assert fold_name(written) != fold_name(name)
        assert other_spellings(written, known) == [name]
    assert other_spellings("Hintereisferner", known) == []
