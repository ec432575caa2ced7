"""A fixture's name says its type: the same name has the same type in every file of tests."""

import ast
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parents[1]


def fixtures() -> dict[str, dict[str, set[str]]]:
    """The files of each type of each fixture's name."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in TESTS.rglob("*.py"):
        tree = ast.parse(path.read_text())
        of_the_file = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and any(
                ast.unparse(decorator).startswith("pytest.fixture") for decorator in node.decorator_list
            ):
                given = type_of(node)
                where = f"{given} of {path.stem}" if given in of_the_file else given
                found[node.name][where].add(str(path.relative_to(TESTS)))
    return found


def type_of(fixture: ast.FunctionDef) -> str:
    """What a test gets: without `Iterator` around it, and whether or not it is in quotes."""
    assert fixture.returns is not None, fixture.name
    given = ast.unparse(fixture.returns).strip("'\"")
    return given.removeprefix("Iterator[").removesuffix("]") if given.startswith("Iterator[") else given


def test_each_fixture_name_has_one_type() -> None:
    assert {name: dict(types) for name, types in fixtures().items() if len(types) > 1} == {}
