"""Small sound inputs of every format, from which the hostile ones are made. A case is the files of a folder."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine

from glaciertime.archive import Archive
from glaciertime.catalog import Glacier
from glaciertime.scenes.folder import MaskReading, masks_in_folder
from glaciertime.track import track_scenes

__all__ = ["FORMATS", "Case", "seeds_of"]

#: The files of a folder by name; the first is the one that is read.
Case = dict[str, bytes]

MANIFEST = b"""\
name: Toy
aliases: [Toyland, T]
region: West Greenland
hemisphere: north
terminus_type: tidewater
crs: EPSG:3413
box: [-200000, -2283000, -199360, -2282360]
fjord:
  drawn_by: me
  coordinates: [[-200000, -2283000], [-199360, -2283000], [-199360, -2282360], [-200000, -2282360]]
centreline:
  drawn_by: me
  coordinates: [[-199400, -2282700], [-199950, -2282700]]
sources:
  - dataset: my masks
    format: masks
    path: masks
    resolution_m: 20.0
    flags: {manual: drawn by hand}
    front_of: [{until: 1995-01-31, is: shelf}, {from: 1995-03-15, is: calving front}]
"""
DATA_SET = b"""\
kind: dataset
name: Some Data
title: Masks
citation: Somebody 2020
licence: CC-BY-4.0
files:
  - url: https://example.org/a.zip
    path: some/a.zip
    size_bytes: 1200
    unpack: true
