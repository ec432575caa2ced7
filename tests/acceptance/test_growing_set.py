"""The frozen set grows between two runs, and a person sees what that does to the figures."""

import re
from pathlib import Path

import pytest

from adapterd.home import Home
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, Person

CHANGES = ("dataset.growing_share=0.9", "dataset.evaluation_max=6", "merging.steps=0")
BRIDGE = r"6 cases, 5 new: live \(base\) has field_f1 \d\.\d{3} on the cases of set 1, \d\.\d{3} on all"


def said(person: Person, *arguments: str) -> str:
    """What a command that must succeed says."""
    found = person.run(*arguments)
    assert found.code == 0, found
    return found.stdout


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, tiny_path: Path) -> Person:
    """Somebody whose set had one case, and who gave more feedback since."""
    folder = tmp_path_factory.mktemp("grown")
    person = Person(Home(folder / "home"))
    begin(person, tiny_path, "--runtime", "embedded", changes=CHANGES)
    feed(person, folder / "first", count=12)
    assert "the evaluation set is small, 1 case: " in said(person, "retrain")
    feed(person, folder / "second", count=40)
    return person


def test_a_set_that_grows_is_bridged_and_told_everywhere(grown: Person) -> None:
    of_run = BRIDGE.replace("set 1", "the set before")
    assert re.search(f"the evaluation set has grown; {of_run}", said(grown, "retrain"))
    first, second = grown.json("eval", "list")
    assert (first["cases"], second["cases"], second["grown_from"], second["by_hand"]) == (1, 6, 1, False)
    assert re.search(f"set 2: {BRIDGE}", said(grown, "eval", "list"))
    assert re.search(of_run, said(grown, "show", "1.1.0"))
    report = Path(grown.json("report", "1.1.0")["report"]).read_text(encoding="utf-8")
    assert re.search(of_run, report)
    history = [event["text"] for event in grown.json("history", MODEL, "--limit", "100")]
    assert any(text.endswith("evaluation set 2 frozen with 6 cases, 5 new: set 1 has grown") for text in history)
    assert re.search(f"the evaluation set has grown; {of_run}", said(grown, "eval", "run", "1.1.0"))
