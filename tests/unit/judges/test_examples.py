"""A judge as the last filter of a teacher's examples: what it decides, what waits for it, and nothing asked twice."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from adapterd import config
from adapterd.chat import Message, Role
from adapterd.config import Settings
from adapterd.errors import ConfigError, NotFoundError
from adapterd.home import Home
from adapterd.judges.examples import judge_of_examples
from adapterd.record import prompt_hash
from adapterd.removal.in_store import teacher_requests
from adapterd.removal.removed import Removed, Scene
from adapterd.removal.texts import Texts
from adapterd.store import Store
from adapterd.store.teaching.examples import BY_PERSON, JUDGE, UNJUDGED, ExampleState
from adapterd.teachers.last_filter import JudgedExamples
from adapterd.teachers.prepare import Round, prepare
from adapterd.teachers.request import Kind
from adapterd.teachers.rounds import made_by_teachers
from adapterd.teachers.teach import Taught, sentences_of
from adapterd.teachers.work import Budget, Ended, Outcome, Stopwatch, ask_all
from tests.support.judged import DIGEST
from tests.support.scripted_server import scripted
from tests.support.teacher_replies import QUICK, body_of, error, http, ollama_said, openai_said
from tests.unit.teachers.test_teach import MODEL, QUESTIONS, correct, made, pool

CONFIG = """
runtime = "embedded"
ollama.host = "http://127.0.0.1:{port}"
[teachers.big]
model = "big-1"
base_url = "http://127.0.0.1:{port}/v1"
parallel = 1
{teacher}
[judges.strict]
model = "strict:1"
parallel = 1
{judge}
[models.m]
base = "tiny:1"
base_digest = "sha256:00"
teaching.judge = "strict"
{more}
"""
ANSWERS = ["It stands in the old town.", "Behind the first shed.", "Beside the railway line."]
Score = Callable[[str, bool], str]
"""The answer that is judged, and whether it is judged once more → the text of the judge."""


def gives(first: float, again: float | None = None) -> Score:
    """These scores, the first time and once more."""
    return lambda _, once_more: json.dumps({"score": first if again is None or not once_more else again})


@dataclass
class Both:
    """A teacher by OpenAI's API and a judge by Ollama's, or by OpenAI's under another path; what each was asked, in
    order."""

    score: Score = field(default_factory=lambda: gives(8))
    answers: Sequence[str] = tuple(ANSWERS)
    digest: str = DIGEST
    taught: list[str] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)
    temperatures: list[float] = field(default_factory=list)

    def reply(self, request: bytes) -> list[bytes]:
        path = request.split(b" ", 2)[1]
        if path == b"/api/tags":
            return [http(200, {"models": [{"model": "strict:1", "name": "strict:1", "digest": self.digest}]})]
        if path == b"/api/show":
            return [http(200, {"modelfile": "FROM /gone", "details": {"format": "gguf"}})]
        text = body_of(request)["messages"][-1]["content"]
        if path == b"/v1/chat/completions":
            self.taught.append(text)
            return [openai_said(self.answers[(len(self.taught) - 1) % len(self.answers)])]
        self.judged.append(text)
        options = body_of(request)["options"] if path == b"/api/chat" else body_of(request)
        self.temperatures.append(options["temperature"])
        said = self.score(text, self.temperatures[-1] > 0)
        if said == "fail":
            return [error(500, "x")]
        return [ollama_said(said) if path == b"/api/chat" else openai_said(said)]


@contextmanager
def both_at(home: Home, both: Both, teacher: str = "", judge: str = "", more: str = "") -> Iterator[Settings]:
    """The settings of a model whose teacher's examples pass this judge last."""
    with scripted(both.reply) as server:
        of_judge = judge.replace("{port}", str(server.port))
        text = CONFIG.format(port=server.port, teacher=teacher, judge=of_judge, more=more)
        home.config_file.write_text(text, encoding="utf-8")
        yield config.load(home)


def prepared(store: Store, home: Home, settings: Settings, *kinds: Kind) -> Round:
    judge = judge_of_examples(store, home, settings, MODEL)
    return prepare(store, home, settings, MODEL, judge=judge, kinds=kinds)


def teach(store: Store, home: Home, settings: Settings, *kinds: Kind) -> Taught:
    return prepared(store, home, settings, *kinds).ask("teach")


