"""`adapterctl judge`, against a scripted judge."""

from collections.abc import Callable
from typing import Any

import pytest

from adapterd.errors import ConfigError, InputError, NotFoundError
from adapterd.home import Home
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Comparison
from tests.support.hand_clock import HandClock
from tests.support.judged import BAD, BY_URL, GOOD, ScriptedJudge, add_pairs, add_votes, judge_at
from tests.support.kept_answers import keep_answers
from tests.support.teacher_replies import QUICK, error
from tests.unit.cli.conftest import Command
from tests.unit.evidence.played import Played
from tests.unit.judges.test_scores import Scoring

AsJson = Callable[..., Any]
WINS = [number % 4 != 0 for number in range(32)]


@pytest.fixture
def comparison(store: Store) -> Comparison:
    return Played.begun(store, HandClock()).challenger("1.0.0", 0.1)


def test_plan_is_told_and_nobody_is_asked(
    store: Store, home: Home, comparison: Comparison, adapterctl: Command, as_json: AsJson
) -> None:
    judge = ScriptedJudge()
    with judge_at(home, judge):
        add_votes(store, comparison, WINS[:3])
        add_pairs(store, comparison, [(GOOD, BAD)] * 2)
        told = adapterctl("judge", "run", "--dry-run").stdout
        assert "m: big (big:1, aaaaaaaaaaaa) would be asked about 5 pairs of 1.0.0 and base: 3 that people" in told
        plan = as_json("judge", "run", "--dry-run", "--limit", "4")
        assert (plan["votes"], plan["pool"], plan["requests"], plan["judged"]) == (3, 1, 12, 0)
        assert (
            "3 new pairs, which would be made first" in adapterctl("judge", "run", "--dry-run", "--pairs", "3").stdout
        )
        assert as_json("judge", "run", "--dry-run", "--pairs", "3")["new_pairs"] == 3
        assert judge.shown == []


def test_it_asks_takes_the_look_and_shows_the_card(
    store: Store, home: Home, comparison: Comparison, adapterctl: Command, as_json: AsJson
) -> None:
    with judge_at(home, ScriptedJudge()):
        add_votes(store, comparison, WINS)
        add_pairs(store, comparison, [(GOOD, BAD)] * 8)
        told = adapterctl("judge", "run").stdout
        assert "m: big (big:1, aaaaaaaaaaaa) judged 40 pairs of 1.0.0 and base" in told
        assert "look 1: judged_preference" in told
        assert "no pair of 1.0.0 and base is new" in adapterctl("judge", "run").stdout
        card = as_json("judge", "card")
        assert card["share"]["votes"] == 32
        assert card["card"]["spearman"]["value"] == pytest.approx(1.0)
        assert card["advice"] == ""
        assert len(card["looks"]) == 1
        assert "calibrated by people" in adapterctl("judge", "card").stdout


def test_json_tells_what_is_left(store: Store, home: Home, comparison: Comparison, as_json: AsJson) -> None:
    with judge_at(home, ScriptedJudge(), "max_calls = 5"):
        add_votes(store, comparison, WINS[:4])
        told = as_json("judge", "run")
    assert (told["judged"], told["open"], told["outcome"]["ended"]) == (1, 3, "calls")


