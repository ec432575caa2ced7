"""One record never stops a run: what cannot be rendered, asked or measured is left out and named."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapterd.home import Home
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, Person, Said, write_news
from tests.support.tiny_gguf import write_tiny_gguf

ALTERNATING = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
ODD: dict[str, dict[str, Any]] = {
    "two user turns": {"messages": [{"role": "user", "content": "Hello"}, {"role": "user", "content": "Title of: x"}]},
    "a long prompt": {"prompt": "word " * 900},
    "a number that squares to infinity": {"prompt": "What of the price?", "correction": {"price": 1e200}},
    "a number of 400 digits": {"prompt": "What of the number?", "correction": '{"n": ' + "9" * 400 + "}"},
    "half of a surrogate pair in a key": {"prompt": "What of the title?", "correction": '{"\\ud800": 1}'},
    "a reference of 40,000 words": {"prompt": "What of it all?", "correction": "word " * 40_000},
}

ASKED_LATER = (
    "", "term " * 900, "How much was paid for the barn?", "Which count came out in Lowmere?", "Who named the ferry?",
    "Tell every single thing you know",
)  # fmt: skip
"""What the same odd answers are given to after the run."""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Person, Said]:
    """Somebody whose newest records are all odd, and what they saw of their first run."""
    folder = tmp_path_factory.mktemp("odd")
    metadata = {"tokenizer.chat_template": ALTERNATING, "llama.context_length": 2048}
    base = write_tiny_gguf(folder / "strict.gguf", type_name="Q4_1", metadata=metadata)
    person = begin(
        Person(Home(folder / "home")), base, "--runtime", "embedded",
        changes=("evaluation.num_ctx=512", "dataset.max_tokens=1024"),
    )  # fmt: skip
    feed(person, folder / "application", count=20)
    feed_odd(person, folder / "odd.jsonl")
    return person, person.run("retrain")


def feed_odd(person: Person, file: Path, records: Iterable[dict[str, Any]] = ODD.values()) -> None:
    """Import the odd records as the newest."""
    moment = datetime.now(UTC) - timedelta(minutes=1)
    lines = [{"output": "x", "correction": "y", "created_at": moment.isoformat(), **odd} for odd in records]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert person.json("feedback", "import", file)["accepted"] == len(ODD)


def test_the_run_ends_with_a_verdict_and_says_what_it_left_out(ended: tuple[Person, Said]) -> None:
    _, said = ended
    assert said.code == 0, said
    assert "left out, as they cannot be used: 1 (record " in said.stdout
    assert "the chat template refuses its conversation" in said.stdout
    assert "left out of the evaluation set: " in said.stdout
    assert "learned " in said.stdout


def test_none_of_them_judges(ended: tuple[Person, Said]) -> None:
    person, _ = ended
    dataset = person.json("show", "1.0.0")["lineage"]["stages"]["dataset"]
    reasons = [each["reason"] for each in dataset["unaskable"]]
    for word in ("evaluation.num_ctx = 512", "1e+200", "9999…", "surrogate pair", "more than the 2048 to compare"):
        assert any(word in reason for reason in reasons), word
    assert [each["reason"] for each in dataset["unusable"]] == [
        f"the chat template refuses its conversation: the chat template of {MODEL}:base cannot be used: "
        "roles must alternate"
    ]
    assert "roles must alternate" in person.run("show", "1.0.0").stdout


def test_a_set_that_is_frozen_by_hand_has_none_of_them_either(ended: tuple[Person, Said], tmp_path: Path) -> None:
    """What judges are prompts that came after the run; those that it was trained on cannot."""
    person, _ = ended
    said = person.run("eval", "freeze", "--size", "10", "--no-run")
    assert (said.code, "prompts that no version was trained on, and 10 are needed" in said.stderr) == (7, True)
    assert person.run("feedback", "import", *write_news(tmp_path / "later", seed=2, count=20).files).code == 0
    feed_odd(person, tmp_path / "odd.jsonl", [
        {**odd, "messages": [{"role": "user", "content": text} for text in ("Good day", "Who ran?")]}
        if "messages" in odd
        else {**odd, "prompt": prompt}
        for odd, prompt in zip(ODD.values(), ASKED_LATER, strict=True)
    ])  # fmt: skip
    frozen = person.json("eval", "freeze", "--size", "10", "--no-run")
    assert (frozen["cases"], frozen["new"]) == (10, True)
    assert len(frozen["left_out"]) == len(ODD)
    assert person.run("eval", "run").code == 0


def test_the_report_names_them(ended: tuple[Person, Said]) -> None:
    person, _ = ended
    page = Path(person.json("report", "1.0.0")["report"]).read_text(encoding="utf-8")
    assert "roles must alternate" in page
    assert "left out of the evaluation set" in page