@pytest.mark.parametrize(
    ("score", "state", "reason"),
    [
        (gives(8), "kept", "the judge gave 8 of 10, and 8 when asked again; 6 are needed"),
        (gives(6), "kept", "gave 6 of 10"),
        (gives(10, 6), "kept", "10 of 10, and 6 when"),
        (gives(5), "dropped", "gave 5 of 10"),
        (gives(0, 5.9), "dropped", "0 of 10, and 5.9 when"),
        (gives(6, 5), "unsure", "6 of 10, and 5 when"),
        (gives(0, 10), "unsure", "0 of 10, and 10 when"),
        (lambda _, again: "It is fine." if again else '{"score": 9}', "unsure", "nothing of it that can be read"),
        (lambda *_: "no", "unsure", "nothing of it that can be read"),
        (gives(11), "unsure", "nothing of it that can be read"),
    ],
)
def test_two_scores_decide(store: Store, home: Home, score: Score, state: str, reason: str) -> None:
    pool(store, QUESTIONS[0])
    both = Both(score)
    with both_at(home, both) as settings:
        told = teach(store, home, settings)
    [example] = store.teaching.examples.all(MODEL)
    assert (example.state, example.filter) == (state, JUDGE)
    assert reason in str(example.reason)
    assert [each.filter for each in example.earlier] == [UNJUDGED]
    assert both.temperatures == [0.0, 0.7]
    assert (told.counted.made, told.counted.kept) == (1, int(state == "kept"))
    assert told.judged
    assert told.judged.waiting == 0
    assert [each.kind for each in store.teaching.requests.all(MODEL)] == ["answer"]  # what the judge read is gone


def test_yield_has_a_line_of_its_own(store: Store, home: Home) -> None:
    pool(store, *QUESTIONS)
    low = {ANSWERS[0]: 2, ANSWERS[1]: 9}

    def score(text: str, again: bool) -> str:
        found = next((value for answer, value in low.items() if answer in text), 3 if again else 9)
        return json.dumps({"score": found})

    with both_at(home, Both(score)) as settings:
        told = teach(store, home, settings)
    assert str(told) == "3 made, 1 kept: 1 below the judge's score; 1 to be looked at"
    found = made_by_teachers(store, MODEL)
    assert found
    assert found.last_round
    assert str(found.last_round.made) == str(found.of_all) == str(told)
    [judge] = [each for each in told.counted.filters if each.name == JUDGE]
    assert judge.examples[0].startswith("the judge gave 2 of 10")


def test_only_what_all_other_filters_let_through_is_judged(store: Store, home: Home) -> None:
    pool(store, *QUESTIONS[:2])
    both = Both(answers=["", ANSWERS[1]])
    with both_at(home, both) as settings:
        assert teach(store, home, settings).counted.kept == 1
    assert len(both.judged) == 2
    assert all(ANSWERS[1] in each for each in both.judged)
    assert sorted(each[1:] for each in made(store)) == [("dropped", "complete"), ("kept", JUDGE)]


@pytest.mark.parametrize(
    ("winners", "state"),
    [(("A", "B"), "kept"), (("B", "A"), "dropped"), (("tie", "tie"), "dropped"), (("A", "A"), "unsure"),
     (("A", "tie"), "unsure"), (("A", "?"), "unsure")],
)  # fmt: skip
def test_of_a_pair_a_person_s_answer_has_to_win_in_both_orders(
    store: Store, home: Home, winners: tuple[str, str], state: str
) -> None:
    correct(store, QUESTIONS[0], "It stands there, in the old town by the river.")
    said = iter(winners)
    both = Both(lambda *_: json.dumps({"winner": next(said)}), ["It stands here, in the new town."])
    with both_at(home, both, more="teaching.worse = 1") as settings:
        teach(store, home, settings, Kind.WORSE)
    [example] = store.teaching.examples.all(MODEL)
    assert example.rejected == "It stands here, in the new town."
    assert (example.state, example.filter) == (state, JUDGE)


def test_without_a_judge_nobody_is_asked(store: Store, home: Home) -> None:
    pool(store, QUESTIONS[0])
    both = Both()
    with both_at(home, both, more="[models.other]\nbase = 'tiny:1'\nbase_digest = 'sha256:00'") as settings:
        off = replace(settings.models[MODEL].teaching, judge=None)
        settings = replace(settings, models={MODEL: replace(settings.models[MODEL], teaching=off)})
        assert teach(store, home, settings).counted.kept == 1
    assert both.judged == []


