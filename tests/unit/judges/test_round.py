"""A round of judging against a scripted judge: both orders, nothing asked twice, nothing mixed, nothing lost."""

from collections import Counter
from pathlib import Path
from threading import Lock

import pytest

from adapterd import config
from adapterd.config import Settings
from adapterd.errors import BusyError, ConfigError, InputError, NotFoundError
from adapterd.home import Home
from adapterd.judges import round as judging
from adapterd.judges.round import JudgedNow, JudgeRound, prepare
from adapterd.review.choices import pair_of
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Comparison
from adapterd.store.judging.verdicts import KeptVerdict
from adapterd.store.reviews.choices import Choice
from adapterd.system.locks import exclusive
from adapterd.teachers.work import Ended
from tests.support.judged import BAD, BY_URL, GOOD, ScriptedJudge, add_pairs, add_votes, by_quality, judge_at
from tests.support.teacher_replies import body_of, error
from tests.unit.evidence.played import MODEL

MIXED = [True, False, True]


def prepared(store: Store, home: Home, settings: Settings, limit: int | None = None) -> JudgeRound:
    return prepare(store, home, settings, MODEL, pair_of(store, MODEL), limit)


def ask(store: Store, home: Home, settings: Settings, limit: int | None = None) -> JudgedNow:
    return prepared(store, home, settings, limit).ask()


def verdicts(store: Store, settings: Settings, home: Home) -> dict[int, KeptVerdict]:
    return store.judging.of(MODEL, prepared(store, home, settings).judge.id)


def some_pairs(store: Store, comparison: Comparison) -> list[Choice]:
    """Three that people voted on, two that wait, one of them alike."""
    voted = add_votes(store, comparison, MIXED)
    return [*voted, *add_pairs(store, comparison, [(GOOD, BAD), (GOOD, GOOD)])]


@pytest.mark.parametrize("address", ["", BY_URL])
def test_every_pair_is_asked_in_both_orders_and_once_more(
    store: Store, home: Home, comparison: Comparison, address: str
) -> None:
    judge = ScriptedJudge()
    with judge_at(home, judge, address) as settings:
        pairs = some_pairs(store, comparison)
        done = ask(store, home, settings)
        assert (done.judged, done.unread, done.outcome.ended, done.looks) == (5, 0, Ended.DONE, ())
        assert list(verdicts(store, settings, home).values()) == [
            KeptVerdict(each.id, side, side, side) for each, side in zip(pairs, (1.0, -1.0, 1.0, 1.0, 0.0), strict=True)
        ]
        shown = Counter(judge.shown)
        for each in pairs:
            assert shown[each.ours_answer, each.theirs_answer] == 2
            assert shown[each.theirs_answer, each.ours_answer] == 1
        assert ask(store, home, settings).judged == 0
        assert len(judge.shown) == 15
        assert store.teaching.requests.all(MODEL) == []  # they hold text, and are of no use any more


def test_votes_come_first_and_a_limit_holds(store: Store, home: Home, comparison: Comparison) -> None:
    with judge_at(home, ScriptedJudge()) as settings:
        waiting = add_pairs(store, comparison, [(GOOD, BAD)] * 3)
        voted = add_votes(store, comparison, MIXED)
        asked = prepared(store, home, settings, limit=4)
        assert [each.id for each in asked.open] == [*(each.id for each in voted), waiting[0].id]
        assert asked.calls == 12
        assert asked.prompt_tokens > 100
        assert asked.ask().judged == 4
        assert len(prepared(store, home, settings).open) == 2


def test_the_same_is_asked_again_with_another_seed(store: Store, home: Home, comparison: Comparison) -> None:
    judge = ScriptedJudge()
    with judge_at(home, judge, "temperature = 0.7") as settings:
        add_pairs(store, comparison, [(GOOD, BAD)])
        ask(store, home, settings)
    sent = Counter((str(body_of(each)["messages"]), body_of(each)["options"]["seed"]) for each in judge.sent)
    assert sorted(seed for _, seed in sent) == [0, 0, 1]
    assert len({messages for messages, _ in sent}) == 2


def test_two_processes_do_not_pay_for_the_same_verdicts(store: Store, home: Home, comparison: Comparison) -> None:
    judge = ScriptedJudge()
    with judge_at(home, judge) as settings:
        some_pairs(store, comparison)
        one, other = prepared(store, home, settings), prepared(store, home, settings)
        with (
            exclusive(home.judge_lock, timeout_s=0, busy=""),
            pytest.raises(BusyError, match="another process asks a judge"),
        ):
            one.ask()
        assert one.ask().judged == 5
        done = other.ask()
        assert (done.judged, done.outcome.ended) == (0, Ended.DONE)
        assert len(judge.shown) == 15


