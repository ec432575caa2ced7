"""docs/glossary.md has every package of the product, and each word once."""

from collections import Counter

import pytest

from tests.support.documents import first_cells, packages, section, text_of

GLOSSARY = text_of("docs/glossary.md")
NAMED = [cell.strip("`") for cell in first_cells(section(GLOSSARY, "Packages"))]


@pytest.mark.parametrize("package", [name for name, _ in packages() if name != "adapterd"])
def test_package_is_in_the_glossary(package: str) -> None:
    assert package in NAMED, f"docs/glossary.md, table of packages: add a row for `{package}`"


def test_glossary_names_only_packages_that_exist() -> None:
    assert set(NAMED) <= {name for name, _ in packages()}


def test_words_are_in_order_and_each_is_there_once() -> None:
    words = first_cells(section(GLOSSARY, "Words"))
    assert words == sorted(words, key=str.casefold)
    assert [word for word, times in Counter(words).items() if times > 1] == []


def test_every_row_has_a_synonym_of_the_field() -> None:
    rows = [line for line in GLOSSARY.splitlines() if line.startswith("| ")]
    assert [row for row in rows if row.count("|") != 4 or not row.strip("| ").split("|")[-1].strip()] == []
