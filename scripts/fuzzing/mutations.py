"""How a sound input is made hostile: bytes, tokens, trees, and the parts that each format consists of."""

from __future__ import annotations

import io
import json
import random
import re
import sqlite3
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from fuzzing.seeds import Case

__all__ = ["mutated"]

_INTEGERS = (0, 1, 2, 3, 4, 8, 16, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 10**5, 10**6, 0x7FFFFFFF,
             0x80000000, 0xFFFFFFFF)  # fmt: skip
_NUMBERS = ("0", "-1", "1e308", "-1e308", "1e-320", "NaN", "inf", "-inf", "2147483648",
            "9223372036854775808", "9" * 400,
            "9" * 5000, "0x10", "1_000", "1,5", "", "0.1", "1e5", "-0", "1950", "99999")  # fmt: skip
_TEXTS = ("", " ", "\0", "../../x", "/etc/passwd", "=1+1", "2003-13-09", "0000-00-00", "2001-02-30",
            "9999-12-31", "NaN",
          "\ud800", "A" * 10_000, "\u2603", "\u202e", "EPSG:999999", "EPSG:4326", "EPSG:32633", "+proj=ob_tran",
          '{"a": 1}', "<script>", "true", "null", "~", "12/31/2001", "31.12.2001", "nan", "None", "a\nb", '"', "'",
          "GEOGCS[", "01.01.0001", "20010931", "-", ";", "%s%n", "\ufeff", "[" * 3000, "{a: " * 500, "*a", "&a [*a]",
          "!!python/object:os.system x", "!!binary x", "1e400", "file:///x", "1:2:3", "0b1",
            "2001-1-1T25:61:61")  # fmt: skip


def mutated(rng: random.Random, name: str, seeds: list[Case]) -> Case:
    """Return a hostile input of a format."""
    case = dict(rng.choice(seeds))
    if rng.random() < 0.02:
        case = _swapped(rng, case, seeds)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        try:
            case = _MUTATIONS[name](rng, case)
        except Exception:  # a part that an earlier mutation has broken cannot be changed as what it was
            case = _one(_bytes)(rng, case)
    return case