def test_what_was_answered_before_a_bound_is_not_asked_again(store: Store, home: Home, comparison: Comparison) -> None:
    judge = ScriptedJudge()
    with judge_at(home, judge, "max_calls = 7") as settings:
        some_pairs(store, comparison)
        counts = [ask(store, home, settings) for _ in range(3)]
        assert [each.outcome.ended for each in counts] == [Ended.CALLS, Ended.CALLS, Ended.DONE]
        assert sum(each.judged for each in counts) == 5
        assert len(judge.shown) == 15
        assert set(Counter(judge.shown).values()) == {1, 2}


def test_another_digest_rubric_or_temperature_is_another_judge(
    store: Store, home: Home, comparison: Comparison
) -> None:
    judge = ScriptedJudge()
    rubric = home.root / "own.md"
    rubric.write_text("Short ones are better.", encoding="utf-8")
    with judge_at(home, judge) as settings:
        some_pairs(store, comparison)
        ask(store, home, settings)
        judge.digest = "b" * 64
        assert ask(store, home, settings).judged == 5
    with judge_at(home, judge, more='judging.rubric = "own.md"') as settings:
        assert ask(store, home, settings).judged == 5
        assert all(b"Short ones are better." in each for each in judge.sent[-3:])
    with judge_at(home, judge, "temperature = 0.5") as settings:
        assert ask(store, home, settings).judged == 5
        found = verdicts(store, settings, home)
        assert len(found) == 5
        assert store.judging.of_others(MODEL, prepared(store, home, settings).judge.id) == 15


def test_weights_exchanged_meanwhile_leave_nothing(store: Store, home: Home, comparison: Comparison) -> None:
    judge = ScriptedJudge()

    def exchanging(first: str, second: str) -> str:
        judge.digest = "b" * 64
        return by_quality(first, second)

    judge.decide = exchanging
    with judge_at(home, judge) as settings:
        some_pairs(store, comparison)
        done = ask(store, home, settings)
        assert (done.is_another, done.judged) == (True, 0)
        assert store.teaching.requests.all(MODEL) == []
        assert ask(store, home, settings).judged == 5


@pytest.mark.parametrize(
    "said", ["I cannot choose", '{"winner": "C"}', '{"winner": "A"} {"winner": "B"}', "", "{" * 99]
)
def test_what_is_no_verdict_is_kept_as_none_and_not_asked_again(
    store: Store, home: Home, comparison: Comparison, said: str
) -> None:
    judge = ScriptedJudge(lambda _first, _second: said)
    with judge_at(home, judge) as settings:
        some_pairs(store, comparison)
        done = ask(store, home, settings)
        assert (done.judged, done.unread) == (5, 5)
        ask(store, home, settings)
        assert len(judge.shown) == 15


def test_what_is_refused_is_no_verdict(store: Store, home: Home, comparison: Comparison) -> None:
    judge = ScriptedJudge()
    say = judge.reply

    def reply(request: bytes) -> list[bytes]:
        if b"/chat" in request.split(b"\r\n")[0] and "box 1" in str(body_of(request)):
            return [error(400, "exceeds the context")]
        return say(request)

    judge.reply = reply  # type: ignore[method-assign]
    with judge_at(home, judge) as settings:
        some_pairs(store, comparison)
        done = ask(store, home, settings)
        assert (done.judged, done.unread) == (5, 1)


