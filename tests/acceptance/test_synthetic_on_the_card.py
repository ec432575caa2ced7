"""What teachers made is trained on, and a version says how much of it is whose: in `show`, its report and its card."""

import json
from pathlib import Path

from adapterd.chat import from_dicts
from adapterd.record import prompt_hash
from adapterd.store import Store
from adapterd.store.teaching.examples import ExampleState, NewExample
from tests.acceptance.conftest import feed
from tests.acceptance.person import MODEL, Person
from tests.support.foreign_text import acts

FIRST, KEPT, DROPPED = "1.0.0", 7, 5
ACTING = "<script>alert(1)</script> \x1b[2J \u202eevil"


def teach(person: Person) -> None:
    """Put into the store what a teacher would have made, one example of which a person is asked about."""
    states = [ExampleState.KEPT] * KEPT + [ExampleState.DROPPED] * DROPPED + [ExampleState.UNSURE]
    with Store(person.home.database) as store:
        for number, state in enumerate(states):
            messages = [{"role": "user", "content": f"Which of the {number} boats came to harbour {number}? {ACTING}"}]
            name = None if state is ExampleState.KEPT else "schema" if state is ExampleState.DROPPED else "grounded"
            store.teaching.examples.add(
                MODEL,
                NewExample(
                    "answer", "big", "big-1", prompt_hash(from_dicts(messages)), messages, json.dumps({"boat": number}),
                    state, filter=name, reason=f"{name} {ACTING}" if name else None, run="teach 1",
                ),
            )  # fmt: skip


def test_a_version_says_how_much_of_it_is_whose(person: Person) -> None:
    feed(person, person.home.root.parent / "application")
    teach(person)
    assert f"big, just now: 13 made, {KEPT} kept: {DROPPED} not by the schema" in person.run("status").stdout
    said = person.run("retrain")
    assert said.code == 0, said
    found = person.json("show", FIRST)
    card, dataset = found["data_card"], found["lineage"]["stages"]["dataset"]
    whose = card["whose"]
    assert whose.keys() == {"people", "teacher big"}
    assert sum(each["examples"] for each in whose.values()) == dataset["train"]["examples"]
    assert 0 < whose["teacher big"]["examples"] <= dataset["synthetic"] == KEPT
    assert sum(each["share"] for each in whose.values()) == 1
    assert whose["teacher big"]["loss_share"] < whose["teacher big"]["share"]  # dataset.synthetic_weight
    assert (card["teacher_yield"]["made"], card["teacher_yield"]["kept"], card["teacher_yield"]["unsure"]) == (13, 7, 1)

    told = f"13 made, {KEPT} kept: {DROPPED} not by the schema; 1 to be looked at"
    people = f"people {whose['people']['examples']} ({whose['people']['share']:.0%}"
    shown = person.run("show", FIRST).stdout
    assert not acts(shown)
    report = Path(person.json("report", FIRST)["report"]).read_text("utf-8")
    assert "<script>" not in report
    for text in (shown, report):
        assert told in text
        assert people in text
        assert "teacher big" in text


def test_what_waits_is_reviewed_by_another_process(person: Person) -> None:
    teach(person)
    said = person.run("synthetic", "review", given="k\n")
    assert said.code == 0, said
    assert not acts(said.stdout)
    assert "nothing is left to be looked at" in said.stdout
    assert "to be looked at" not in person.run("status").stdout
    assert len(person.json("synthetic", "list", "--state", "kept")) == KEPT + 1
