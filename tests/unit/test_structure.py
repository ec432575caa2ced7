"""How large the pieces of the product may be, and that the distribution holds all of them.

The limits are what was reached once: who makes a piece larger divides it, and does not raise the limit.
"""

import ast
import statistics
import tomllib
from collections import Counter
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = [ROOT / "daemon/adapterd", ROOT / "cli/adapterctl"]
FILES = sorted(
    path for folder in PRODUCT for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
)
MODULES = [path for path in FILES if path.suffix == ".py"]
MOST_LINES_OF_A_FILE = 400
MOST_FILES_OF_A_PACKAGE = 15
MOST_LINES_OF_A_FUNCTION = 58
MEDIAN_LINES_OF_A_FUNCTION = 4
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


@cache
def functions() -> dict[str, int]:
    """The lines of code in the body of every function and method: no docstring, no comments, no blank lines."""
    return {
        f"{name(path)}:{node.lineno} {node.name}": lines_of_code(node, text.splitlines())
        for path, text in [(path, path.read_text()) for path in MODULES]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef, text: list[str]) -> int:
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return sum(bool(line.partition("#")[0].strip()) for line in text[body[0].lineno - 1 : function.end_lineno])


def test_no_file_is_too_long() -> None:
    assert {name(path): lines(path) for path in MODULES if lines(path) > MOST_LINES_OF_A_FILE} == {}


def test_no_package_has_too_many_files() -> None:
    counted = Counter(path.parent for path in MODULES)
    assert {name(folder): count for folder, count in counted.items() if count > MOST_FILES_OF_A_PACKAGE} == {}


def test_no_function_is_too_long() -> None:
    assert {where: length for where, length in functions().items() if length > MOST_LINES_OF_A_FUNCTION} == {}


def test_functions_are_short() -> None:
    assert statistics.median(functions().values()) <= MEDIAN_LINES_OF_A_FUNCTION


def test_every_package_is_in_the_distribution() -> None:
    """Packages are found, not listed; one without an `__init__.py`, also in a folder above, would be left out."""
    assert SETUPTOOLS["packages"] == {"find": {"where": [name(top.parent) for top in PRODUCT]}}
    folders = {
        folder for path in MODULES for top in PRODUCT for folder in path.parents if top in (folder, *folder.parents)
    }
    assert [name(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix != ".py"], ids=name)
def test_every_file_of_data_is_in_the_distribution(path: Path) -> None:
    assert any(fnmatch(path.name, pattern) for pattern in SETUPTOOLS["package-data"].get(package(path), []))


@pytest.mark.parametrize("packages", SETUPTOOLS["package-data"])
def test_every_pattern_of_data_has_files(packages: str) -> None:
    names = [path.name for path in FILES if package(path) == packages]
    for pattern in SETUPTOOLS["package-data"][packages]:
        assert any(fnmatch(each, pattern) for each in names), pattern


def package(path: Path) -> str:
    """The package that a file belongs to."""
    (top,) = (folder for folder in PRODUCT if folder in path.parents)
    return ".".join(path.parent.relative_to(top.parent).parts)