"""
CONFIG = b"""\
data: landsat-fronts
root: data
model: glacier-seg-fast
test: [Helheim, Jakobshavn]
augmentation: {flip: 0.5}
patch: [64, 64]
epochs: 3
seed: 1
"""
CSV = """\
glacier,date,variable,value,sigma,unit,dataset
Toy,2001-08-12,length_change_m,-12.5,2,m,mine
Toy,2002-08-20,length_change_m,-30.25,2,m,mine
Toy,2003-09-01,length_change_m,-41,2,m,mine
Toy,2004-08-30,length_change_m,-55,3,m,mine
"""
CSV_FORMS = (
    CSV,
    "# WGMS\nNAME;YEAR;AREA (km2)\nRhone;1990;17,38\nRhone;1991;17,31\nRhone;1992;17,2\n",
    "Year\tRhone length (m)\tsigma\n1990\t-3\t-11\n1991\t-5\t-24\n1992\t-9\t-30\n",
    "# Toy, length in m\ndate,length (m),error\n13/08/2001,5000,10\n30/08/2002,4980,10\n31/12/2003,4950,10\n",
    "file,date\ntoy_1.tif,2001-03-15\ntoy_2.tif,2002-03-15\n",
)


def _zones() -> np.ndarray:
    zones = np.full((32, 32), 127, dtype=np.uint8)
    zones[:, :12] = 254
    zones[10:14, 8:14] = 127
    zones[:4] = 64
    zones[-2:, -2:] = 0
    return zones


def _raster(driver: str, ending: str, *, bands: int = 1, dtype: str = "uint8", **options: object) -> bytes:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / f"a{ending}"
        values = _zones().astype(dtype) if dtype == "uint8" else (_zones() == 127).astype(dtype) * 0.8
        place = {} if driver == "PNG" else {"crs": "EPSG:3413", "transform": Affine(20, 0, -200000, 0, -20, -2282360)}
        with rasterio.open(
            path, "w", driver=driver, height=32, width=32, count=bands, dtype=dtype, **place, **options
        ) as raster:
            for band in range(1, bands + 1):
                raster.write(values, band)
            if bands == 1 and dtype == "uint8" and driver == "GTiff":
                raster.update_tags(1, flag_values="0 64 127 254", flag_meanings="nodata rock glacier ocean")
        return path.read_bytes()


def _geotiff() -> list[Case]:
    name = "toy_2001-03-15.tif"
    return [
        {name: _raster("GTiff", ".tif")},
        {name: _raster("GTiff", ".tif", compress="deflate", tiled=True, blockxsize=16, blockysize=16)},
        {name: _raster("GTiff", ".tif", compress="lzw", bands=3, photometric="RGB", nodata=0)},
        {name: _raster("GTiff", ".tif", dtype="float32", predictor=3, compress="deflate")},
    ]


def _png() -> list[Case]:
    name = "toy_2001-03-15.png"
    return [{name: _raster("PNG", ".png")}, {name: _raster("PNG", ".png", bands=3)}]


def _jpeg2000() -> list[Case]:
    return [{"toy_2001-03-15.jp2": _raster("JP2OpenJPEG", ".jp2", QUALITY="100", REVERSIBLE="YES")}]


def _layer(areal: bool = True) -> gpd.GeoDataFrame:
    rows = []
    for year in (2001, 2002, 2003):
        edge = -199800 + 60 * (year - 2001)
        ice = shapely.box(edge, -2283000, -199360, -2282360)
        front = shapely.LineString([(edge, -2283000), (edge + 15, -2282700), (edge, -2282360)])
        rows.append((f"Toy_{year}", f"{year}-08-12", "Landsat 7", "me", ice if areal else front))
    table = pd.DataFrame(rows, columns=["image_id", "date", "sensor", "author", "geometry"]).assign(glacier="Toy")
    return gpd.GeoDataFrame(table, geometry="geometry", crs="EPSG:3413")


def _vector(driver: str, name: str, ends: tuple[str, ...] = ()) -> list[Case]:
    found = []
    for table in (_layer(), _layer(areal=False), _layer(areal=False).head(1)):
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / name
            if driver == "Parquet":
                table.to_parquet(path)
            else:
                table.to_file(path, driver=driver)
            names = [name, *(Path(name).with_suffix(end).name for end in ends)]
            found.append({each: (Path(folder) / each).read_bytes() for each in names})
    return found


def _shapefile() -> list[Case]:
    return _vector("ESRI Shapefile", "toy.shp", (".dbf", ".shx", ".prj", ".cpg"))


def _zip() -> list[Case]:
    found = []
    for case in (*_shapefile()[:1], *_vector("GeoJSON", "toy.geojson")[1:]):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in case.items():
                archive.writestr(name, content)
        found.append({"toy.zip": packed.getvalue()})
    return found


def _table_frame() -> pd.DataFrame:
    return pd.read_csv(io.StringIO(CSV))


def _excel() -> list[Case]:
    packed = io.BytesIO()
    frame = _table_frame()
    frame["date"] = pd.to_datetime(frame["date"])
    frame.to_excel(packed, index=False)
    return [{"toy.xlsx": packed.getvalue()}]


def _parquet() -> list[Case]:
    packed = io.BytesIO()
    _table_frame().to_parquet(packed)
    return [{"toy.parquet": packed.getvalue()}, *_vector("Parquet", "toy.parquet")]


def _npy() -> list[Case]:
    def stored(array: np.ndarray) -> bytes:
        held = io.BytesIO()
        np.save(held, array)
        return held.getvalue()

    zones = _zones()
    stack = np.stack([(zones == 127), (zones == 127) & (zones[::-1] == 127), zones == 3], axis=-1)
    return [
        {"tiff_1_slice_0.npy": stored(np.ones((32, 32, 10), np.float32)), "mask_1_slice_0.npy": stored(zones % 3)},
        {"a_img_000.npy": stored(np.ones((32, 32, 15), np.float32)), "a_mask_000.npy": stored(stack.astype(np.uint8))},
    ]


def _hdf5() -> list[Case]:
    import h5py

    held = io.BytesIO()
    with h5py.File(held, "w") as stored:
        for number in range(2):
            tile = stored.create_group(f"tile_{number}")
            tile.attrs["region"], tile.attrs["subregion"] = "ALP", "ALP_1"
            tile["optical"] = np.ones((16, 16, 6), np.float32)
            tile["dem"] = np.ones((16, 16, 2), np.float32)
            tile["outlines"] = np.ones((16, 16, 2), np.float32)
    return [{"train.h5": held.getvalue()}]


def _netcdf() -> list[Case]:
    from glaciertime.track.record.stack import mask_stack

    found = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "toy_2001-03-15.tif").write_bytes(_raster("GTiff", ".tif"))
        scenes = masks_in_folder(Path(folder), glacier="Toy", dataset="toy", reading=MaskReading())
        stack = mask_stack(scenes)
        path = Path(folder) / "a.nc"
        # The classic form, which is opened in Python: the library of the other ends the program over damaged files.
        stack["zone"] = stack["zone"].astype("int16").assign_attrs(flag_values=np.array([0, 64, 127, 254], np.int16))
        stack["zone"].attrs["grid_mapping"] = "crs"
        stack.to_netcdf(path, engine="scipy", format="NETCDF3_64BIT")
        found.append({"toy_2001-03-15.nc": path.read_bytes()})
    return found


def _json() -> list[Case]:
    from glaciertime.segment.description import read_spec, weights_path

    spec = read_spec(weights_path("landsat-fronts")).to_json().encode()
    config = json.dumps({"data": "landsat-fronts", "root": "data", "model": "glacier-seg-fast"}).encode()
    return [{"spec.json": spec}, {"config.json": config}]


def _safetensors() -> list[Case]:
    import torch
    from safetensors.torch import save

    from glaciertime.segment.architectures.folding import build_network
    from glaciertime.segment.description import KEY, ModelSpec
    from glaciertime.segment.teach.resume import write_state

    torch.manual_seed(0)
    network = build_network("unet-small", in_channels=1, classes=2, fold=1)
    spec = ModelSpec(name="toy", model="unet-small", bands=("grey",), classes=("glacier", "ocean"), codes=(127, 254))
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state.safetensors"
        write_state({"step": 3, "weights": {"a": torch.ones(2)}, "seen": [1, 2, None]}, state)
        kept = state.read_bytes()
    return [{"toy.safetensors": save(tensors, metadata={KEY: spec.to_json()})}, {"state.safetensors": kept}]


def _onnx() -> list[Case]:
    import onnx
    from onnx import TensorProto, helper

    from glaciertime.segment.description import KEY, ModelSpec

    spec = ModelSpec(name="toy", model="unet-small", bands=("grey",), classes=("glacier", "ocean"), codes=(127, 254))
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, "h", "w"])
    made = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2, "h", "w"])
    kernel = helper.make_tensor("kernel", TensorProto.FLOAT, [2, 1, 1, 1], [1.0, -1.0])
    node = helper.make_node("Conv", ["image", "kernel"], ["logits"])
    graph = helper.make_graph([node], "toy", [given], [made], [kernel])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {KEY: spec.to_json()})
    onnx.checker.check_model(model)
    return [{"toy.onnx": model.SerializeToString()}]


def _caffe() -> list[Case]:
    picture = _raster("PNG", ".png")
    stems = ("Toy_2002-11-09_ERS_20_2_061", "Toy_2003-10-09_TSX_7_1_049")
    box = b"x,y\n2,2\n30,2\n30,30\n2,30\n"
    case: Case = {}
    for stem in stems:
        case[f"zones/train/{stem}_zones.png"] = picture
        case[f"sar_images/train/{stem}.png"] = picture
        case[f"bounding_boxes/{stem}_front_extent_coord.txt"] = box
    return [case]


def _index() -> list[Case]:
    picture = _raster("PNG", ".png")
    index = b"glacier,date,sensor,pathrow,image,front\nToy,2001-08-12,LT05,009_011,a.png,a_front.png\n"
    index += b"Toy,2002-08-12,LE07,009_011,b.png,b_front.png\n"
    names = ("images/a.png", "images/b.png", "fronts/a_front.png", "fronts/b_front.png")
    return [{"index.csv": index, **dict.fromkeys(names, picture)}]


def _archive() -> list[Case]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "toy_2001-03-15.tif").write_bytes(_raster("GTiff", ".tif"))
        (Path(folder) / "toy_2002-03-15.tif").write_bytes(_raster("GTiff", ".tif"))
        scenes = masks_in_folder(Path(folder), glacier="Toy", dataset="toy", reading=MaskReading())
        tracked = track_scenes(scenes, glacier=Glacier(name="Toy"))
        archive = Archive(Path(folder) / "toy.gpkg")
        archive.store_tracked(
            fronts=tracked.fronts, observations=tracked.observations, footprints=tracked.footprints,
            inputs=[("Toy", "toy", "toy_2001-03-15", "a.tif"), ("Toy", "toy", "toy_2002-03-15", "b.tif")],
        )  # fmt: skip
        return [{"toy.gpkg": archive.path.read_bytes()}]


#: Every format and how its sound inputs are made.
FORMATS: dict[str, Callable[[], list[Case]]] = {
    "geotiff": _geotiff,
    "png": _png,
    "jpeg2000": _jpeg2000,
    "csv": lambda: [{"toy.csv": text.encode()} for text in CSV_FORMS],
    "excel": _excel,
    "geopackage": lambda: _vector("GPKG", "toy.gpkg"),
    "geojson": lambda: _vector("GeoJSON", "toy.geojson"),
    "shapefile": _shapefile,
    "flatgeobuf": lambda: _vector("FlatGeobuf", "toy.fgb"),
    "parquet": _parquet,
    "npy": _npy,
    "hdf5": _hdf5,
    "netcdf": _netcdf,
    "yaml": lambda: [{"toy.yaml": MANIFEST}, {"toy.yaml": DATA_SET}, {"config.yaml": CONFIG}],
    "json": _json,
    "safetensors": _safetensors,
    "onnx": _onnx,
    "zip": _zip,
    "caffe": _caffe,
    "index": _index,
    "archive": _archive,
}


def seeds_of(name: str) -> list[Case]:
    """Return the sound inputs of a format."""
    return FORMATS[name]()
