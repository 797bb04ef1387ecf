"""The documentation site: what it shows is there, and what it tells to type can be typed."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built() -> ModuleType:
    path = ROOT / "scripts" / "build_docs.py"
    spec = importlib.util.spec_from_file_location("build_docs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(built: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    built.write_pages(folder)
    return folder


def test_every_function_that_defines_a_number_is_there_and_documented(built: ModuleType) -> None:
    for names in built.NUMBERS.values():
        for name in names:
            module, _, function = name.rpartition(".")
            assert getattr(importlib.import_module(module), function).__doc__, name


def test_every_command_has_a_page_with_all_its_options(built: ModuleType, pages: Path) -> None:
    for name, command in built.commands():
        text = (pages / "commands" / f"{name.replace(' ', '-')}.md").read_text()
        assert text.startswith(f"# glaciertime {name}\n")
        for one in command.params:
            if one.param_type_name == "option" and one.name != "help" and not getattr(one, "hidden", False):
                assert one.opts[0] in text, f"{name} {one.opts[0]}"


def test_every_link_of_a_written_page_leads_somewhere(pages: Path) -> None:
    for page in pages.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+\.md)\)", page.read_text()):
            if not target.startswith("http"):
                assert (pages / target).exists(), f"{page.name}: {target}"


def typed(text: str) -> list[str]:
    """Return the command lines of a page: those in blocks, and those in the text that have an option."""
    blocks = [line for block in re.findall(r"```\n(.*?)```", text, flags=re.S) for line in block.splitlines()]
    spans = re.findall(r"`(glaciertime [^`]+)`", text)
    return [line for line in (*blocks, *spans) if line.startswith("glaciertime ")]


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "pages").glob("*.md")), ids=lambda path: path.stem)
def test_what_a_page_says_to_type_are_commands_with_options_that_exist(built: ModuleType, page: Path) -> None:
    known: dict[str, Any] = dict(built.commands())
    for line in typed(page.read_text()):
        words = shlex.split(line.split(" > ")[0])[1:]
        name = next((one for one in (" ".join(words[:2]), words[0]) if one in known), None)
        assert name is not None, line
        options = {option for one in known[name].params for option in (*one.opts, *one.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= options, line


def test_what_a_page_asks_why_of_is_a_row_or_a_file_and_no_glacier() -> None:
    asked = [
        (page.name, given)
        for page in (ROOT / "docs" / "pages").glob("*.md")
        for given in re.findall(r"glaciertime why (\"[^\"]*\"|[^\s`]+)", page.read_text(encoding="utf-8"))
    ]
    assert ("own_masks.md", "masks/glacier_2003-08-12.tif") in asked
    for page, given in asked:
        assert given == "FILE" or Path(given).suffix or re.fullmatch("o[0-9a-f]{12}", given), f"{page}: {given}"


def test_the_site_is_built_and_asks_for_nothing_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocstrings", reason="the extra 'docs' is not installed")
    pytest.importorskip("material", reason="the extra 'docs' is not installed")
    out = tmp_path / "site"
    script = str(ROOT / "scripts" / "build_docs.py")
    ran = subprocess.run([sys.executable, script, "--out", str(out)], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    page = (out / "numbers.html").read_text()
    assert "polygon_area_km2" in page
    assert "ellipsoid" in page
    for path in out.rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"(https?://[^\"]+)", path.read_text())
        assert [address for address in loaded if "squidfunk" not in address] == [], path.name


def test_a_folder_that_is_no_site_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    script = str(ROOT / "scripts" / "build_docs.py")
    ran = subprocess.run([sys.executable, script, "--out", str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 2
    assert "give a new folder" in ran.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.txt"]
