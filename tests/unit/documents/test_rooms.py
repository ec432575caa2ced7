"""docs/architecture.md has every room of the product, what each one uses, and the layers as they are enforced."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.support.documents import PACKAGE_ROOTS, ROOT, section, text_of

ARCHITECTURE = text_of("docs/architecture.md")
STANDARD_WITH_AN_OWNER = {"ctypes", "fcntl", "plistlib", "sqlite3", "tomllib"}


def table() -> dict[str, set[str]]:
    """For each room or module of the table, what the table says that it uses."""
    found = {}
    for line in section(ARCHITECTURE, "Rooms").splitlines():
        if line.startswith("| `"):
            rooms, _purpose, uses = (cell.strip() for cell in line.strip("|").split("|"))
            for room in re.findall(r"`([^`]+)`", rooms):
                found[room] = set(re.findall(r"\w+", uses))
    return found


def rooms() -> dict[str, list[Path]]:
    """For each package and module at the top of the product, its files."""
    product = PACKAGE_ROOTS["adapterd"]
    found = {"adapterctl/": sorted(PACKAGE_ROOTS["adapterctl"].rglob("*.py"))}
    for path in sorted(product.iterdir()):
        if (path / "__init__.py").is_file():
            found[f"{path.name}/"] = sorted(path.rglob("*.py"))
        elif path.suffix == ".py" and path.name != "__init__.py":
            found[path.name] = [path]
    return found


def imports(path: Path) -> Iterator[str]:
    """The uppermost names of all modules that a file imports, at whatever place."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def used(files: list[Path]) -> set[str]:
    """Foreign libraries that these files import, and what has an owner in the standard library."""
    names = {name for path in files for name in imports(path)}
    return {name for name in names if name not in sys.stdlib_module_names or name in STANDARD_WITH_AN_OWNER} - {
        "adapterctl",
        "adapterd",
    }


def test_every_room_is_in_the_table() -> None:
    assert rooms().keys() - table().keys() == set(), "docs/architecture.md, table of rooms: add a row"


def test_table_names_only_rooms_that_exist() -> None:
    assert table().keys() - rooms().keys() == set(), "docs/architecture.md, table of rooms: remove the row"


def test_table_says_what_each_room_uses() -> None:
    told, missing, wrong = table(), {}, {}
    for room, files in rooms().items():
        actual = used(files)
        if actual - told[room]:
            missing[room] = actual - told[room]
        if told[room] - actual:
            wrong[room] = told[room] - actual
    assert (missing, wrong) == ({}, {}), "docs/architecture.md, table of rooms, column 'uses'"


def test_layers_are_those_that_are_enforced() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    [enforced] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    found = re.search(r"^```text\n(.*?)^```", section(ARCHITECTURE, "Rooms"), re.MULTILINE | re.DOTALL)
    assert found, "docs/architecture.md, Rooms: no block of layers"
    assert found.group(1).splitlines() == enforced, "docs/architecture.md, block of layers"