@pytest.mark.parametrize(
    ("teacher", "judge", "ended"),
    [
        ("max_calls = 5", "", Ended.CALLS),
        ("", "max_calls = 2", Ended.CALLS),
        ("max_tokens = 40", "", Ended.TOKENS),
        ("", "max_tokens = 9", Ended.TOKENS),
    ],
)
def test_used_up_budget_leaves_examples_waiting_and_they_come_first_the_next_time(
    store: Store, home: Home, teacher: str, judge: str, ended: Ended
) -> None:
    """A teacher's request and a judge's have 8 tokens each."""
    pool(store, *QUESTIONS)
    both = Both()
    with both_at(home, both, teacher, judge) as settings:
        told = teach(store, home, settings)
        assert told.judged
        assert (told.judged.outcome.ended, told.judged.waiting) == (ended, 2)
        assert str(told) == "3 made, 1 kept: 2 wait for the judge"
        assert "2 examples wait for the judge: as many" in sentences_of(told)[-1]
        assert sorted(each[1:] for each in made(store)) == [("kept", JUDGE), *[("unsure", UNJUDGED)] * 2]
        found = prepared(store, home, settings)
        assert (found.is_empty, found.most_verdicts) == (False, 4)
        pool(store, "In which city does the fourth office stand now?")
        before, again = len(both.taught), list[Taught]()
        while not (again and again[-1].judged and not again[-1].judged.waiting and not again[-1].outcome.left):
            again.append(teach(store, home, settings))
        assert again[0].earlier.kept >= 1
        assert "of earlier rounds" in str(again[0])
    assert len(both.taught) == before + 1
    assert len(both.judged) == len(set(zip(both.judged, both.temperatures, strict=True))) == 8
    assert {each[1] for each in made(store)} == {"kept"}


