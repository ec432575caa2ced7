"""docs/principles.md has every law that the code, the tests and the documents cite."""

import re

from tests.support.documents import DOCS, PACKAGE_ROOTS, ROOT, text_of

PRINCIPLES = text_of("docs/principles.md")
NUMBERS = [int(number) for number in re.findall(r"^## (\d+)\. ", PRINCIPLES, re.MULTILINE)]
CITATION = re.compile(r"\blaws? (\d+)\b")


def cited() -> dict[int, list[str]]:
    """For each number that is cited, the files that cite it."""
    found: dict[int, list[str]] = {}
    for folder in [*PACKAGE_ROOTS.values(), ROOT / "tests", ROOT / "bench", ROOT / "scripts", DOCS]:
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".py", ".md"} and path.name != "principles.md":
                for number in CITATION.findall(path.read_text(encoding="utf-8")):
                    found.setdefault(int(number), []).append(str(path.relative_to(ROOT)))
    return found


def test_laws_are_numbered_without_a_gap() -> None:
    assert list(range(1, len(NUMBERS) + 1)) == NUMBERS


def test_every_cited_law_is_written_down() -> None:
    assert {number: files for number, files in cited().items() if number not in NUMBERS} == {}


def test_code_cites_the_first_laws() -> None:
    """The search itself finds something."""
    assert {1, 2, 6, 7, 8, 9, 10} <= cited().keys()


def test_each_promise_of_the_readme_links_to_its_law() -> None:
    promises = re.findall(r"^(\d+)\. .*?\(docs/principles\.md#(\d+)-", text_of("README.md"), re.MULTILINE)
    assert promises == [(str(n), str(n)) for n in range(1, len(promises) + 1)]
    assert len(promises) >= 7


def test_links_to_laws_lead_to_a_heading() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line[3:].lower()).replace(" ", "-")
        for line in PRINCIPLES.splitlines()
        if line.startswith("## ")
    }
    anchors = set(re.findall(r"principles\.md#([\w-]+)", text_of("README.md")))
    assert anchors
    assert anchors <= headings
