"""Only drafts are written: whatever opens a file for writing does it on a path that ``glaciertime.writing`` gave."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "glaciertime"

#: Methods and functions that write to the path they are called on, or are given.
ON_A_PATH = {"write_text", "write_bytes", "touch", "rename", "replace", "symlink_to", "hardlink_to"}
GIVEN_A_PATH = {
    "to_csv", "to_parquet", "to_feather", "to_file", "to_excel", "to_json", "to_hdf", "to_netcdf", "to_pickle",
    "write_dataframe", "write_table", "write_bytes", "savefig", "save", "savez", "savez_compressed", "savetxt",
    "save_file", "save_model", "tofile", "imsave", "imwrite", "copy", "copy2", "copyfile", "move", "quantize_static",
    "quant_pre_process", "extractall", "mkstemp", "urlretrieve",
}  # fmt: skip
DRAFTERS = {"draft", "drafts", "folder_draft"}
#: Calls of those names that are no writing to a path of the user's, each with the reason.
OTHERWISE = {
    ("archive/connection.py", "copyfile"): "a copy in a temporary folder",
    ("archive/folder/changes.py", "touch"): "in the room beside, which is a draft of the whole change",
    ("archive/folder/changes.py", "write_text"): "in the room beside, which is a draft of the whole change",
    ("archive/folder/changes.py", "rename"): "the room becomes the change that is stored",
    ("archive/folder/changes.py", "replace"): "a file of the stored change comes to its place",
    ("cli/plot.py", "savefig"): "into memory",
    ("cli/comparing.py", "write_table"): "into memory",
    ("cli/segment_files.py", "write_bytes"): "into the second of two drafts",
    ("cli/segmented.py", "to_csv"): "into memory",
    ("dashboard/draw_tab.py", "to_file"): "in the folder of a session, which goes with it",
    ("dashboard/page.py", "write_text"): "in the folder of a session, which goes with it",
    ("dashboard/preview.py", "save"): "in the folder of a session, which goes with it",
    ("dashboard/session.py", "write_text"): "in the folder of a session, which goes with it",
    ("dashboard/session.py", "replace"): "in the folder of a session, once the copy is whole",
    ("dashboard/track_tab.py", "write_text"): "in the folder of a session, which goes with it",
    ("dashboard/track_tab.py", "link"): "in the folder of a session, which goes with it",
    ("dashboard/uploads.py", "open"): "in the folder of a session, under another name until it is whole",
    ("dashboard/uploads.py", "replace"): "in the folder of a session, once it is whole",
    ("exchange/layers.py", "write_table"): "over a draft of its own",
    ("pipeline/learning.py", "save"): "into memory",
    ("pipeline/learning.py", "savez"): "into memory",
    ("report/evaluation_pictures.py", "savefig"): "into memory",
    ("report/explanation_picture.py", "savefig"): "into memory",
    ("report/influence_picture.py", "savefig"): "into memory",
    ("report/files.py", "to_parquet"): "into memory",
    ("report/files.py", "write_table"): "through a writer that was opened on a draft",
    ("report/trainings_pictures.py", "savefig"): "into memory",
    ("report/views/charts.py", "savefig"): "into memory",
    ("segment/predict/weights.py", "save"): "of safetensors: returns bytes",
    ("segment/teach/learning_curve.py", "savefig"): "into memory",
    ("segment/teach/preview.py", "savefig"): "into memory",
    ("segment/teach/resume.py", "save"): "of safetensors: returns bytes",
    ("segment/export/quantise.py", "quantize_static"): "in a temporary folder",
    ("segment/export/quantise.py", "quant_pre_process"): "in a temporary folder",
}


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def drafts_in(tree: ast.AST) -> set[str]:
    """Return the names that hold a draft: bound by ``with draft(...) as NAME``, or parameters called ``draft``."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.withitem) and isinstance(node.context_expr, ast.Call):
            names = [part.id for part in ast.walk(node.optional_vars or node) if isinstance(part, ast.Name)]
            found |= set(names) if node.optional_vars and name_of(node.context_expr) in DRAFTERS else set()
        if isinstance(node, ast.arg) and node.arg == "draft":
            found.add("draft")
    return found


def mode_of(call: ast.Call) -> str:
    given = [*call.args[(0 if isinstance(call.func, ast.Attribute) else 1) :], *(k.value for k in call.keywords)]
    modes = [node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return next((mode for mode in modes if set(mode) <= set("rwaxbt+")), "r")


def writes(call: ast.Call) -> bool:
    name = name_of(call)
    if name == "open":
        return bool(set(mode_of(call)) & set("wax+"))
    if not isinstance(call.func, ast.Attribute):
        return name in GIVEN_A_PATH - {"move", "copy"} and bool(call.args)
    of = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
    if of in ("os", "shutil"):
        return name in {"rename", "replace", "renames", "link", "symlink", "truncate", *GIVEN_A_PATH}
    if name in ("replace", "rename"):
        # those of text take two arguments, those of tables and data classes keywords
        return len(call.args) == 1 and not call.keywords
    if name in ON_A_PATH:
        return True
    # without an argument text or bytes are returned
    return name in GIVEN_A_PATH - {"move", "copy"} and bool(call.args)


def touched(call: ast.Call) -> set[str]:
    """Return the names in the path that a call writes to."""
    paths: list[ast.AST] = list(call.args)
    if isinstance(call.func, ast.Attribute):
        paths.append(call.func.value)
    return {node.id for path in paths for node in ast.walk(path) if isinstance(node, ast.Name)}


def undrafted(source: str) -> list[tuple[int, str]]:
    tree = ast.parse(source)
    made = drafts_in(tree)
    return [
        (call.lineno, name_of(call))
        for call in calls(tree)
        if writes(call)
        and not touched(call) & made
        and not (isinstance(call.func, ast.Name) and is_ours(source, call.func.id))
    ]


def is_ours(source: str, name: str) -> bool:
    """Return whether a function of that name is one of ours, which drafts by itself."""
    return any(
        isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("glaciertime.")
        and name in {alias.name for alias in node.names}
        for node in ast.walk(ast.parse(source))
    )


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).parts[0] != "writing"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_drafts_are_written(path: Path) -> None:
    source, place = path.read_text(encoding="utf-8"), str(path.relative_to(PACKAGE))
    found = [(line, name) for line, name in undrafted(source) if (place, name) not in OTHERWISE]
    assert not found, f"{place} writes past glaciertime.writing: {found}"


@pytest.mark.parametrize(
    "statement",
    [
        "open(path, 'w')",
        "open(path, mode='ab')",
        "path.open('wb')",
        "rasterio.open(path, 'w', driver='GTiff')",
        "path.write_text('x')",
        "part.replace(path)",
        "rows.to_csv(path)",
        "figure.savefig(path)",
        "np.save(path, values)",
        "shutil.copy(a, b)",
        "os.replace(a, b)",
    ],
)
def test_a_write_past_the_drafts_is_seen(statement: str) -> None:
    assert undrafted(statement)
    assert undrafted(f"with draft(target) as made:\n    pass\n{statement}")


@pytest.mark.parametrize(
    "statement", ["made.write_text('x')", "rows.to_csv(made)", "open(made, 'w')", "rasterio.open(made / 'a', 'w')"]
)
def test_a_draft_may_be_written(statement: str) -> None:
    assert not undrafted(f"with draft(target) as made:\n    {statement}")
