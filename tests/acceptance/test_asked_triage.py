"""`adapterctl triage --ask`: the advice rests on what the base itself answers."""

import json
import shutil

import pytest

from adapterd.home import Home
from tests.acceptance.conftest import begin
from tests.acceptance.person import MODEL, Person
from tests.support.real_ollama import OLLAMA

EXAMPLES, ASKED = 60, 6


@pytest.fixture(scope="module", params=["embedded", OLLAMA])
def begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Somebody who has handed in demonstrations of an answer in JSON, of which SmolLM2 knows nothing."""
    folder = tmp_path_factory.mktemp("triage")
    person, base = Person(Home(folder / "home")), request.getfixturevalue("smollm2_path")
    served = ("--runtime", "embedded")
    if request.param == "ollama":
        served = ("--host", request.getfixturevalue("ollama_host"))
    begin(person, base, *served, changes=("evaluation.num_predict=24",))
    lines = [
        json.dumps({"prompt": f"Who met in room {number}?", "correction": {"who": f"council {number}"}})
        for number in range(EXAMPLES)
    ]
    file = folder / "demonstrations.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    assert person.json("feedback", "import", file)["accepted"] == EXAMPLES
    return person


@pytest.fixture
def person(begun: Person) -> Person:
    """The same, before anything was asked."""
    shutil.rmtree(begun.home.answers, ignore_errors=True)
    return begun


def test_the_base_itself_shows_that_training_is_worth_it(person: Person) -> None:
    assert not person.json("triage")["worth_training"]
    found = person.json("triage", "--ask", "--sample", str(ASKED), "--yes")
    assert (found["asked"], found["failed"], found["examples"]) == (ASKED, ASKED, EXAMPLES)
    assert found["metrics"]["json_valid"] == 0
    assert found["worth_training"], found
    assert found["advice"].startswith(f"training is worth it: the base fails in {ASKED} of {ASKED} answers")


def test_the_cost_is_told_before_it_is_asked_whether_to(person: Person) -> None:
    refused = person.run("triage", "--ask", "--sample", str(ASKED), given="n\n")
    assert refused.code != 0
    assert f"{MODEL}:base has {ASKED - 2} questions to answer: " in refused.stderr
    assert "answers of at most 24 tokens each; about " in refused.stderr
    assert "training is" not in refused.stdout
    said = person.run("triage", "--ask", "--sample", str(ASKED), given="y\n")
    assert said.code == 0, said
    assert "json_valid" in said.stdout
    assert "training is worth it" in said.stdout


def test_what_is_known_is_not_asked_again(person: Person) -> None:
    first = person.run("triage", "--ask", "--sample", "3", "--yes")
    again = person.run("triage", "--ask", "--sample", "3")
    assert (again.code, again.stdout) == (0, first.stdout)
    assert "questions to answer" not in again.stderr
    assert len(list(person.home.answers.glob("*.json"))) == 3


def test_options_of_asking_need_it(person: Person) -> None:
    assert person.run("triage", "--sample", "3").complaint == "--sample and --yes go with --ask"