def test_minutes_that_are_over_leave_all_waiting(store: Store, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """They count from the beginning of the round."""
    pool(store, *QUESTIONS)
    both = Both()
    with both_at(home, both, "max_minutes = 5") as settings:
        took = iter([0.0, 5.0])
        with monkeypatch.context() as patched:
            patched.setattr(Stopwatch, "minutes", property(lambda _: next(took)))
            told = teach(store, home, settings)
        assert told.judged
        assert (told.outcome.ended, told.judged.outcome.ended) == (Ended.DONE, Ended.MINUTES)
        assert (told.judged.waiting, both.judged) == (3, [])
        assert teach(store, home, settings).earlier.kept == 3


def test_kill_at_any_place_loses_nothing_and_asks_nothing_twice(
    store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool(store, *QUESTIONS)
    both = Both()

    def killed(*_: object) -> bool:
        pytest.fail("killed")

    with both_at(home, both) as settings:
        for place in ("judges.examples.ask_judge", "judges.examples.is_same_judge"):
            with monkeypatch.context() as patched:
                patched.setattr(f"adapterd.{place}", killed if "same" in place else lambda *_, **__: killed())
                with pytest.raises(pytest.fail.Exception):
                    teach(store, home, settings)
            assert {each[1:] for each in made(store)} == {("unsure", UNJUDGED)}
        assert (len(both.taught), len(both.judged)) == (3, 6)
        assert teach(store, home, settings).earlier.kept == 3
    assert (len(both.taught), len(both.judged)) == (3, 6)


def test_interrupted_judge_leaves_the_teacher_alone_and_an_interrupted_teacher_the_judge(
    store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool(store, *QUESTIONS)
    both, interrupted = Both(), Outcome(Ended.INTERRUPTED)
    with both_at(home, both) as settings:
        with monkeypatch.context() as patched:
            patched.setattr("adapterd.judges.examples.ask_judge", lambda *_, **__: interrupted)
            assert teach(store, home, settings).judged == JudgedExamples(interrupted, (), 3)
            pool(store, "In which city does the fourth office stand now?")
            told = teach(store, home, settings)
            assert (told.outcome.ended, told.outcome.left, len(both.taught)) == (Ended.INTERRUPTED, 1, 3)
            assert [each.split(";")[0] for each in sentences_of(told)] == [
                "it was interrupted", "3 examples wait for the judge: it was interrupted",
            ]  # fmt: skip
        left = replace(teach(store, home, settings), judged=None)
        assert (left.earlier.kept, left.counted.kept) == (3, 1)
        pool(store, "Where does the fifth and last office of them all stand?")
        asked = ask_all

        async def stopped(*values: Any, **options: Any) -> Outcome:
            return replace(await asked(*values, **options), ended=Ended.INTERRUPTED)

        monkeypatch.setattr("adapterd.teachers.teach.ask_all", stopped)
        told = teach(store, home, settings)
        assert told.judged
        assert (told.judged.waiting, len(both.judged)) == (1, 8)


def test_judge_that_does_not_answer_keeps_nothing_back_but_its_verdicts(
    store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapterd.teachers.clients.ollama.Patience", lambda: QUICK)
    pool(store, *QUESTIONS)
    both = Both(lambda *_: "fail")
    with both_at(home, both) as settings:
        told = teach(store, home, settings)
        assert told.judged
        assert (told.outcome.ended, told.judged.outcome.ended) == (Ended.DONE, Ended.UNAVAILABLE)
        assert "3 examples wait for the judge: the judge does not answer" in sentences_of(told)[-1]
        tried = len(both.judged)
        pool(store, "In which city does the fourth office stand now?")
        told = teach(store, home, settings)  # where it does not answer at first, it is not tried again at the end
        assert told.judged
        assert (told.outcome.answered, told.judged.waiting) == (1, 4)
        assert len(both.judged) == 2 * tried


def test_weights_exchanged_meanwhile_decide_nothing(store: Store, home: Home) -> None:
    pool(store, *QUESTIONS)
    both = Both()

    def exchanging(_: str, __: bool) -> str:
        both.digest = "b" * 64
        return '{"score": 9}'

    both.score = exchanging
    with both_at(home, both) as settings:
        told = teach(store, home, settings)
        assert told.judged
        assert told.judged.is_another
        assert "other weights answer" in sentences_of(told)[-1]
        assert {each[1:] for each in made(store)} == {("unsure", UNJUDGED)}
        both.score = gives(9)
        assert teach(store, home, settings).earlier.kept == 3


def test_what_a_person_decides_meanwhile_stays(store: Store, home: Home) -> None:
    pool(store, QUESTIONS[0])

    def decided(_: str, __: bool) -> str:
        with Store(home.database) as other:
            other.teaching.examples.decide(MODEL, 1, ExampleState.DROPPED, BY_PERSON, None)
        return '{"score": 9}'

    with both_at(home, Both(decided)) as settings:
        told = teach(store, home, settings)
    assert [each[1:] for each in made(store)] == [("dropped", BY_PERSON)]
    assert told.counted.kept == 0
    assert all(each.kind == "answer" for each in store.teaching.requests.all(MODEL))


def test_consent_is_asked_before_anybody_is(store: Store, home: Home) -> None:
    pool(store, QUESTIONS[0])
    both = Both()
    elsewhere = 'base_url = "https://api.example.com/v1"'
    with both_at(home, both, judge=elsewhere) as settings, pytest.raises(ConfigError, match="your prompts and answers"):
        teach(store, home, settings)
    assert both.taught == []
    assert made(store) == []


def test_judge_that_is_not_there_is_said_at_once(store: Store, home: Home) -> None:
    with both_at(home, Both()) as settings:
        other = replace(settings.judges["strict"], model="gone:1")
        with pytest.raises(NotFoundError, match="gone:1"):
            judge_of_examples(store, home, replace(settings, judges={"strict": other}), MODEL)


def test_family_is_warned_of_and_it_is_not_the_judge_of_versions(store: Store, home: Home) -> None:
    pool(store, QUESTIONS[0])
    with both_at(home, Both()) as settings:
        same = replace(settings.teachers["big"], model="strict:70b")
        judge = judge_of_examples(store, home, replace(settings, teachers={"big": same}), MODEL)
        assert judge
        assert any("both called strict" in each for each in judge.warnings)
        teach(store, home, settings)
    assert store.judging.newest(MODEL) is None


def test_own_rubric_is_read_and_nothing_else_of_the_judging(store: Store, home: Home) -> None:
    pool(store, QUESTIONS[0])
    (home.root / "own.md").write_text("Short ones are better.", encoding="utf-8")
    both = Both()
    with both_at(home, both, more='judging.rubric = "own.md"') as settings:
        teach(store, home, settings)
    assert all("Short ones are better." in each for each in both.judged)


def test_what_the_judge_was_asked_goes_with_the_example(
    store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it waits, the journal has the prompt and the answer."""
    pool(store, QUESTIONS[0])
    asked = (Message(Role.USER, QUESTIONS[0]),)
    with both_at(home, Both(), judge="max_calls = 1") as settings:
        teach(store, home, settings)
    assert {each.kind for each in store.teaching.requests.all(MODEL)} == {"answer", "verdict"}
    none = frozenset[str]()
    [example] = store.teaching.examples.all(MODEL)
    with monkeypatch.context() as patched:
        patched.setattr("adapterd.removal.in_store._going_examples", lambda *_: [example])
        scene = Scene(store, home, settings, Removed(MODEL, none, none, Texts(none), none, none, none, none))
        assert list(teacher_requests(scene, change=False)) == ["2 requests"]
    assert store.teaching.forget_prompts([prompt_hash(asked)], MODEL) == {MODEL: 3}
    assert store.teaching.requests.all(MODEL) == []


def test_budget_is_what_both_allow_and_what_is_left() -> None:
    assert Budget(5, None, 2.0).within(Budget(None, 9, 1.0)) == Budget(5, 9, 1.0)
    assert Budget().left(minutes=3.0) == Budget()
