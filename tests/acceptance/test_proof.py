"""What a person sees of the proof: frozen sets, versions asked again, compared, and the page that says why."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from adapterd.home import Home
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, Person

FIRST = "1.0.0"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory, tiny_path: Path) -> Person:
    """Somebody whose first version was judged, by one case, and who gave more feedback since."""
    folder = tmp_path_factory.mktemp("proof")
    beside = ("evaluation.reference_nll=true", "evaluation.latency_questions=1")
    made = begin(Person(Home(folder / "home")), tiny_path, "--runtime", "embedded", changes=beside)
    feed(made, folder / "first", count=12)
    assert made.run("retrain").code == 0
    feed(made, folder / "second", count=40)
    return made


def test_the_set_that_a_run_froze_is_listed(person: Person) -> None:
    first = person.json("eval", "list")[0]
    assert (first["number"], first["cases"]) == (1, 1)
    assert re.fullmatch("[0-9a-f]{64}", first["hash"])


def test_a_version_is_asked_again_and_judged_by_the_gates_in_force(person: Person) -> None:
    judged = person.json("eval", "run", FIRST)
    assert judged["decision"] in ("promote", "hold", "not proven")
    assert judged["reason"]
    assert {"json_valid", "field_f1", "truncated"} <= judged["scores"]["candidate"]["metrics"].keys()
    for role in ("candidate", "base"):
        assert {"reference_nll", "reference_probability", "tokens_per_s"} <= judged["scores"][role]["metrics"].keys()
    assert judged["notes"] == []
    assert judged["evaluation_hash"] == person.json("eval", "list")[-1]["hash"]
    said = person.run("eval", "run", FIRST)
    assert f"{MODEL} {FIRST}: by the gates in force {judged['reason']}" in said.stdout


def test_two_versions_are_compared_with_intervals(person: Person) -> None:
    found = person.json("compare", "base", FIRST)
    valid = found["metrics"]["json_valid"]
    assert valid["interval"]["low"] <= valid["difference"] <= valid["interval"]["high"]
    assert valid["wins"] + valid["losses"] + valid["ties"] == valid["cases"]
    said = person.run("compare", "base", FIRST)
    assert said.code == 0, said
    assert "DIFFERENCE [95 %]" in said.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("compare", "base", "9.9.9"), 4, "9.9.9"),
        (("compare", "base", FIRST, "--set", "7"), 4, "no evaluation set 7; there are: 1"),
        (("eval", "run", "nonsense"), 6, "'nonsense' is not a version"),
        (("report", "9.9.9"), 4, "there is no stored evaluation of"),
    ],
)
def test_a_missing_version_or_file_is_named(person: Person, arguments: tuple[str, ...], code: int, words: str) -> None:
    said = person.run(*arguments)
    assert (said.code, words in said.stderr) == (code, True), said


class Page(HTMLParser):
    """What a page loads from elsewhere, and whether it runs anything."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [v for name, v in attrs if name in ("src", "href", "xlink:href") and v and not v.startswith("#")]


def test_the_report_is_one_page_that_needs_nothing_else(person: Person) -> None:
    file = Path(person.json("report", FIRST)["report"])
    page = Page(file.read_text("utf-8"))
    assert page.loaded == []
    assert "script" not in page.tags
    assert page.tags.count("svg") >= 5
    assert file.stat().st_size < 3_000_000


def test_the_report_says_the_verdict_first_and_where_the_version_comes_from(person: Person) -> None:
    judged = json.loads((person.home.version(MODEL, FIRST) / "evaluation.json").read_text("utf-8"))
    text = Path(person.json("report", FIRST)["report"]).read_text("utf-8")
    assert text.index(judged["decision"]) < text.index("Gates") < text.index("Where it comes from")
    assert judged["evaluation_hash"][:12] in text
    assert "llama-cpp-python" in text


def test_a_report_of_answers_that_are_markup_shows_them_as_text(person: Person) -> None:
    answers = person.home.version(MODEL, FIRST) / "answers" / "frozen.jsonl"
    before = answers.read_text("utf-8")
    lines = [json.loads(line) for line in before.splitlines()]
    for line in lines:
        line["reference"] = '{"type": "<script>alert(1)</script>"}'
        for name, answer in line["answers"].items():
            answer["text"] = "</pre><script>alert(2)</script>" if name == "candidate" else line["reference"]
    try:
        answers.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        page = Page(Path(person.json("report", FIRST)["report"]).read_text("utf-8"))
    finally:
        answers.write_text(before, "utf-8")
    assert "script" not in page.tags
    assert page.tags.count("pre") >= 4


def test_triage_says_whether_training_is_worth_it(person: Person) -> None:
    found = person.json("triage")
    assert found["outputs"] > 0
    assert found["advice"].startswith("training is ")
    assert found["advice"] in person.run("triage").stdout


def test_a_set_frozen_by_hand_is_new_asked_at_once_and_never_trained_on(person: Person) -> None:
    frozen = person.json("eval", "freeze", "--size", "15", "--strategy", "stratified")
    assert (frozen["number"], frozen["new"], frozen["cases"]) == (2, True, 15)
    assert frozen["live"]["evaluation_hash"] == frozen["hash"]
    again = person.json("eval", "freeze", "--size", "15", "--strategy", "stratified", "--no-run")
    assert (again["number"], again["new"], again["live"]) == (2, False, None)
    assert person.run("retrain").code == 0
    lineage = json.loads((person.home.version(MODEL, "1.1.0") / "lineage.json").read_text("utf-8"))
    dataset = lineage["stages"]["dataset"]
    assert dataset["evaluation_hash"] == frozen["hash"]
    assert dataset["held_out"] == 15 + 1
