"""A text file of features that names very many columns is told before its reader looks each up among all others."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from glaciertime import limits
from glaciertime.errors import InputError
from glaciertime.scenes import field_names
from glaciertime.scenes.layers import layers_of, read_layer

PLACE = {"type": "LineString", "coordinates": [[-62.0, -65.0], [-61.0, -65.1]]}


def geojson(rows: Iterable[dict[str, object]]) -> str:
    features = [{"type": "Feature", "properties": row, "geometry": PLACE} for row in rows]
    return json.dumps({"type": "FeatureCollection", "features": features})


def kml(names: Iterable[str]) -> str:
    data = "".join(f'<Data name="{name}"><value>1</value></Data>' for name in names)
    point = "<Point><coordinates>1,2</coordinates></Point>"
    mark = f"<Placemark><ExtendedData>{data}</ExtendedData>{point}</Placemark>"
    return f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{mark}</Document></kml>'


def gml(names: Iterable[str]) -> str:
    point = '<gml:Point srsName="EPSG:4326"><gml:coordinates>1,2</gml:coordinates></gml:Point>'
    data = "".join(f"<o:{name}>1</o:{name}>" for name in names)
    member = f"<gml:featureMember><o:q><o:at>{point}</o:at>{data}</o:q></gml:featureMember>"
    spaces = 'xmlns:o="http://o.org/" xmlns:gml="http://www.opengis.net/gml"'
    return f"<o:FeatureCollection {spaces}>{member}</o:FeatureCollection>"


MANY = [f"name_{number}" for number in range(6000)]
HOSTILE = {
    "one.geojson": geojson([dict.fromkeys(MANY, 1)]),
    "spread.geojson": geojson([{name: 1} for name in MANY]),
    "points.json": geojson([dict.fromkeys(MANY, 1)]),
    "many.kml": kml(MANY),
    "many.gml": gml(MANY),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("is_packed", [False, True])
def test_thousands_of_columns_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_packed: bool
) -> None:
    path = tmp_path / name
    path.write_text(HOSTILE[name])
    if is_packed:
        path = tmp_path / "packed.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, HOSTILE[name])

    def never(*_: object, **__: object) -> None:
        raise AssertionError("read all the same")

    monkeypatch.setattr("pyogrio.read_dataframe", never)
    monkeypatch.setattr("pyogrio.list_layers", never)
    (layer,) = layers_of(path)
    with pytest.raises(InputError, match="GLACIERTIME_MAX_FIELDS"):
        read_layer(layer, crs="EPSG:4326")


def test_columns_times_features_are_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "spread.geojson"
    path.write_text(HOSTILE["spread.geojson"])
    monkeypatch.setenv("GLACIERTIME_MAX_FIELDS", "1e4")
    with pytest.raises(InputError, match=r"3\.6e\+07 cells"):
        read_layer(path)


def test_what_stands_in_texts_is_no_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"note": f'he said "x{number}": and, y{number}:', "a\\b": number, "ü: 1": None} for number in range(2000)]
    path = tmp_path / "texts.geojson"
    path.write_text(geojson(rows), encoding="utf-8")
    monkeypatch.setattr(field_names, "_CHUNK_BYTES", 70_001)  # names are cut in two
    with limits.given({"fields": 3}):
        assert len(read_layer(path)) == 2000
    with limits.given({"fields": 2}), pytest.raises(InputError, match="3 names of columns"):
        field_names.check_field_names(path, member="", what="texts.geojson")
