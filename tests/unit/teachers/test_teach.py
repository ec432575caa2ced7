"""A round of teaching against a scripted server: what is asked, kept with its reason, and never asked twice."""

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd import config
from adapterd.capture.captures import Captures
from adapterd.chat import as_dicts
from adapterd.config import Settings, TeachingSettings
from adapterd.dataset.cases import EvaluationCase
from adapterd.errors import ConfigError, InputError, NotFoundError
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.judges.examples import judge_of_examples
from adapterd.removal.remove import remove
from adapterd.removal.selection import Criteria, select
from adapterd.store import Store
from adapterd.store.prompt_pool.prompts import NewPrompt
from adapterd.store.teaching.examples import BY_PERSON, ExampleState
from adapterd.teachers.configured import is_elsewhere, open_teacher, require_terms, teacher_name
from adapterd.teachers.gathering import amounts, within
from adapterd.teachers.prepare import Round, prepare
from adapterd.teachers.request import Kind
from adapterd.teachers.work import Ended
from tests.support.scripted_server import scripted
from tests.support.teacher_replies import body_of, error, openai_said
from tests.unit.capture.test_captures import HELLO

MODEL = "m"
QUESTIONS = [
    "In which city does the first office of the company stand?",
    "Where do visitors leave their bicycles, the second shed being closed for repairs since May?",
    "Tell me the place of the old water tower that everybody can see from the train.",
]
Say = Callable[[str], bytes]
CONFIG = """
runtime = "embedded"
[teachers.big]
model = "big-1"
base_url = "http://127.0.0.1:{port}/v1"
parallel = 2
[models.m]
base = "tiny:1"
base_digest = "sha256:00"
{more}
"""


@contextmanager
def teacher_saying(home: Home, say: Say, more: str = "") -> Iterator[tuple[Settings, list[str]]]:
    """The settings with a teacher that says that to the last turn, and what it is asked."""
    asked = list[str]()

    def reply(request: bytes) -> list[bytes]:
        text = body_of(request)["messages"][-1]["content"]
        asked.append(text)
        return [say(text)]

    with scripted(reply) as server:
        home.config_file.write_text(CONFIG.format(port=server.port, more=more), encoding="utf-8")
        yield config.load(home), asked


def pool(store: Store, *prompts: str) -> None:
    for text in prompts:
        messages = [{"role": "user", "content": text}]
        case = EvaluationCase.from_dict({"id": "x", "messages": messages, "reference": "", "record": ""})
        store.prompts.add(MODEL, [NewPrompt(case.prompt_hash, json.dumps(messages), (), "a test")])


def correct(store: Store, prompt: str, correction: str, **more: object) -> None:
    take_posted(store, MODEL, [{"prompt": prompt, "correction": correction, **more}])


def gathered(store: Store, home: Home, settings: Settings, *kinds: Kind, limit: int | None = None) -> Round:
    judge = judge_of_examples(store, home, settings, MODEL)
    return prepare(store, home, settings, MODEL, judge=judge, kinds=kinds, limit=limit)