def test_answers_that_are_the_same_are_a_tie_and_nobody_is_asked(
    store: Store, home: Home, comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = ScriptedJudge()
    with judge_at(home, judge) as settings:
        add_pairs(store, comparison, [(GOOD, BAD)])
        store.execute("UPDATE choices SET theirs_answer = ours_answer || ' '")
        assert ask(store, home, settings).judged == 1
        assert [(each.ours_first, each.theirs_first) for each in verdicts(store, settings, home).values()] == [(0, 0)]
        assert judge.shown == []


def test_only_so_many_are_asked_again(
    store: Store, home: Home, comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "AGAIN", 2)
    judge = ScriptedJudge()
    with judge_at(home, judge) as settings:
        some_pairs(store, comparison)
        ask(store, home, settings, limit=1)
        ask(store, home, settings)
        assert sum(each.again is not None for each in verdicts(store, settings, home).values()) == 2
        assert len(judge.shown) == 12


def test_a_judge_elsewhere_waits_for_consent(store: Store, home: Home, comparison: Comparison) -> None:
    with judge_at(home, ScriptedJudge(), 'base_url = "https://judge.invalid/v1"') as settings:
        some_pairs(store, comparison)
        asked = prepared(store, home, settings)
        with pytest.raises(ConfigError, match="would get your prompts") as caught:
            asked.ask()
        assert "judges.big.prompts_may_leave true" in caught.value.hint


@pytest.mark.parametrize(
    ("of_judge", "more", "kind", "said"),
    [
        ("", 'judging.rubric = "gone.md"', InputError, "cannot be read"),
        ('base_url = "http://127.0.0.1:{port}/v1?x=1"', "", ConfigError, "the address of the judge big has a query"),
        ('base_url = "http://127.0.0.1:{port}/v1"\nkey_env = "NO_SUCH_KEY"', "", ConfigError, "key of the judge big"),
    ],
)
def test_faults_are_sentences(
    store: Store, home: Home, comparison: Comparison, of_judge: str, more: str, kind: type[Exception], said: str
) -> None:
    with judge_at(home, ScriptedJudge(), of_judge, more) as settings:
        some_pairs(store, comparison)
        with pytest.raises(kind, match=said):
            ask(store, home, settings)


def test_which_judge_is_asked_has_to_be_clear(store: Store, home: Home, comparison: Comparison) -> None:
    with judge_at(home, ScriptedJudge()) as settings:
        text = home.config_file.read_text(encoding="utf-8")
        home.config_file.write_text(text.replace("[judges.big]", "[judges.small]\nmodel = 's'\n[judges.big]"))
        with pytest.raises(NotFoundError, match="which judge\\? configured are: big, small"):
            prepared(store, home, config.load(home))
        home.config_file.write_text(text.replace("big:1", "gone:1"))
        with pytest.raises(NotFoundError, match="Ollama has no gone:1"):
            prepared(store, home, config.load(home))
        home.config_file.write_text(text[: text.index("[judges")] + text[text.index("[models") :])
        with pytest.raises(NotFoundError, match="no judge is configured"):
            prepared(store, home, config.load(home))
        assert settings.judges


def test_a_pair_that_is_removed_meanwhile_is_not_kept(
    store: Store, home: Home, comparison: Comparison, tmp_path: Path
) -> None:
    judge = ScriptedJudge()
    with judge_at(home, judge) as settings:
        [gone, stays] = add_pairs(store, comparison, [(GOOD, BAD)] * 2)
        asked = prepared(store, home, settings)
        store.choices.forget(MODEL, gone.id)
        assert asked.ask().judged == 1
        assert list(verdicts(store, settings, home)) == [stays.id]
        assert store.teaching.requests.all(MODEL) == []


def test_a_pair_that_got_the_id_of_one_that_went_has_no_verdict(
    store: Store, home: Home, comparison: Comparison
) -> None:
    judge, one_at_a_time = ScriptedJudge(), Lock()

    def exchanging(first: str, second: str) -> str:
        with one_at_a_time, Store(home.database) as other:
            if GOOD in other.choices.all(MODEL)[0].ours_answer:
                other.choices.forget(MODEL, before.id)
                [after] = add_pairs(other, comparison, [(BAD, GOOD)])
                assert after.id == before.id
        return by_quality(first, second)

    judge.decide = exchanging
    with judge_at(home, judge) as settings:
        [before] = add_pairs(store, comparison, [(GOOD, BAD)])
        assert ask(store, home, settings).judged == 0
        assert store.teaching.requests.all(MODEL) == []
        assert ask(store, home, settings).judged == 1
        assert [each.ours_first for each in verdicts(store, settings, home).values()] == [-1.0]


def test_a_tag_that_answers_elsewhere_waits_for_consent_and_has_no_weights_here(
    store: Store, home: Home, comparison: Comparison
) -> None:
    judge = ScriptedJudge(remote="https://ollama.example")
    with judge_at(home, judge) as settings:
        some_pairs(store, comparison)
        asked = prepared(store, home, settings)
        assert asked.judge.digest == ""
        assert "judges.big.pinned" in asked.judge.advice
        with pytest.raises(
            ConfigError, match=r"answered by https://ollama\.example, which gets your prompts and"
        ) as caught:
            asked.ask()
        assert "judges.big.prompts_may_leave true" in caught.value.hint
        assert judge.shown == []
    with judge_at(home, judge, "prompts_may_leave = true") as settings:
        assert ask(store, home, settings).judged == 5