def test_what_is_refused_is_told_with_the_reason(
    store: Store, home: Home, comparison: Comparison, adapterctl: Command, as_json: AsJson,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    judge = ScriptedJudge()
    say = judge.reply

    def reply(request: bytes) -> list[bytes]:
        return [error(400, "exceeds the context")] if b"box 1?" in request or b"box 5?" in request else say(request)

    monkeypatch.setattr(judge, "reply", reply)
    with judge_at(home, judge):
        add_votes(store, comparison, WINS[:4])
        found = as_json("judge", "run")
        assert (found["judged"], found["unread"], found["outcome"]["refused"]) == (4, 1, 3)
        assert "exceeds the context" in found["outcome"]["error"]
        add_votes(store, comparison, WINS[:2])
        told = " ".join(adapterctl("judge", "run").stderr.split())
    assert "3 requests were refused, and 0 failed: " in told
    assert "exceeds the context" in told
    assert "judges.big.num_ctx" in told
    assert "1 pairs have no verdict" not in told
    assert "1 pair has no verdict that can be read, and counts as a tie of the judge" in told


def test_what_ended_early_and_advice_are_warned_of(
    store: Store, home: Home, comparison: Comparison, adapterctl: Command
) -> None:
    with judge_at(home, ScriptedJudge(), f"max_calls = 5\n{BY_URL}"):
        add_votes(store, comparison, WINS[:4])
        said = adapterctl("judge", "run").stderr
    assert "max_calls" in said
    assert "it only advises" in said


def test_a_judge_that_is_not_there_is_named(
    store: Store, home: Home, comparison: Comparison, adapterctl: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapterd.teachers.clients.openai.Patience", lambda: QUICK)
    judge = ScriptedJudge()
    monkeypatch.setattr(judge, "reply", lambda _: [error(503, "busy")])
    with judge_at(home, judge, BY_URL):
        add_votes(store, comparison, WINS[:4])
        said = adapterctl("judge", "run")
    assert "judged 0 pairs" in said.stdout
    assert "the judge does not answer" in said.stderr


def test_a_wrong_key_is_one_sentence(
    store: Store, home: Home, comparison: Comparison, adapterctl: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = ScriptedJudge()
    monkeypatch.setattr(judge, "reply", lambda _: [error(401, "bad key")])
    add_votes(store, comparison, WINS[:4])
    with judge_at(home, judge, BY_URL), pytest.raises(ConfigError, match="key"):
        adapterctl("judge", "run")


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (("run", "--ours", "9.9.9"), NotFoundError, "no version '9.9.9'"),
        (("run", "--ours", "base", "--theirs", "base"), InputError, "two different versions"),
        (("card",), NotFoundError, "was asked nothing of m yet"),
        (("run", "--pairs", "3"), NotFoundError, "no prompt is captured yet"),
        (("run", "nobody"), NotFoundError, "no model named 'nobody'"),
    ],
)
def test_faults_are_sentences(
    store: Store, home: Home, comparison: Comparison, adapterctl: Command, words: tuple[str, ...],
    kind: type[Exception], said: str,
) -> None:  # fmt: skip
    with judge_at(home, ScriptedJudge()), pytest.raises(kind, match=said):
        adapterctl("judge", *words)


def test_foreign_words_act_on_nothing(store: Store, home: Home, comparison: Comparison, adapterctl: Command) -> None:
    judge = ScriptedJudge(lambda _first, _second: '\x1b]0;owned\x07{"winner": "A"}')
    with judge_at(home, judge):
        add_votes(store, comparison, WINS[:2])
        told = adapterctl("judge", "run").stdout + adapterctl("judge", "card").stdout
    assert "\x1b]" not in told


def test_scores_are_told_and_what_is_wrong_is_a_sentence(
    store: Store, home: Home, comparison: Comparison, adapterctl: Command, as_json: AsJson
) -> None:
    judge = Scoring()
    with judge_at(home, judge, BY_URL):
        with pytest.raises(NotFoundError, match=r"no answers of m 1\.0\.0 to a frozen set are kept"):
            adapterctl("judge", "scores")
        cases = [(f"question {n}", "It rains. It is cold.", {"candidate": "rain"}) for n in range(3)]
        keep_answers(home, comparison.model, comparison.ours, cases)
        assert "would be asked about 3 of 3 answers of 1.0.0" in adapterctl("judge", "scores", "--dry-run").stdout
        assert judge.asked == []
        told = as_json("judge", "scores", "--limit", "2")
        assert (told["asked"], [each["judged"] for each in told["scores"]]) == (2, [2, 2, 2])
        judge.said = "seven"
        said = adapterctl("judge", "scores")
        assert "fact_coverage: 50% by the judge alone" in said.stdout
        assert "1 answer has no score that can be read" in said.stderr
        assert "judges.big.num_predict" in said.stderr
        assert len(judge.asked) == 3