def test_no_feedback_is_scanned_that_nobody_is_asked_about(
    store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything else of it made ready where there is nothing to ask."""
    correct(store, "Who met?", "The council.")

    def scanned(*_: object) -> list[str]:
        raise AssertionError("feedback is scanned")

    with teacher_saying(home, lambda _: openai_said("It stands there.")) as (settings, _):
        monkeypatch.setattr("adapterd.teachers.prepare.held_hashes", scanned)
        assert gathered(store, home, settings, Kind.ANSWER).counts == {Kind.ANSWER: 0}
        pool(store, "Where does it stand?")
        with pytest.raises(AssertionError, match="feedback is scanned"):
            gathered(store, home, settings, Kind.ANSWER)


def made(store: Store) -> list[tuple[str, str, str | None]]:
    return [(each.answer, each.state, each.filter) for each in store.teaching.examples.all(MODEL)]


def test_pool_is_answered_filtered_and_kept(store: Store, home: Home) -> None:
    pool(store, *QUESTIONS)

    def say(text: str) -> bytes:
        return openai_said("It stands in", "length") if "second" in text else openai_said("It stands there.")

    with teacher_saying(home, say) as (settings, asked):
        found = gathered(store, home, settings)
        assert found.counts[Kind.ANSWER] == 3
        told = found.ask("teach")
        assert sorted(asked) == sorted(QUESTIONS)
        assert (told.made[Kind.ANSWER], told.counted.kept, told.outcome.ended) == (3, 2, Ended.DONE)
        assert sorted(made(store)) == [
            ("It stands in", "dropped", "complete"), ("It stands there.", "kept", None),
            ("It stands there.", "kept", None),
        ]  # fmt: skip
        again = gathered(store, home, settings)
        assert not any(again.counts.values())
        assert again.ask("teach").counted.made == 0
        assert len(asked) == 3
        pool(store, "In which city does the fourth office stand now?")
        assert gathered(store, home, settings).counts[Kind.ANSWER] == 1


def test_what_one_teacher_did_in_vain_another_one_may_try(store: Store, home: Home) -> None:
    pool(store, QUESTIONS[0])
    with teacher_saying(home, lambda _: openai_said("", "length")) as (settings, _):
        assert gathered(store, home, settings).ask("teach").counted.kept == 0
        correct(store, QUESTIONS[1], "Behind the first shed.")  # which is shown from now on
        assert not gathered(store, home, settings, Kind.ANSWER).drafts[Kind.ANSWER]
        better = replace(settings.teachers["big"], model="big-2")
        other = replace(settings, teachers={"big": better})
        [draft] = gathered(store, home, other, Kind.ANSWER).drafts[Kind.ANSWER]
        assert draft.request.messages[0].content == QUESTIONS[1]
        store.teaching.examples.decide(
            MODEL, store.teaching.examples.all(MODEL)[0].id, ExampleState.DROPPED, BY_PERSON, None
        )
        assert not gathered(store, home, other, Kind.ANSWER).drafts[Kind.ANSWER]


def test_what_was_answered_before_a_kill_is_used_and_not_asked_again(
    store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool(store, *QUESTIONS)
    with teacher_saying(home, lambda _: openai_said("It stands there.")) as (settings, asked):
        with monkeypatch.context() as patched:
            patched.setattr("adapterd.teachers.teach.sift", lambda *_: pytest.fail("killed"))
            with pytest.raises(pytest.fail.Exception):
                gathered(store, home, settings).ask("teach")
        assert not made(store)
        assert gathered(store, home, settings).ask("teach").counted.kept == 3
        assert len(asked) == 3


def test_correction_that_was_taken_back_is_shown_no_more(store: Store, home: Home) -> None:
    correct(store, "Who?", "Ada")
    take_posted(store, MODEL, [{"prompt": QUESTIONS[1], "output": "Nowhere.", "rating": 1}])
    pool(store, *QUESTIONS)
    with teacher_saying(home, lambda _: openai_said("It stands there.")) as (settings, asked):
        found = gathered(store, home, settings, Kind.REPAIR, Kind.ANSWER)
        assert any("Ada" in str(each.request.messages) for each in found.drafts[Kind.REPAIR])
        [row] = [each for each in store.feedback.all(MODEL) if "Ada" in each.record]
        wanted = select(store, home, MODEL, Criteria(ids=(str(row.id),)))
        remove(store, home, settings, MODEL, wanted)
        assert found.ask("teach").outcome.gone == 3
        assert asked == []
        assert not any("Ada" in str(each.request) for each in store.teaching.requests.all(MODEL))
        again = gathered(store, home, settings, Kind.REPAIR, Kind.ANSWER)
        assert again.ask("teach").outcome.answered == 3


def test_what_was_shown_goes_with_the_requests_that_showed_it(store: Store, home: Home) -> None:
    """It is too short to be found among other words."""
    correct(store, "Who?", "Ada")
    take_posted(store, MODEL, [{"prompt": QUESTIONS[1], "output": "Nowhere.", "rating": 1}])
    with teacher_saying(home, lambda _: openai_said("It stands there.")) as (settings, _):
        gathered(store, home, settings, Kind.REPAIR).ask("teach")
        [row] = [each for each in store.feedback.all(MODEL) if "Ada" in each.record]
        remove(store, home, settings, MODEL, select(store, home, MODEL, Criteria(ids=(str(row.id),))))
    assert store.teaching.requests.all(MODEL) == []
    assert len(made(store)) == 1  # it was made of the bad answer


def test_captured_prompts_are_answered_and_frozen_ones_never(store: Store, home: Home) -> None:
    with Captures(home.captures) as captures:
        captures.add(replace(HELLO, id="a", model=MODEL, complete=True))
    with teacher_saying(home, lambda _: openai_said("Hello to you.")) as (settings, _):
        [draft] = gathered(store, home, settings, Kind.ANSWER).drafts[Kind.ANSWER]
        assert draft.records == ("a",)
        case = EvaluationCase.from_dict(
            {"id": "x", "messages": as_dicts(draft.request.messages), "reference": "Hi", "record": "r"}
        )
        store.evaluation_sets.freeze(MODEL, "hash", [case.as_dict()])
        assert not gathered(store, home, settings, Kind.ANSWER).drafts[Kind.ANSWER]


def test_bad_answers_are_mended_until_people_mend_them(store: Store, home: Home) -> None:
    take_posted(store, MODEL, [{"prompt": QUESTIONS[0], "output": "Nowhere.", "rating": 1}])
    with teacher_saying(home, lambda _: openai_said("It stands there.")) as (settings, asked):
        assert gathered(store, home, settings, Kind.REPAIR).ask("teach").counted.kept == 1
        assert "Nowhere." in asked[0]
        [example] = store.teaching.examples.all(MODEL)
        assert example.messages == [{"role": "user", "content": QUESTIONS[0]}]
        assert example.records == (store.feedback.all(MODEL)[0].content_hash,)
        take_posted(store, MODEL, [{"prompt": QUESTIONS[1], "output": "Nowhere.", "rating": 1}])
        correct(store, QUESTIONS[1], "It stands in Ulm.")
        assert not gathered(store, home, settings, Kind.REPAIR).drafts[Kind.REPAIR]


def test_worse_answers_make_pairs_with_people_s(store: Store, home: Home) -> None:
    correct(store, QUESTIONS[0], "It stands there, in the old town by the river.")
    with teacher_saying(home, lambda _: openai_said("It stands here, in the new town.")) as (settings, _):
        gathered(store, home, settings, Kind.WORSE, limit=5).ask("teach")
    [example] = store.teaching.examples.all(MODEL)
    assert example.answer == "It stands there, in the old town by the river."
    assert example.rejected == "It stands here, in the new town."


def test_documents_are_asked_about_and_formless_answers_are_told(store: Store, home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "ulm.txt").write_text("The library of Ulm opens at nine.", encoding="utf-8")
    said = iter(['{"question": "When does the library of Ulm open?", "answer": "At nine [ulm]."}', "At nine."])
    with teacher_saying(home, lambda _: openai_said(next(said))) as (settings, _):
        asked = replace(settings.models[MODEL], teaching=TeachingSettings(documents=folder, from_documents=2))
        settings = replace(settings, models={MODEL: asked})
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("adapterd.teachers.prepare._tokens", lambda *_: lambda text: len(text.split()))
            found = gathered(store, home, settings, Kind.GROUNDED, limit=2)
        assert found.counts == {Kind.GROUNDED: 2}
        told = found.ask("teach")
    assert (told.formless, told.counted.made) == (1, 1)
    assert "1 answers had not the form" in str(told)
    assert {(each[1], each[2]) for each in made(store)} == {("kept", None), ("dropped", "form")}


@pytest.mark.parametrize("task", ["json", "classification"])
def test_what_is_not_answered_in_prose_is_not_made_from_documents(
    store: Store, home: Home, tmp_path: Path, task: str
) -> None:
    pool(store, QUESTIONS[0])
    (tmp_path / "ulm.txt").write_text("The library of Ulm opens at nine.", encoding="utf-8")
    with teacher_saying(home, lambda _: openai_said(), f'task = "{task}"') as (settings, _):
        given = replace(settings.models[MODEL], teaching=TeachingSettings(documents=tmp_path))
        assert set(gathered(store, home, replace(settings, models={MODEL: given})).drafts) <= {Kind.ANSWER, Kind.REPAIR}
        with pytest.raises(InputError, match="not answer in prose"):
            gathered(store, home, settings, Kind.GROUNDED)


def test_wrong_key_is_said_once_and_nothing_is_kept(
    store: Store, home: Home, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    pool(store, *QUESTIONS)
    with (
        teacher_saying(home, lambda _: error(401, "bad key")) as (settings, asked),
        pytest.raises(ConfigError, match="key"),
    ):
        gathered(store, home, settings).ask("teach")
    assert not made(store)
    assert len(asked) <= 2
    gc.collect()
    assert "never retrieved" not in caplog.text + capsys.readouterr().err


def test_held_feedback_is_shown_to_no_teacher(store: Store, home: Home) -> None:
    correct(store, QUESTIONS[0], "Ask jane.doe@example.com, she knows.")
    with teacher_saying(home, lambda _: openai_said("Worse.")) as (settings, _):
        assert not gathered(store, home, settings, Kind.WORSE, limit=5).drafts.get(Kind.WORSE)


def test_what_a_person_drops_stays_away_from_evidence(store: Store, home: Home) -> None:
    pool(store, QUESTIONS[0])
    with teacher_saying(home, lambda _: openai_said("It stands there.")) as (settings, _):
        gathered(store, home, settings).ask("teach")
    [example] = store.teaching.examples.all(MODEL)
    examples = store.teaching.examples
    assert examples.ids(MODEL, ExampleState.KEPT) == [example.id]
    assert examples.decide(MODEL, example.id, ExampleState.DROPPED, BY_PERSON, None)
    assert examples.ids(MODEL, ExampleState.KEPT) == []
    assert [each.prompt_hash for each in examples.ever_kept(MODEL)] == [example.prompt_hash]


OF_DOCUMENTS = {"grounded": 6, "synthesis": 2, "refusal": 2}
SETTINGS = TeachingSettings(answers=60, repairs=30, variations=0, worse=0, from_documents=10)


@pytest.mark.parametrize(
    ("kinds", "limit", "found"),
    [
        ((), None, {"answer": 60, "repair": 30, "variation": 0, "worse": 0, **OF_DOCUMENTS}),
        ((), 5, {"answer": 60, "repair": 30, "variation": 0, "worse": 0, **OF_DOCUMENTS}),
        ((Kind.ANSWER,), None, {"answer": 60}),
        ((Kind.ANSWER, Kind.WORSE), 9, {"answer": 9, "worse": 9}),
    ],
)
def test_amounts_are_those_of_the_settings(kinds: tuple[Kind, ...], limit: int | None, found: dict[str, int]) -> None:
    assert amounts(SETTINGS, kinds, limit) == found


@given(st.dictionaries(st.sampled_from(Kind), st.integers(0, 200)), st.integers(0, 300) | st.none())
def test_limit_is_shared_out_to_the_last(counts: dict[Kind, int], limit: int | None) -> None:
    found = within(counts, limit)
    total = sum(counts.values())
    assert sum(found.values()) == (total if limit is None else min(limit, total))
    assert all(0 <= found[kind] <= count for kind, count in counts.items())
    if limit is not None and total > limit:
        assert all(abs(found[kind] - count * limit / total) < 1 for kind, count in counts.items())


@pytest.mark.parametrize(
    ("teacher", "elsewhere"),
    [
        ('model = "qwen3:14b"', False),
        ('model = "qwen3:480b-cloud"', True),
        ('model = "Qwen3:480B-Cloud"', True),
        ('model = "x"\nbase_url = "http://localhost:8080/v1"', False),
        ('model = "x"\nbase_url = "https://api.example.com/v1"', True),
    ],
)
def test_terms_are_asked_of_what_leaves_this_machine(teacher: str, elsewhere: bool) -> None:
    settings = config.parse(f"[teachers.big]\n{teacher}")
    assert is_elsewhere(settings.teachers["big"], settings) == elsewhere
    if elsewhere:
        with pytest.raises(ConfigError, match="terms"):
            require_terms("big", settings.teachers["big"], settings)
    allowed = replace(settings.teachers["big"], terms_allow_training=True)
    require_terms("big", allowed, settings)


def test_teacher_is_the_named_or_the_only_one(home: Home) -> None:
    more = '[models.m.teaching]\nteacher = "{}"'
    text = CONFIG.format(port=1, more="")
    assert teacher_name(config.parse(text), MODEL) == "big"
    two = text + '[teachers.small]\nmodel = "s"\n'
    with pytest.raises(NotFoundError, match="which teacher"):
        teacher_name(config.parse(two), MODEL)
    assert teacher_name(config.parse(two + more.format("small")), MODEL) == "small"
    with pytest.raises(ConfigError, match="nobody"):
        config.parse(text + more.format("nobody"))
    with pytest.raises(NotFoundError, match="no teacher"):
        teacher_name(config.parse('[models.m]\nbase = "t"\nbase_digest = "sha256:00"'), MODEL)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ('base_url = "ftp://x"', "is not http"),
        ('key_env = "KEY"', "needs teachers.big.base_url"),
        ('base_url = "http://h/v1"\nkey_env = "sk-a-key"', "key_env: is no name"),
        ("parallel = 0", "parallel"),
        ("temperature = 3", "temperature"),
    ],
)
def test_teacher_that_cannot_be_is_refused_with_its_path(fault: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        config.parse(f'[teachers.big]\nmodel = "x"\n{fault}')
    assert "sk-a-key" not in str(caught.value)


def test_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    text = '[teachers.big]\nmodel = "x"\nbase_url = "https://api.example.com/v1"\nkey_env = "NO_SUCH_KEY"'
    settings = config.parse(text)
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
        open_teacher("big", settings.teachers["big"], settings)


def test_folder_that_is_none_is_refused(store: Store, home: Home, tmp_path: Path) -> None:
    with teacher_saying(home, lambda _: openai_said()) as (settings, _), pytest.MonkeyPatch.context() as patched:
        patched.setattr("adapterd.teachers.prepare._tokens", lambda *_: len)
        with pytest.raises(InputError, match="is no folder"):
            prepare(store, home, settings, MODEL, judge=None, kinds=[Kind.GROUNDED], documents=tmp_path / "nowhere")
