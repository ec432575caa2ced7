"""`adapterctl teach` and `adapterctl synthetic`, against a scripted teacher."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from adapterd.errors import ConfigError, InputError, NotFoundError
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.store import Store
from adapterd.store.teaching.examples import FORM, ExampleState, NewExample
from tests.support.foreign_text import HOSTILE, acts
from tests.support.teacher_replies import QUICK, error, openai_said
from tests.unit.cli.conftest import Command
from tests.unit.judges.test_examples import Both, both_at, gives
from tests.unit.teachers.test_teach import MODEL, QUESTIONS, made, pool, teacher_saying

AsJson = Callable[..., Any]
SHELL = "\x1b]0;owned\x07<script>"


def say(text: str) -> bytes:
    return openai_said("It stands in", "length") if "bicycles" in text else openai_said(f"It stands there. {SHELL}")


def example(store: Store, state: ExampleState, answer: str = "Ada") -> int:
    messages = [{"role": "user", "content": f"Who? {SHELL}"}]
    found = store.teaching.examples.add(
        MODEL, NewExample("answer", "big", "big-1", "p", messages, answer, state, reason=SHELL)
    )
    assert found
    return found


def test_plan_is_shown_and_nobody_is_asked(store: Store, home: Home, adapterctl: Command, as_json: AsJson) -> None:
    pool(store, *QUESTIONS)
    with teacher_saying(home, say) as (_, asked):
        told = adapterctl("teach", "--dry-run").stdout
        assert "big (big-1) would be asked for 3 answer" in told
        assert as_json("teach", "--dry-run", "--limit", "2")["counts"]["answer"] == 2
        assert asked == []


def test_yield_is_told_with_its_reasons_and_what_is_foreign_acts_on_nothing(
    store: Store, home: Home, adapterctl: Command
) -> None:
    pool(store, *QUESTIONS)
    with teacher_saying(home, say) as (_, asked):
        told = adapterctl("teach").stdout
        assert "m: 3 made, 2 kept: 1 not complete" in told
        assert len(asked) == 3
        assert "there is nothing new to ask big for" in adapterctl("teach").stdout
        shown = adapterctl("synthetic", "show", str(store.teaching.examples.all(MODEL)[0].id)).stdout
        assert "It stands there." in shown
        assert "\x1b" not in shown
        listed = adapterctl("synthetic", "list").stdout
        assert "dropped" in listed


def test_json_tells_all(store: Store, home: Home, as_json: AsJson) -> None:
    pool(store, *QUESTIONS)
    with teacher_saying(home, say):
        told = as_json("teach")
    assert (told["teacher"], told["made"]["answer"], told["yield"]["kept"]) == ("big", 3, 2)
    assert told["outcome"]["ended"] == "done"
    assert {each["state"] for each in as_json("synthetic", "list")} == {"kept", "dropped"}
    assert [each["answer"] for each in as_json("synthetic", "list", "--state", "dropped")] == ["It stands in"]


def test_it_is_shown_how_long_many_records_are_scanned(
    store: Store, home: Home, adapterctl: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapterd.intake.screening.BATCH", 2)
    pool(store, *QUESTIONS)
    take_posted(
        store, MODEL, [{"prompt": f"Who is number {number}?", "output": "Ada", "rating": 1} for number in range(8)]
    )
    with teacher_saying(home, say):
        told = adapterctl("teach", "--dry-run").stderr.splitlines()
        assert told[0].split() == ["scanning", "0%"]
        assert told[1].startswith("  scanning     25%")
        assert "left" in told[1]
        assert "done in" in told[-1]
        assert "scanning" not in adapterctl("teach", "--dry-run").stderr


def test_it_is_shown_how_far_large_documents_are_read(
    home: Home, adapterctl: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("adapterd.teachers.prepare._tokens", lambda *_: len)
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text(f"The library of Ulm has {number} floors, and opens at nine.", "utf-8")
    with teacher_saying(home, say):
        asked = ("teach", "--dry-run", "--kind", "grounded", "--limit", "2", "--documents", str(tmp_path))
        assert "reading" not in adapterctl(*asked).stderr
        monkeypatch.setattr("adapterd.teachers.documents.reading.MUCH_BYTES", 100)
        told = [line.split()[:2] for line in adapterctl(*asked).stderr.splitlines()]
    assert told == [["reading", "0%"], ["reading", "40%"], ["reading", "80%"], ["reading", "done"]]


def test_without_anything_to_ask_it_says_how_prompts_come(home: Home, adapterctl: Command) -> None:
    with teacher_saying(home, say):
        assert "adapterctl prompts import" in adapterctl("teach").stdout


def test_judge_is_in_the_plan_and_in_what_came_of_it(
    store: Store, home: Home, adapterctl: Command, as_json: AsJson
) -> None:
    pool(store, *QUESTIONS)
    both = Both(gives(4))
    with both_at(home, both, judge="max_calls = 2", more="") as settings:
        planned = adapterctl("teach", "--dry-run")
        assert "and the judge strict (strict:1) 2 times about each example" in planned.stdout
        assert "about 0 that wait: 6 requests more, at most" in planned.stdout
        told = as_json("teach", "--dry-run")
        assert (told["judge"], told["most_verdicts"], told["unjudged"]) == ("strict", 6, 0)
        assert both.taught == both.judged == []
        said = adapterctl("teach")
        assert "m: 3 made, 0 kept: 1 below the judge's score; 2 wait for the judge" in said.stdout
        assert "below the judge's score: the judge gave 4 of 10" in said.stdout
        assert "2 examples wait for the judge: as many requests as max_calls allows were asked" in said.stderr
        assert as_json("teach", "--dry-run")["unjudged"] == 2
        again = as_json("teach")
        assert (again["judge"]["unjudged"], again["judge"]["same_judge"]) == (1, True)
        assert again["judge"]["earlier"]["filters"][0]["dropped"] == 1
        assert "2 wait" not in adapterctl("status").stdout
        assert "below the judge's score" in adapterctl("status").stdout
        assert settings.models[MODEL].teaching.judge_score == 6


def test_judge_of_the_teacher_s_family_is_warned_of(store: Store, home: Home, adapterctl: Command) -> None:
    pool(store, QUESTIONS[0])
    more = "teaching.teacher = 'big'\n[teachers.other]\nmodel = 'strict:70b'"
    with both_at(home, Both(), more=more):
        for command in (("teach", "--dry-run"), ("teach",)):
            assert "both called strict: a judge favours its family" in " ".join(adapterctl(*command).stderr.split())


def test_wrong_key_is_one_sentence(store: Store, home: Home, adapterctl: Command) -> None:
    pool(store, *QUESTIONS)
    with teacher_saying(home, lambda _: error(401, "bad key")), pytest.raises(ConfigError, match="key"):
        adapterctl("teach")


def test_unavailable_teacher_is_named_and_the_command_goes_on_later(
    store: Store, home: Home, adapterctl: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapterd.teachers.clients.openai.Patience", lambda: QUICK)
    pool(store, *QUESTIONS)
    with teacher_saying(home, say):
        pass  # the server is gone, the settings stay
    said = adapterctl("teach")
    assert "0 made, 0 kept" in said.stdout
    assert "the teacher does not answer" in said.stderr
    with teacher_saying(home, say) as (_, asked):
        assert "2 kept" in adapterctl("teach").stdout
        assert len(asked) == 3


def test_person_keeps_and_drops(store: Store, home: Home, adapterctl: Command, as_json: AsJson) -> None:
    with teacher_saying(home, say):
        one, other = (example(store, ExampleState.UNSURE) for _ in range(2))
        assert "m: 1 kept" in adapterctl("synthetic", "keep", str(one)).stdout
        assert as_json("synthetic", "drop", str(other)) == {"ids": [other], "state": "dropped"}
        assert made(store) == [("Ada", "kept", "person"), ("Ada", "dropped", "person")]
        assert as_json("synthetic", "drop", *[str(other)] * 3)["ids"] == [other]
        assert len(store.teaching.examples.all(MODEL)[1].earlier) == 2  # an undo takes back what was said at once
        assert (
            "no example is unsure; `adapterctl synthetic list`"
            in adapterctl("synthetic", "list", "--state", "unsure").stdout
        )
        with pytest.raises(NotFoundError, match="no example 99"):
            adapterctl("synthetic", "keep", str(other), "99")
        assert made(store)[1] == ("Ada", "dropped", "person")  # all or none
        with pytest.raises(NotFoundError):
            adapterctl("synthetic", "show", "99")
        formless = store.teaching.examples.add(
            MODEL, NewExample("grounded", "big", "big-1", "p", [], "Ada", ExampleState.DROPPED, filter=FORM)
        )
        with pytest.raises(InputError, match="cannot be kept"):
            adapterctl("synthetic", "keep", str(formless))
        with pytest.raises(click.BadParameter, match="range"):
            adapterctl("synthetic", "show", str(1 << 63))


def reviewed(keys: str) -> Result:
    from adapterctl.main import cli

    return CliRunner().invoke(cli, ["synthetic", "review"], input=keys, catch_exceptions=False, standalone_mode=False)


def test_unsure_ones_are_reviewed_by_keys(store: Store, home: Home) -> None:
    with teacher_saying(home, say):
        for number in range(4):
            example(store, ExampleState.UNSURE, f"answer {number}")
        told = reviewed("k\ns\nd\nu\nk\nd\n")
        assert made(store) == [
            ("answer 0", "kept", "person"), ("answer 1", "unsure", None), ("answer 2", "kept", "person"),
            ("answer 3", "dropped", "person"),
        ]  # fmt: skip
        assert told.stdout.count("answer 2") == 2
        assert "1 are left for later" in told.stdout
        assert "nothing is left to be looked at" in reviewed("k\n").stdout
        assert "answer" not in reviewed("").stdout


def test_what_cannot_be_undone_is_said_and_nothing_is_lost(store: Store, home: Home) -> None:
    with teacher_saying(home, say):
        example(store, ExampleState.UNSURE)
        told = reviewed("u\nq\n")
        assert "nothing was decided yet" in told.stderr
        with pytest.raises(click.Abort):
            reviewed("")
        assert made(store) == [("Ada", "unsure", None)]


def test_programs_are_told_what_comes_next(store: Store, home: Home, as_json: AsJson) -> None:
    with teacher_saying(home, say):
        assert as_json("synthetic", "review") == {"unsure": 0, "next": None}
        one = example(store, ExampleState.UNSURE)
        told = as_json("synthetic", "review")
        assert (told["unsure"], told["next"]["id"], told["next"]["earlier"]) == (1, one, [])


def test_status_tells_what_the_last_round_made_and_what_waits(
    store: Store, home: Home, adapterctl: Command, as_json: AsJson
) -> None:
    with teacher_saying(home, say):
        assert "teachers" not in adapterctl("status").stdout
        pool(store, *QUESTIONS)
        adapterctl("teach")
        pool(store, "Who painted the picture in the hall?")
        adapterctl("teach")
        shown = adapterctl("status").stdout
        assert "big, just now: 1 made, 1 kept" in shown
        assert "synthetic review" not in shown
        store.teaching.examples.add(MODEL, replace(store.teaching.examples.all(MODEL)[-1], state=ExampleState.UNSURE))
        assert "1 wait for `adapterctl synthetic review`" in adapterctl("status").stdout
        [told] = as_json("status")["models"]
        of_all, last = told["teaching"]["of_all"], told["teaching"]["last_round"]
        assert (of_all["counted"]["made"], of_all["counted"]["kept"], told["teaching"]["unsure"]) == (5, 3, 1)
        assert (last["teacher"], last["made"]["counted"]["made"]) == ("big", 2)


@pytest.mark.parametrize("hostile", [each for each in HOSTILE if "\ud800" not in each])
@pytest.mark.parametrize("command", ["list", "show", "review"])
def test_foreign_text_acts_on_nothing(
    store: Store, home: Home, adapterctl: Command, command: str, hostile: str
) -> None:
    messages = [{"role": hostile, "content": hostile}]
    with teacher_saying(home, say):
        store.teaching.examples.add(
            MODEL,
            NewExample(
                hostile, hostile, hostile, "p", messages, hostile, ExampleState.UNSURE, hostile, (hostile,), (hostile,),
                filter=hostile, reason=hostile, run=hostile,
            ),
        )  # fmt: skip
        told = (
            reviewed("q\n") if command == "review" else adapterctl("synthetic", command, *["1"] * (command == "show"))
        )
        assert not acts(told.stdout)
        assert told.stdout.count("\n") > 1
        status = adapterctl("status").stdout
        assert not acts(status)
        assert "1 wait for" in status
