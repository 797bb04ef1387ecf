"""The documentation site: written pages, and pages made of the commands, tables and docstrings as they are.

Nothing is fetched, neither when it is built nor when it is read: fonts are those of the reader's system. The pages open
as files; the search needs them served (``python -m http.server --directory site``). Needs the extra ``docs``.

    python scripts/build_docs.py --out site                (open site/index.html)
    python scripts/build_docs.py --out site --pages-only   (only the sources of the pages, without mkdocs)
"""

from __future__ import annotations

import argparse
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = ROOT / "docs" / "pages"
TUTORIALS = ("own_masks", "own_images", "own_series", "region", "compare_models", "gpu")
NOTEBOOKS = ROOT / "notebooks"

#: How each number is defined: the functions that make it, in the order in which a reader asks.
NUMBERS: dict[str, tuple[str, ...]] = {
    "Areas": (
        "glaciertime.units.polygon_area_km2", "glaciertime.units.mask_area_km2",
        "glaciertime.track.ruler.uncertainty.area_sigma_km2",
    ),
    "Front positions": (
        "glaciertime.track.ruler.measures.centreline_position_m",
        "glaciertime.track.ruler.measures.mean_trace_position_m",
        "glaciertime.track.ruler.measures.extrapolated_centreline_position_m",
        "glaciertime.track.ruler.channel.fjord_channel", "glaciertime.track.ruler.uncertainty.position_sigma_m",
        "glaciertime.track.ruler.uncertainty.change_sigma",
    ),
    "Retreat, rates, seasons": (
        "glaciertime.track.record.retreat.retreat_table", "glaciertime.track.record.trends.rate_table",
        "glaciertime.slopes.weighted_slope", "glaciertime.slopes.theil_sen_slope",
        "glaciertime.track.record.periods.seasonal_cycle", "glaciertime.track.record.periods.annual_rates",
    ),
    "Breaks and hazards": ("glaciertime.breaks.changes.find_breaks", "glaciertime.breaks.hazard.losses"),
    "Forecasts and their scores": (
        "glaciertime.forecast.judged.metrics.mae", "glaciertime.forecast.judged.metrics.mape",
        "glaciertime.forecast.judged.metrics.crps", "glaciertime.forecast.judged.metrics.interval_score",
        "glaciertime.forecast.judged.verdict.verdicts", "glaciertime.forecast.totals.total_forecasts",
    ),
    "Regions": ("glaciertime.region.totals.sum_sigma", "glaciertime.region.inventories.compare_inventories"),
    "Masks and fronts against labels": ("glaciertime.segment.judge.front_error.front_distances",),
}  # fmt: skip


def cell(text: Any) -> str:
    """Return a text as it may stand in a cell of a table."""
    return html.escape(re.sub(r"\s+", " ", str(text)), quote=False).replace("|", "&#124;").strip()


