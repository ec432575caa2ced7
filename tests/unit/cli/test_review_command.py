"""What `adapterctl review` shows and keeps, and what `adapterctl open` says."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from adapterd.capture.captures import Captures
from adapterd.capture.passthrough.capture_id import new_id
from adapterd.chat import Message, Role
from adapterd.errors import NotFoundError
from adapterd.home import Home
from adapterd.page import running
from adapterd.record import prompt_hash
from adapterd.store import Store
from tests.unit.capture.test_captures import HELLO

Command = Callable[..., Result]
CONFIG = '[models.smol]\nbase = "t:1"\nbase_digest = "sha256:00"\n[ollama]\nhost = "http://127.0.0.1:9"\n'


@pytest.fixture
def answers(home: Home) -> None:
    """Three captured answers."""
    home.config_file.write_text(CONFIG)
    with Captures(home.captures) as captures:
        for number in range(3):
            prompt = f"Who is number {number}?"
            captures.add(
                replace(
                    HELLO, id=new_id(1_790_000_000.0 + number), model="smol", answer="\x1b[31mnobody", faults=[],
                    turns=[{"role": "user", "content": prompt}],
                    prompt_hash=prompt_hash((Message(Role.USER, prompt),)),
                )
            )  # fmt: skip


def review(keys: str) -> Result:
    from adapterctl.main import cli

    return CliRunner().invoke(cli, ["review"], input=keys, catch_exceptions=False, standalone_mode=False)


def records(home: Home) -> list[dict[str, Any]]:
    with Store(home.database) as store:
        return [json.loads(row.record) for row in store.feedback.all("smol")]


def test_answers_are_judged_by_keys(home: Home, answers: None) -> None:
    said = review("5\n2\ns\n").stdout
    assert "nothing is left to be judged" in said
    assert "\x1b[31m" not in said
    assert sorted(each["rating"] for each in records(home)) == [2, 5]


def test_the_last_is_undone_and_q_ends(home: Home, answers: None) -> None:
    review("5\nu\nq\n")
    assert records(home) == []


def test_an_answer_is_edited(home: Home, answers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    edits = iter(["Ada", None, "  "])
    monkeypatch.setattr(click, "edit", lambda _text: next(edits))
    said = review("e\ne\ne\nq\n").stdout
    assert said.count("nothing was changed") == 2
    assert [each["correction"] for each in records(home)] == ["Ada"]


def test_an_end_of_input_ends_it(home: Home, answers: None) -> None:
    with pytest.raises(click.Abort):
        review("5\n")
    assert len(records(home)) == 1


def test_programs_are_told_what_comes_next(as_json: Callable[..., Any], home: Home, answers: None) -> None:
    told = as_json("review")
    assert (told["judged"], told["failing"]["of"], told["next"]["slice"]) == (0, 0, "random")
    review("1\nq\n")
    assert as_json("review")["failing"]["count"] == 1
    assert len(records(home)) == 1


def test_without_captures_it_says_how_to_begin(adapterctl: Command, home: Home) -> None:
    home.config_file.write_text(CONFIG)
    with pytest.raises(NotFoundError, match="no answer is captured"):
        adapterctl("review")
    assert not home.captures.exists()


def test_open_prints_the_link_where_no_browser_can_be_seen(
    adapterctl: Command, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.config_file.write_text(CONFIG)
    served = running.Running(11999, 1, "k" * 40, "0")
    monkeypatch.setattr(running, "start", lambda _home: served)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert adapterctl("open").stdout.startswith("http://127.0.0.1:11999/enter?ticket=")
    monkeypatch.setattr("adapterd.system.host.browser.open_in_browser", lambda _link: True)
    assert "open in your browser" in adapterctl("open").stdout
    assert adapterctl("open", "--no-browser").stdout.startswith("http://127.0.0.1:11999/")
    assert Path(home.page).exists() is False


def test_a_failure_tag_is_suggested_and_not_kept(home: Home) -> None:
    home.config_file.write_text(CONFIG)
    story = "The ferry of Dunmore belongs to Grace Whitfield now, and it was late on most days of the year. " * 4
    with Captures(home.captures) as captures:
        for number, answer in enumerate(("Grace Whitfield has it.", "Oswald Tremaine has it.")):
            prompt = f"{story}Whose is it? {number}"
            turns = [{"role": "user", "content": prompt}]
            asked = prompt_hash((Message(Role.USER, prompt),))
            captures.add(
                replace(
                    HELLO, id=new_id(1_790_000_000.0 + number), model="smol", answer=answer, faults=[], turns=turns,
                    prompt_hash=asked, kept="sample" if number == 0 else "again",
                )
            )  # fmt: skip
    said = review("5\n1\n").stdout
    assert said.count("perhaps hallucination: a name of the answer is not in its prompt: Tremaine") == 1
    assert [each["failure_tags"] for each in records(home)] == [[], []]