def _swapped(rng: random.Random, case: Case, seeds: list[Case]) -> Case:
    """Return a case in which one file holds what another of its seeds does, or nothing."""
    key = rng.choice(list(case))
    other = rng.choice(list(rng.choice(seeds).values()))
    return {**case, key: rng.choice((other, b"", case[key][: len(case[key]) // 2]))}


def _bytes(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not out:
            return bytes(rng.getrandbits(8) for _ in range(rng.randrange(64)))
        # The head of a file says most.
        at = rng.randrange(min(len(out), 512)) if rng.random() < 0.5 else rng.randrange(len(out))
        kind = rng.randrange(9)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind in (2, 3):
            form = rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q", "<d", ">d"))
            size = struct.calcsize(form)
            if form[1] == "d":
                packed = struct.pack(form, rng.choice((0.0, -1.0, 1e308, float("nan"), float("inf"), 1e-320)))
            else:
                packed = struct.pack(form, rng.choice(_INTEGERS) & (256**size - 1))
            out[at : at + size] = packed[: max(0, len(out) - at)]
        elif kind == 4:
            del out[at : at + rng.choice((1, 2, 4, 16, 256))]
        elif kind == 5:
            out[at:at] = out[at : at + rng.choice((1, 4, 64))]
        elif kind == 6:
            del out[at:]
        elif kind == 7:
            size = rng.choice((1, 4, 16, 64))
            out[at : at + size] = bytes(min(size, len(out) - at))
        else:
            out[at:at] = bytes(rng.getrandbits(8) for _ in range(rng.choice((1, 3, 8))))
    return bytes(out)


def _encoded(rng: random.Random, text: str) -> bytes:
    kind = rng.random()
    if kind < 0.03:
        return text.encode("utf-16", "surrogatepass")
    if kind < 0.06:
        return text.encode("latin-1", "replace")
    if kind < 0.08:
        return b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass")
    return text.encode("utf-8", "surrogatepass")


_TOKEN = re.compile(r"-?\d+(?:[.:-]\d+)*|[A-Za-z_]+|[^\w\s]|\s+")


def _text(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.15 or len(data) > 200_000:
        return _bytes(rng, data)
    text = data.decode("utf-8", "replace")
    for _ in range(rng.choice((1, 1, 2, 5))):
        tokens = list(_TOKEN.finditer(text)) or [re.match("", text)]
        token = rng.choice(tokens)
        start, end = token.span()  # type: ignore[union-attr]
        kind = rng.randrange(8)
        lines = text.splitlines(keepends=True) or [""]
        if kind in (0, 1):
            text = text[:start] + rng.choice(_NUMBERS) + text[end:]
        elif kind in (2, 3):
            text = text[:start] + rng.choice(_TEXTS) + text[end:]
        elif kind == 4:
            text = text[:start] + text[end:]
        elif kind == 5:
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            text = "".join(lines)
        elif kind == 6:
            del lines[rng.randrange(len(lines))]
            text = "".join(lines)
        else:
            other = rng.choice(tokens)
            text = text[:start] + other[0] + text[end:]  # type: ignore[index]
    return _encoded(rng, text)


def _hostile(rng: random.Random) -> Any:
    deep: Any = 1
    for _ in range(rng.choice((1, 80, 900))):
        deep = [deep]
    values = (None, True, 0, -1, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf"), 0.5, [], {}, [[]], {"a": {}},
              [1, 2, 3], rng.choice(_TEXTS), rng.choice(_TEXTS), rng.choice(_TEXTS), deep)  # fmt: skip
    return rng.choice(values)


def _tree(rng: random.Random, tree: Any) -> Any:
    """Return a tree of JSON with a hostile node."""
    spots: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in pairs:
            spots.append((node, key))
            walk(value)

    walk(tree)
    if not spots:
        return _hostile(rng)
    parent, key = rng.choice(spots)
    kind = rng.randrange(6)
    if kind < 3:
        parent[key] = _hostile(rng)
    elif kind == 3:
        del parent[key]
    elif kind == 4 and isinstance(parent, dict):
        parent[rng.choice((*_TEXTS, "kind", "name", "1"))] = parent.pop(key)
    elif isinstance(parent, list):
        parent.extend(parent[:] * rng.choice((1, 3)))
    else:
        parent[rng.choice(_TEXTS)] = _hostile(rng)
    return tree


def _json_bytes(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.4:
        return _text(rng, data)
    try:
        return json.dumps(_tree(rng, json.loads(data)), ensure_ascii=rng.random() < 0.5).encode(
            "utf-8", "surrogatepass"
        )
    except (ValueError, RecursionError):
        return _text(rng, data)


def _yaml_bytes(rng: random.Random, data: bytes) -> bytes:
    kind = rng.random()
    # References to references are not to be written out here.
    if kind < 0.5 or b"*" in data:
        return _text(rng, data)
    if kind < 0.55:
        steps = [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        steps += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]".encode() for n in range(1, rng.choice((3, 9, 12)))]
        return data + b"notes: 1\n" + b"\n".join(steps)
    if kind < 0.6:
        return data.replace(b"name: ", rng.choice((b"name: " + b"[" * 3000, b"? [a, b]\n: ", b"1: ", b"2001-01-01: ")))
    try:
        tree = yaml.safe_load(data)
        return yaml.safe_dump(json.loads(json.dumps(_tree(rng, json.loads(json.dumps(tree, default=str)))))).encode()
    except (ValueError, RecursionError, yaml.YAMLError):
        return _text(rng, data)


def _png_bytes(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.3 or data[:4] != b"\x89PNG":
        return _bytes(rng, data)
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    if not chunks:
        return _bytes(rng, data)
    index = rng.randrange(len(chunks))
    kind, content = chunks[index]
    what = rng.randrange(5)
    if kind == b"IHDR" and len(content) == 13:
        fields = list(struct.unpack(">IIBBBBB", content))
        place = rng.randrange(7)
        fields[place] = rng.choice(_INTEGERS) if place < 2 else rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
        chunks[index] = (kind, struct.pack(">IIBBBBB", *fields))
    elif kind == b"IDAT" and what < 3:
        try:
            content = zlib.compress(_bytes(rng, zlib.decompress(content)))
        except zlib.error:
            content = _bytes(rng, content)
        chunks[index] = (kind, content)
    elif what == 3:
        chunks.insert(index, rng.choice(chunks))
    elif what == 4:
        chunks.insert(
            index, (rng.choice((b"tRNS", b"PLTE", b"gAMA", b"tEXt", b"zTXt", b"iCCP")), _bytes(rng, b"abcdef"))
        )
    else:
        chunks[index] = (kind, _bytes(rng, content))
    out = io.BytesIO(b"")
    out.write(data[:8])
    for kind, content in chunks:
        out.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content)))
    return out.getvalue()


def _tiff_bytes(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.3 or data[:4] != b"II*\0":
        return _bytes(rng, data)
    out = bytearray(data)
    (at,) = struct.unpack_from("<I", out, 4)
    if at + 2 > len(out):
        return _bytes(rng, data)
    (count,) = struct.unpack_from("<H", out, at)
    entry = at + 2 + 12 * rng.randrange(max(1, count))
    if entry + 12 > len(out):
        return _bytes(rng, data)
    tag, kind, number, value = struct.unpack_from("<HHII", out, entry)
    what = rng.randrange(6)
    if what < 3:
        value = rng.choice((*_INTEGERS, len(out), len(out) - 4, value + 1, value * 2)) & 0xFFFFFFFF
    elif what == 3:
        number = rng.choice((*_INTEGERS, number + 1)) & 0xFFFFFFFF
    elif what == 4:
        kind = rng.choice((1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 16, 99))
    else:
        tag = rng.choice((256, 257, 258, 259, 262, 273, 277, 278, 279, 317, 320, 322, 323, 324, 325, 338, 339, 33550,
                          33922, 34264, 34735, 34736, 34737, 42112, 42113, 65000))  # fmt: skip
    struct.pack_into("<HHII", out, entry, tag, kind, number, value)
    if rng.random() < 0.3 and kind == 12 and 0 < value < len(out) - 8:
        struct.pack_into("<d", out, value, rng.choice((0.0, 1e308, float("nan"), float("inf"), -20.0, 1e-320, 1e12)))
    return bytes(out)


def _jp2_bytes(rng: random.Random, data: bytes) -> bytes:
    at = data.find(b"\xff\x51")
    if at < 0 or rng.random() < 0.5:
        return _bytes(rng, data)
    out = bytearray(data)
    place = at + 4 + rng.choice((2, 6, 10, 14, 18, 22, 26, 30, 34))
    struct.pack_into(">I", out, place, rng.choice(_INTEGERS))
    return bytes(out)


def _zip_bytes(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.25:
        return _bytes(rng, data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(each.filename, archive.read(each)) for each in archive.infolist()]
    except Exception:  # already broken
        return _bytes(rng, data)
    if not members:
        return _bytes(rng, data)
    index = rng.randrange(len(members))
    name, content = members[index]
    what = rng.randrange(9)
    if what < 5:
        is_text = name.endswith((".xml", ".rels", ".prj", ".geojson", ".cpg"))
        content = (_text if is_text else _bytes)(rng, content)
    elif what == 5:
        name = rng.choice((*_TEXTS[:8], "../" + name, "/" + name, "a\\b", name.upper(), name + "/", "x" * 300))
    elif what == 6:
        members.append((name, content))
    elif what == 7:
        content = b"\0" * rng.choice((10**5, 5 * 10**6))
    members[index] = (name, content)
    if what == 8:
        del members[index]
    out = io.BytesIO()
    import warnings

    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", rng.choice((0, 8))) as archive:
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name.encode("utf-8", "replace").decode().split("\0")[0] or "x", content)
    return out.getvalue()


def _sqlite_bytes(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.3:
        return _bytes(rng, data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.gpkg"
        path.write_bytes(data)
        try:
            database = sqlite3.connect(path, isolation_level=None)
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            try:
                _sql(rng, database)
            finally:
                database.close()
        except (sqlite3.Error, ValueError, OverflowError):
            return _bytes(rng, data)
        return path.read_bytes()


def _sql(rng: random.Random, database: sqlite3.Connection) -> None:
    names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    usual = [name for name in names if not name.startswith(("rtree_", "sqlite_"))]
    table = rng.choice(usual or names)
    columns = [row[1] for row in database.execute(f'PRAGMA table_info("{table}")')]
    column = rng.choice(columns)
    value = rng.choice((None, 0, -1, 1e308, float("inf"), 2**62, "", b"", b"\0GP", b"\xff\xfe", *_TEXTS[:30],
                        *(text for text in _NUMBERS if len(text) < 500)))  # fmt: skip
    if isinstance(value, str):
        value = value.encode("utf-8", "replace").decode()
    for name in [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]:
        database.execute(f'DROP TRIGGER "{name}"')
    what = rng.randrange(12)
    if what < 5:
        where = "" if rng.random() < 0.3 else ' WHERE rowid = (SELECT min(rowid) FROM "' + table + '")'  # nosec B608
        database.execute(f'UPDATE OR IGNORE "{table}" SET "{column}" = ?{where}', (value,))  # nosec B608
    elif what == 5:
        held = database.execute(f'SELECT "{column}" FROM "{table}" LIMIT 1').fetchone()  # nosec B608
        if held and isinstance(held[0], bytes):
            database.execute(f'UPDATE "{table}" SET "{column}" = ?', (_bytes(rng, held[0]),))  # nosec B608
        elif held:
            broken = b"\xff\xfe\x80" + str(held[0]).encode()
            database.execute(f'UPDATE OR IGNORE "{table}" SET "{column}" = CAST(? AS TEXT)', (broken,))  # nosec B608
    elif what == 6:
        database.execute(f'DROP TABLE "{table}"')
    elif what == 7:
        database.execute(f'DELETE FROM "{table}"')  # nosec B608
    elif what == 8:
        database.execute(
            f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "{rng.choice(("x", "geom", "date", "a b"))}"'
        )
    elif what == 9:
        database.execute(f"PRAGMA user_version = {rng.choice((0, 1, 10200, 99999, -1))}")
        database.execute(f"PRAGMA application_id = {rng.choice((0, 1, 0x47504B47))}")
    elif what == 10:
        database.execute(f'ALTER TABLE "{table}" RENAME TO "old_{table}"')
        of = rng.choice((table, "old_" + table))
        database.execute(f'CREATE VIEW "{table}" AS SELECT * FROM "{of}"')  # nosec B608
    else:
        database.execute("PRAGMA writable_schema = ON")
        text = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0] or ""
        broken_sql = _text(rng, text.encode()).decode("utf-8", "replace")
        database.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (broken_sql, table))


def _parquet_bytes(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.5:
        return _bytes(rng, data)
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(io.BytesIO(data))
        metadata = dict(table.schema.metadata or {})
        what = rng.randrange(4)
        if what < 2 and metadata:
            key = rng.choice(list(metadata))
            metadata[key] = _json_bytes(rng, metadata[key])
            table = table.replace_schema_metadata(metadata)
        else:
            index = rng.randrange(table.num_columns)
            name = table.column_names[index]
            number = len(table)
            columns: list[list[Any]] = [
                [None] * number, [b"\xff\x00"] * number, [[1, 2]] * number, [{"a": 1}] * number,
            [float("nan")] * number,
                [1e308] * number, [rng.choice(_TEXTS).encode("utf-8", "replace").decode()] * number, [2**62] * number,
                [True] * number,
            ]  # fmt: skip
            new = rng.choice((name, "", "geometry", "date", rng.choice(table.column_names)))
            table = table.set_column(index, new, pa.array(rng.choice(columns)))
        out = io.BytesIO()
        parquet.write_table(table, out)
        return out.getvalue()
    except Exception:  # already broken
        return _bytes(rng, data)


def _npy_bytes(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.3 or data[:6] != b"\x93NUMPY":
        return _bytes(rng, data)
    (length,) = struct.unpack_from("<H", data, 8)
    head, body = data[10 : 10 + length], data[10 + length :]
    head = _text(rng, head.rstrip()) + b"\n"
    return data[:8] + struct.pack("<H", len(head) & 0xFFFF) + head + body


def _hdf5_bytes(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.5:
        return _bytes(rng, data)
    import h5py
    import numpy as np

    held = io.BytesIO(data)
    try:
        with h5py.File(held, "r+") as stored:
            names: list[str] = []
            stored.visit(names.append)
            name = rng.choice(names)
            what = rng.randrange(5)
            if what == 0:
                stored[name].attrs[rng.choice(("region", "subregion"))] = rng.choice(
                    (1, b"\xff", np.ones(3), "x" * 999)
                )
            elif what == 1:
                del stored[name]
            elif what == 2:
                del stored[name]
                stored[name] = rng.choice((np.ones(3), np.float64(1), np.ones((16, 16, 6)), np.array([b"a"])))
            elif what == 3:
                del stored[name]
                stored[name] = rng.choice(
                    (h5py.SoftLink("/none"), h5py.ExternalLink("no.h5", "/a"), h5py.SoftLink("/"))
                )
            else:
                del stored[name]
                stored.create_dataset(name, shape=rng.choice(((10**5, 10**5, 6), (0, 0, 6), (16, 16, 6))), dtype="f4",
                                      chunks=True)  # fmt: skip
    except Exception:  # already broken
        return _bytes(rng, data)
    return held.getvalue()


def _netcdf_bytes(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.5:
        return _bytes(rng, data)
    import numpy as np
    import xarray

    try:
        with xarray.open_dataset(io.BytesIO(data), engine="scipy", decode_cf=False) as opened:
            stack = opened.load()
        name = str(rng.choice(list(stack.variables)))
        what = rng.randrange(4)
        if what < 2 and stack[name].attrs:
            text = rng.choice(_TEXTS).encode("utf-8", "replace").decode().replace("\0", "")[:200]
            stack[name].attrs[rng.choice(list(stack[name].attrs))] = rng.choice((text, text, 1e308, np.ones(2), -1.0))
        elif what == 2 and stack[name].dtype.kind in "iuf":
            of_numbers = stack[name].dtype.kind == "f"
            stack[name] = stack[name] * 0 + rng.choice((np.nan, 1e300, np.inf) if of_numbers else (0, 1, 255, -1))
        elif what == 3:
            shorter = {rng.choice(list(stack.sizes)): slice(1)}
            stack = stack.drop_vars(name) if rng.random() < 0.5 else stack.isel(shorter)
        return bytes(stack.to_netcdf(engine="scipy"))
    except Exception:  # already broken, or what the form does not hold
        return _bytes(rng, data)


def _safetensors_bytes(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.3 or len(data) < 8:
        return _bytes(rng, data)
    (length,) = struct.unpack_from("<Q", data, 0)
    try:
        header = json.loads(data[8 : 8 + length])
        inner = header.get("__metadata__", {}).get("glaciertime")
        if inner is not None and rng.random() < 0.6:
            header["__metadata__"]["glaciertime"] = _json_bytes(rng, inner.encode()).decode("utf-8", "replace")
        else:
            header = _tree(rng, header)
        text = json.dumps(header).encode("utf-8", "surrogatepass")
    except (ValueError, AttributeError, TypeError, RecursionError):
        return _bytes(rng, data)
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def _onnx_bytes(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.5:
        return _bytes(rng, data)
    import onnx

    try:
        model = onnx.load_from_string(data)
        what = rng.randrange(4)
        if what < 2 and model.metadata_props:
            prop = rng.choice(list(model.metadata_props))
            prop.value = _json_bytes(rng, prop.value.encode()).decode("utf-8", "replace")
        elif what == 2:
            kernel = model.graph.initializer[0]
            kernel.dims[rng.randrange(4)] = rng.choice((0, 1, 2, 3, 10**6, -1))
        else:
            model.graph.node[0].op_type = rng.choice(("Conv", "Relu", "None", "Loop", "Expand"))
        return bytes(model.SerializeToString())
    except Exception:  # already broken
        return _bytes(rng, data)


def _one(change: Callable[[random.Random, bytes], bytes]) -> Callable[[random.Random, Case], Case]:
    """Return the mutation of one file of a case."""

    def on_case(rng: random.Random, case: Case) -> Case:
        key = rng.choice(list(case))
        return {**case, key: change(rng, case[key])}

    return on_case


def _of_ending(rng: random.Random, data: bytes, name: str) -> bytes:
    if name.endswith(".png"):
        return _png_bytes(rng, data)
    return (_text if name.endswith((".txt", ".csv", ".prj", ".cpg")) else _bytes)(rng, data)


def _by_ending(rng: random.Random, case: Case) -> Case:
    key = rng.choice(list(case))
    return {**case, key: _of_ending(rng, case[key], key)}


def _caffe_case(rng: random.Random, case: Case) -> Case:
    if rng.random() < 0.5:
        return _by_ending(rng, case)
    key = rng.choice(list(case))
    folder, _, name = key.rpartition("/")
    stem, sign, end = name.partition("_zones")
    parts = stem.split("_")
    place = rng.randrange(len(parts))
    parts[place] = rng.choice((*_NUMBERS[:12], "2003-13-09", "0000-00-00", "2003-02-30", "9999-12-31",
            "9" * 50, "TSX", "X",
                               "", "\u0663\u0660", "2002-\u0661\u0661-09", "\u00b2"))  # fmt: skip
    text = "_".join(parts).replace("/", "").replace("\0", "")[:120]
    out = dict(case)
    out[f"{folder}/{text}{sign}{end}"] = out.pop(key)
    return out


_MUTATIONS: dict[str, Callable[[random.Random, Case], Case]] = {
    "geotiff": _one(_tiff_bytes),
    "png": _one(_png_bytes),
    "jpeg2000": _one(_jp2_bytes),
    "csv": _one(_text),
    "excel": _one(_zip_bytes),
    "geopackage": _one(_sqlite_bytes),
    "geojson": _one(_json_bytes),
    "shapefile": _by_ending,
    "flatgeobuf": _one(_bytes),
    "parquet": _one(_parquet_bytes),
    "npy": _one(_npy_bytes),
    "hdf5": _one(_hdf5_bytes),
    "netcdf": _one(_netcdf_bytes),
    "yaml": _one(_yaml_bytes),
    "json": _one(_json_bytes),
    "safetensors": _one(_safetensors_bytes),
    "onnx": _one(_onnx_bytes),
    "zip": _one(_zip_bytes),
    "caffe": _caffe_case,
    "index": _by_ending,
    "archive": _one(_sqlite_bytes),
}
