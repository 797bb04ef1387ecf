"""The recipes for containers and conda: they need what the package says that it needs, and install what it has."""

from __future__ import annotations

import configparser
import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
#: Under another name at conda-forge.
RENAMED = {"matplotlib-base": "matplotlib"}


@pytest.fixture(scope="module")
def config() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def recipe() -> dict:
    return yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def checked() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_recipes", ROOT / "scripts" / "check_recipes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_recipes"] = module
    spec.loader.exec_module(module)
    return module


def stated(lines: str) -> dict[str, SpecifierSet]:
    rows = (line.strip() for line in lines.splitlines())
    found = [Requirement(row) for row in rows if row and not row.startswith("#")]
    return {one.name: one.specifier for one in found}


def of_conda(lines: list[str]) -> dict[str, SpecifierSet]:
    found = {}
    for line in lines:
        name, _, versions = line.partition(" ")
        found[RENAMED.get(name, name)] = SpecifierSet(versions)
    return found


def test_the_conda_recipe_needs_what_the_package_needs(config: configparser.ConfigParser, recipe: dict) -> None:
    run = of_conda(recipe["requirements"]["run"])
    assert run.pop("python") == SpecifierSet(config["options"]["python_requires"])
    assert run == stated(config["options"]["install_requires"])
    extra = stated(config["options.extras_require"]["dashboard"])
    assert of_conda(recipe["requirements"]["run_constraints"]) == extra


def test_the_conda_recipe_is_of_this_version_and_starts_what_the_package_starts(
    config: configparser.ConfigParser, recipe: dict
) -> None:
    assert recipe["context"]["version"] == config["metadata"]["version"]
    started = [line.strip() for line in config["options.entry_points"]["console_scripts"].splitlines() if line.strip()]
    assert recipe["build"]["python"]["entry_points"] == started
    assert recipe["about"]["license"] == config["metadata"]["license"]
    host = of_conda(recipe["requirements"]["host"])
    assert host["python"] == SpecifierSet(config["options"]["python_requires"])
    assert str(host["setuptools"]) in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_container_is_of_a_python_that_was_tried_and_of_extras_that_there_are(
    checked: ModuleType, config: configparser.ConfigParser
) -> None:
    steps = checked.steps(ROOT / "Dockerfile")
    python = re.fullmatch(r"python:(\d+\.\d+)-slim", steps["FROM"][0])
    assert python is not None
    assert python[1] in SpecifierSet(config["options"]["python_requires"])
    arguments = dict(line.partition("=")[::2] for line in steps["ARG"])
    assert set(arguments["EXTRAS"].split(",")) <= set(config["options.extras_require"])
    assert "train" not in arguments["EXTRAS"]  # five gigabytes that few need
    installs = [line for line in steps["RUN"] if "pip install" in line]
    assert len(installs) == 1
    assert shlex.split(installs[0].split("&&")[0])[-1] == f"/source[{arguments['EXTRAS']}]"


def test_the_container_is_given_all_that_the_package_is_built_of(config: configparser.ConfigParser) -> None:
    given = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in given)
    folders = {line.partition("=")[2].strip() for line in config["options"]["package_dir"].splitlines() if "=" in line}
    files = {config["metadata"]["long_description"].removeprefix("file:").strip(), config["metadata"]["license_files"]}
    assert given >= folders | files | {"glaciertime", "setup.cfg", "pyproject.toml"}