def table(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(map(cell, row)) + " |" for row in rows), ""])


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command by how it is typed, those of groups too."""
    from typer.main import get_command

    from glaciertime.cli import app

    for name, command in sorted(get_command(app).commands.items()):  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            yield from ((f"{name} {inner}", one) for inner, one in sorted(command.commands.items()))
        else:
            yield name, command


def command_page(name: str, command: Any) -> str:
    """Return the page of a command: what it does, its examples, its options."""
    context = command.make_context(name, [], resilient_parsing=True)
    text, _, examples = (command.help or "").partition("Examples:")
    parts = [f"# glaciertime {name}\n", " ".join(text.split("\n\n")[0].split()), ""]
    parts += [" ".join(block.split()) + "\n" for block in text.split("\n\n")[1:] if block.strip()]
    shown = [" ".join(line.split()) for line in examples.split("\n\n") if line.strip()]
    if shown:
        parts += ["## Examples\n", "```", *shown, "```\n"]
    rows = []
    for one in command.params:
        told = None if one.name == "help" else one.get_help_record(context)
        if told:
            rows.append((told[0], told[1]))
        elif one.param_type_name == "argument":
            rows.append((getattr(one, "metavar", None) or one.name.upper(), getattr(one, "help", "") or ""))
    parts += ["## Options\n", table(("option", "what it does"), rows)]
    return "\n".join(parts)


def tables_page() -> str:
    """Return the columns of every table, and what variables and flags mean."""
    from glaciertime.tables import QUALITY_FLAGS, SCHEMAS, VARIABLES

    parts = [
        "# Tables\n",
        "What passes between rooms, lies in the archive and is exported has these columns, everywhere by these names.",
        "A sigma is one standard deviation in the unit of its value; where it is empty it is not known.\n",
    ]
    for schema in SCHEMAS.values():
        rows = [
            (
                f"`{column}`",
                kind,
                "may be empty" if column in schema.nullable else "",
                "key" if column in schema.key else "",
            )
            for column, kind in schema.columns.items()
        ]
        parts += [f"## {schema.name}\n", table(("column", "kind", "", ""), rows)]
    variables = [
        (f"`{one.name}`", one.label, one.unit, "yes" if one.ratio_scale else "no") for one in VARIABLES.values()
    ]
    parts += ["## Variables\n", table(("variable", "what it is", "unit", "zero means none"), variables)]
    flags = [(f"`{flag}`", meaning) for flag, meaning in QUALITY_FLAGS.items()]
    parts += ["## Quality flags\n", table(("flag", "what it says"), flags)]
    return "\n".join(parts)


def limits_page() -> str:
    """Return what sizes of input are taken."""
    from glaciertime.limits import LIMITS

    rows = [(one.name, f"{one.default:,g}", one.unit, f"`{one.option}`, `{one.variable}`", one.reason)
            for one in LIMITS.values()]  # fmt: skip
    head = "# Limits\n\nA larger input is refused in a sentence that says how to let it pass.\n\n"
    return head + table(("limit", "default", "of what", "raised by", "why"), rows)


def numbers_page() -> str:
    """Return how each number is defined, out of the docstrings of what makes it."""
    parts = [(WRITTEN / "numbers.md").read_text(encoding="utf-8")]
    for title, names in NUMBERS.items():
        parts.append(f"\n## {title}\n")
        parts += [
            f"::: {name}\n    options:\n      show_root_heading: true\n      heading_level: 3\n" for name in names
        ]
    return "\n".join(parts)


def notebook_page(path: Path) -> str:
    """Return a notebook as a page: its texts and its code, without outputs, which the tests make."""
    import json

    parts = []
    for one in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(one["source"])
        parts.append(text if one["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join([*parts, ""])


def write_pages(folder: Path) -> dict[str, Any]:
    """Write the sources of all pages; return how they stand in the bar of the site."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in WRITTEN.glob("*.md"):
        shutil.copy(path, folder / path.name)
    for path in (ROOT / "docs").glob("*.md"):
        shutil.copy(path, folder / path.name)
    for path in (ROOT / "docs").glob("*.[sp][vn]g"):
        shutil.copy(path, folder / path.name)
    (folder / "numbers.md").write_text(numbers_page(), encoding="utf-8")
    (folder / "tables.md").write_text(tables_page(), encoding="utf-8")
    (folder / "limits.md").write_text(limits_page(), encoding="utf-8")
    (folder / "changes.md").write_text((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "commands").mkdir(exist_ok=True)
    of_commands: list[Any] = []
    for name, command in commands():
        file = f"commands/{name.replace(' ', '-')}.md"
        (folder / file).write_text(command_page(name, command), encoding="utf-8")
        of_commands.append({name: file})
    (folder / "notebooks").mkdir(exist_ok=True)
    of_notebooks: list[Any] = []
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        file = f"notebooks/{path.stem}.md"
        (folder / file).write_text(notebook_page(path), encoding="utf-8")
        of_notebooks.append({path.stem.replace("_", " "): file})
    return {
        "nav": [
            {"Start": "index.md"},
            {"Tutorials": [f"{name}.md" for name in TUTORIALS]},
            {"Notebooks": of_notebooks},
            {"How each number is defined": "numbers.md"},
            {"Commands": of_commands},
            {"Tables": "tables.md"},
            {"Adding to it": "adding.md"},
            {"What it cannot do": "cannot.md"},
            {"Limits": "limits.md"},
            {"From one glacier to all": "scale.md"},
            {"How to cite": "citing.md"},
            {"Licences": "licences.md"},
            {"Changes": "changes.md"},
        ]
    }


def settings(folder: Path, out: Path, nav: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of mkdocs."""
    return {
        "site_name": "glaciertime", "docs_dir": str(folder), "site_dir": str(out), "use_directory_urls": False, **nav,
        "theme": {"name": "material", "font": False, "features": ["navigation.sections", "content.code.copy"]},
        "plugins": [
            "search",
            {"mkdocstrings": {"handlers": {"python": {"paths": [str(ROOT)], "options": {
                "docstring_style": "numpy", "show_source": False, "docstring_section_style": "list",
                "show_root_full_path": False, "separate_signature": True}}}}},
        ],
        "validation": {"links": {"not_found": "warn"}, "omitted_files": "ignore"},
        "markdown_extensions": ["tables", "toc", "fenced_code"],
    }  # fmt: skip


def main() -> int:
    """Build the site."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a new folder, or one of an earlier site")
    parser.add_argument("--pages-only", action="store_true")
    args = parser.parse_args()
    if args.out.exists() and any(args.out.iterdir()) and not (args.out / "index.html").exists() and not args.pages_only:
        print(f"--out {args.out} holds files that are no site; give a new folder", file=sys.stderr)
        return 2
    if args.pages_only:
        write_pages(args.out)
        return 0
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held) / "pages"
        told = settings(folder, args.out.resolve(), write_pages(folder))
        file = Path(held) / "mkdocs.yml"
        file.write_text(yaml.safe_dump(told, allow_unicode=True, sort_keys=False), encoding="utf-8")
        build = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-f", str(file)]
        return subprocess.run(build, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}).returncode


if __name__ == "__main__":
    sys.exit(main())
