"""The contract of taking back: after `feedback remove` a text that went a whole cycle is nowhere in the home."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from adapterd.intake.http_intake import take_posted
from adapterd.review.marking import Marking
from adapterd.store import Store
from adapterd.store.prompt_pool.prompts import NewPrompt
from adapterd.store.teaching.examples import ExampleState, NewExample
from adapterd.store.teaching.requests import NewRequest
from tests.acceptance.conftest import begin
from tests.acceptance.person import MODEL, Person, write_news
from tests.support.marked_text import files_with

MARK = "Jörg „Kassandra“ Müller-Żak"
SETTINGS = ("merging.steps=0", "dataset.evaluation_max=6", "dataset.evaluation_share=0.3")
NOT_READ = 25
"""So many broken lines that the quarantine keeps their whole file."""


BAD = {"prompt": "Who rowed home in the end?", "output": "Nobody ever rowed.", "rating": 1}
"""An answer that was called bad, and that nobody mended: it teaches nothing by itself."""


def marked(number: int, **more: Any) -> dict[str, Any]:
    """A record of ours with the mark in everything that somebody may write."""
    return {
        "prompt": f"Who is meant in item {number}? {MARK} spoke there.",
        "output": f'{{"name": "nobody {number}"}}',
        "rating": 2,
        "correction": json.dumps({"name": MARK, "item": number}, ensure_ascii=bool(number % 2)),
        "correction_notes": f"It is {MARK}, see page {number}.",
        "source_id": f"{MARK}-{number}",
        **more,
    }


@pytest.fixture
def trained(stranger: Person, tiny_path: Path, tmp_path: Path) -> Person:
    """Somebody whose version has learned marked records, and was judged by others, from every way in."""
    person = begin(stranger, tiny_path, "--runtime", "embedded", changes=SETTINGS)
    old, new = tmp_path / "old.jsonl", tmp_path / "new.json"
    old.write_text(
        "\n".join(json.dumps(marked(number, created_at="2020-01-01T00:00:00Z")) for number in range(3))
        + f'\n{{"prompt": "{MARK}", "rating": \n',
        encoding="utf-8",
    )
    new.write_text(json.dumps([marked(10), {"prompt": "Who?", "correction": "The council."}]), encoding="utf-8")
    assert person.run("feedback", "import", old).code == 0
    person.run("feedback", "import", *write_news(tmp_path / "application").files)
    assert person.run("feedback", "import", new).code == 0
    given = ("--prompt", f"And {MARK}?", "--correction", f"That is {MARK}, too.", "--notes", f"{MARK}!")
    assert person.run("feedback", "add", *given).code == 0
    with Store(person.home.database) as store:
        take_posted(store, MODEL, [marked(20), BAD])
        repair(store)
    application_file(person).write_text(
        "\n".join([json.dumps(marked(30)), *(f'{{"{MARK} {number}": ' for number in range(NOT_READ))]), encoding="utf-8"
    )
    os.utime(application_file(person), (0, 0))
    said = person.run("retrain")
    assert said.code == 0, said
    assert person.run("report", "1.0.0").code == 0
    with Store(person.home.database) as store:
        marking = Marking.of(store, MODEL)
        for item in marking.items.values():
            marking.mark(item, range(len(item.facts)), on_topic=True)
        assert MARK in str(store.rubrics.facts(MODEL))
        teach(store)
    return person


def teach(store: Store) -> None:
    """A teacher answered a marked prompt, and an example was made of that."""
    messages = asked(f"What does {MARK} do?")
    store.teaching.requests.begin(MODEL, NewRequest("k", "answer", "big", "big:70b", {"messages": messages}))
    store.teaching.requests.answered(MODEL, "k", {"text": f"{MARK} sings."}, (1, 1), 0.1)
    new = NewExample("answer", "big", "big:70b", "p", messages, f"{MARK} sings.", ExampleState.KEPT, request_key="k")
    assert store.teaching.examples.add(MODEL, new)


def repair(store: Store) -> None:
    """A teacher mended the answer that somebody called bad."""
    (record,) = (each for each in store.feedback.all(MODEL) if json.loads(each.record)["output"] == BAD["output"])
    new = NewExample(
        "repair", "big", "big:70b", record.prompt_hash, asked(str(BAD["prompt"])), "The whole crew rowed home.",
        ExampleState.KEPT, records=(record.content_hash,),
    )  # fmt: skip
    assert store.teaching.examples.add(MODEL, new)


def asked(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def application_file(person: Person) -> Path:
    return person.inbox / "from-the-desk.jsonl"


def test_marked_text_is_nowhere_after_it_was_removed(trained: Person, tmp_path: Path) -> None:
    root, foreign = trained.home.root, application_file(trained)
    before = files_with(MARK, root)
    for kind in ("feedback/", "quarantine/", "models/news/1.0.0/answers", "runs/", "state.db"):
        assert any(name.startswith(kind) for name in before), (kind, before)
    assert list(trained.home.states.glob("*/*"))

    mended = trained.json("feedback", "remove", "--matching", str(BAD["output"]), "--dry-run")
    assert (mended["records"], mended["versions"]) == (1, {"1.0.0": {"learned": 1, "judged": 0}})
    planned = trained.json("feedback", "remove", "--matching", MARK.upper(), "--dry-run")
    assert (planned["records"], planned["removed"]) == (7, False)
    assert files_with(MARK, root) == before

    done = trained.json("feedback", "remove", "--matching", MARK.upper(), "--yes")
    assert done["removed"] is True
    assert files_with(MARK, root, but=[foreign]) == []
    assert [each["file"] for each in done["foreign"]] == [str(foreign)]
    assert set(done["versions"]) == {"1.0.0"}
    assert done["versions"]["1.0.0"]["learned"] > 0
    assert done["versions"]["1.0.0"]["judged"] > 0
    assert trained.json("feedback", "remove", "--matching", MARK, "--dry-run")["records"] == 0

    said = trained.run("feedback", "import", tmp_path / "old.jsonl", tmp_path / "new.json", "--json")
    again = json.loads(said.stdout)
    assert said.code == 0
    # One of the five is the broken line of old.jsonl, one the marked record of new.json.
    assert (again["accepted"], again["quarantined"], again["removed"]) == (0, 0, 5)
    with Store(trained.home.database) as store:
        posted = take_posted(store, MODEL, [marked(20, rating=1), marked(99)])
    assert (posted.accepted, posted.removed) == (1, 1)
    assert trained.json("feedback", "remove", "--matching", MARK, "--yes")["records"] == 1
    foreign.write_text(foreign.read_text(encoding="utf-8") + "\n{", encoding="utf-8")
    assert trained.run("feedback", "import", tmp_path / "old.jsonl").code == 6
    assert files_with(MARK, root, but=[foreign]) == []


def test_what_was_judged_stays_consistent_and_a_version_without_it_is_made(trained: Person) -> None:
    before = trained.json("eval", "list")[-1]
    with Store(trained.home.database) as store:
        store.prompts.add(MODEL, [NewPrompt("hash", json.dumps(asked(f"Is {MARK} in?")), ("key-1",), "import")])
    done = trained.json("feedback", "remove", "--matching", MARK, "--yes", "--retrain")
    after = trained.json("eval", "list")[-1]
    shown = trained.json("show", "1.0.0")
    assert after["cases"] < before["cases"]
    assert shown["metrics"]["scores"]["candidate"]["prompts"] == after["cases"]
    assert shown["metrics"]["evaluation_hash"].startswith(after["hash"][:12])
    assert trained.run("report", "1.0.0").code == 0

    newest = trained.json("versions")[0]
    assert newest["version"] == done["retrain"]["version"]
    assert (newest["version"], newest["removed"]) == ("1.1.0", None)
    assert files_with(MARK, trained.home.root, but=[application_file(trained)]) == []
