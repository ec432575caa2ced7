"""Who learns, who chooses, who judges: properties that hold for any feedback."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adapterd.chat import Message, Role
from adapterd.config import DatasetSettings
from adapterd.dataset.cases import EvaluationCase, content_hash
from adapterd.dataset.examples import Example, PreferencePair
from adapterd.dataset.split import MIN_USABLE_PROMPTS, Split, split, split_pairs
from adapterd.errors import NotEnoughDataError, StageError

START = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULTS = DatasetSettings()


def example(prompt: int, minute: int, completion: str = "a") -> Example:
    return Example(
        messages=(Message(Role.USER, f"prompt {prompt}"),),
        completion=completion,
        record=f"record {prompt} {minute}",
        prompt_hash=f"p{prompt}",
        created_at=START + timedelta(minutes=minute),
        source_id=f"article {prompt}",
    )


def distinct(count: int, first: int = 0) -> list[Example]:
    return [example(number, number) for number in range(first, first + count)]


def divide(examples: Sequence[Example], chosen: DatasetSettings = DEFAULTS) -> Split:
    """The first split, before anything is frozen."""
    return split(examples, chosen, frozen=(), evaluation_prompt_hashes=set())


def divide_again(examples: Sequence[Example], sets: Split, chosen: DatasetSettings = DEFAULTS) -> Split:
    """A later split, when the evaluation set of an earlier one is in force."""
    return split(examples, chosen, frozen=sets.evaluation, evaluation_prompt_hashes=judged_by(sets))


def judged_by(sets: Split) -> set[str]:
    return {case.id for case in sets.evaluation}


def prompts(examples: Sequence[Example]) -> set[str]:
    return {each.prompt_hash for each in examples}


SETTINGS = st.builds(
    DatasetSettings,
    evaluation_share=st.floats(0, 0.9),
    evaluation_max=st.integers(1, 30),
    validation_share=st.floats(0, 0.9),
)
FEEDBACK = st.lists(  # some prompts get several answers, no two of them at the same time
    st.builds(example, st.integers(0, 25), st.integers(0, 10_000), st.sampled_from("abc")),
    unique_by=lambda each: each.created_at,
    max_size=60,
)
ENOUGH = FEEDBACK.map(lambda some: distinct(MIN_USABLE_PROMPTS, first=20_000) + some)


@given(ENOUGH, SETTINGS)
def test_no_prompt_is_in_two_sets_and_none_is_lost(examples: list[Example], chosen: DatasetSettings) -> None:
    sets = divide(examples, chosen)
    used = [*(each.prompt_hash for each in sets.train + sets.validation), *(case.id for case in sets.evaluation)]
    assert len(used) == len(set(used))
    assert set(used) == prompts(examples)


@given(ENOUGH, SETTINGS)
def test_no_set_is_empty(examples: list[Example], chosen: DatasetSettings) -> None:
    sets = divide(examples, chosen)
    assert sets.train
    assert sets.validation
    assert 1 <= len(sets.evaluation) <= chosen.evaluation_max


@given(ENOUGH, SETTINGS)
def test_the_newest_prompts_become_the_evaluation_set(examples: list[Example], chosen: DatasetSettings) -> None:
    sets = divide(examples, chosen)
    newest = {each.prompt_hash: each.created_at for each in sorted(examples, key=lambda each: each.created_at)}
    judging = min(newest[case.id] for case in sets.evaluation)
    assert judging > max(newest[each.prompt_hash] for each in sets.train + sets.validation)


@given(ENOUGH, SETTINGS)
def test_no_more_validate_than_the_settings_say(examples: list[Example], chosen: DatasetSettings) -> None:
    sets = divide(examples, chosen)
    usable = len(sets.train) + len(sets.validation)
    assert len(sets.validation) <= max(1, chosen.validation_share * usable)


@given(ENOUGH, SETTINGS)
def test_of_contradicting_answers_the_later_one_counts(examples: list[Example], chosen: DatasetSettings) -> None:
    last = {each.prompt_hash: each for each in sorted(examples, key=lambda each: each.created_at)}
    sets = divide(examples, chosen)
    assert all(each == last[each.prompt_hash] for each in sets.train + sets.validation)
    assert all(
        (case.reference, case.record) == (last[case.id].completion, last[case.id].record) for case in sets.evaluation
    )


@given(ENOUGH, SETTINGS)
def test_every_example_is_accounted_for(examples: list[Example], chosen: DatasetSettings) -> None:
    sets = divide(examples, chosen)
    assert sets.held_out == 0
    assert len(sets.train) + len(sets.validation) + len(sets.evaluation) + sets.duplicates == len(examples)


@given(ENOUGH, SETTINGS, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    examples: list[Example], chosen: DatasetSettings, random: Random
) -> None:
    shuffled = list(examples)
    random.shuffle(shuffled)
    assert divide(shuffled, chosen) == divide(examples, chosen)


@given(ENOUGH, ENOUGH, SETTINGS, SETTINGS)
def test_a_frozen_set_stays_as_it_is_when_more_arrives(
    examples: list[Example], more: list[Example], chosen: DatasetSettings, later: DatasetSettings
) -> None:
    sets = divide(examples, chosen)
    judged = judged_by(sets)
    assume(len(prompts(examples + more) - judged) >= MIN_USABLE_PROMPTS)
    again = divide_again(examples + more, sets, later)
    assert again.evaluation == sets.evaluation
    assert prompts(again.train + again.validation) == prompts(examples + more) - judged
    assert again.train
    assert again.validation
    assert again.held_out == len(judged)
    total = len(again.train) + len(again.validation) + again.duplicates + again.held_out
    assert total == len(examples) + len(more)


@given(ENOUGH, st.sets(st.integers(0, 25), max_size=20), SETTINGS)
def test_prompts_of_any_earlier_evaluation_set_are_in_no_new_set(
    examples: list[Example], earlier: set[int], chosen: DatasetSettings
) -> None:
    judged = {f"p{number}" for number in earlier}
    sets = split(examples, chosen, frozen=(), evaluation_prompt_hashes=judged)
    assert not judged & (prompts(sets.train + sets.validation) | judged_by(sets))
    assert sets.held_out == len(judged & prompts(examples))


def test_a_later_answer_to_an_evaluation_prompt_changes_nothing() -> None:
    sets = divide(distinct(50))
    late = [example(49, 1000, "a better answer"), example(48, 1001, "another one")]
    again = divide_again(distinct(50) + late, sets)
    assert again.evaluation == sets.evaluation
    assert not prompts(again.train + again.validation) & {"p48", "p49"}


def test_of_answers_of_the_same_moment_the_one_that_arrived_last_counts() -> None:
    sets = divide([*distinct(20), example(0, 0, "first"), example(0, 0, "second")])
    assert [each.completion for each in sets.train + sets.validation if each.prompt_hash == "p0"] == ["second"]


@pytest.mark.parametrize(
    ("count", "chosen", "sizes"),
    [
        (50, DEFAULTS, (37, 3, 10)),
        (2000, DEFAULTS, (1711, 89, 200)),
        (50, DatasetSettings(evaluation_max=3), (43, 4, 3)),
        (50, DatasetSettings(evaluation_share=0.0, validation_share=0.0), (48, 1, 1)),
        (10, DEFAULTS, (7, 1, 2)),
        (10, DatasetSettings(evaluation_share=0.9, validation_share=0.9), (1, 1, 8)),
        (12, DatasetSettings(evaluation_share=0.5, validation_share=0.9), (1, 5, 6)),
    ],
)
def test_sets_are_of_the_sizes_that_the_settings_say(
    count: int, chosen: DatasetSettings, sizes: tuple[int, int, int]
) -> None:
    sets = divide(distinct(count), chosen)
    assert (len(sets.train), len(sets.validation), len(sets.evaluation)) == sizes


def test_a_case_has_everything_that_evaluation_needs() -> None:
    newest = divide(distinct(10)).evaluation[0]
    assert newest == EvaluationCase(
        id="p9", messages=(Message(Role.USER, "prompt 9"),), reference="a", record="record 9 9", source_id="article 9"
    )


@pytest.mark.parametrize(
    "examples", [[], distinct(MIN_USABLE_PROMPTS - 1), [example(0, minute) for minute in range(100)]], ids=len
)
def test_too_few_distinct_prompts_are_an_error_that_counts_them(examples: list[Example]) -> None:
    found = len(prompts(examples))
    with pytest.raises(NotEnoughDataError, match=f"^there are {found} examples with distinct prompts .* 10 are needed"):
        divide(examples)


def test_just_enough_are_enough() -> None:
    assert divide(distinct(MIN_USABLE_PROMPTS)).train


def test_evaluation_prompts_do_not_count_as_enough() -> None:
    with pytest.raises(NotEnoughDataError, match="there are 9 examples"):
        split(distinct(MIN_USABLE_PROMPTS), DEFAULTS, frozen=(), evaluation_prompt_hashes={"p3"})


def of_sources(sources: Sequence[str | None], first: int = 0) -> list[Example]:
    """One prompt a minute; of these sources."""
    return [replace(example(number, number), source_id=name) for number, name in enumerate(sources, start=first)]


def sources(examples: Sequence[Example] | Sequence[EvaluationCase]) -> set[str | None]:
    return {each.source_id for each in examples}


def test_no_source_of_a_frozen_case_is_trained_on() -> None:
    """Four questions to each article, in any order."""
    order = random.Random(1).sample([f"article {number // 4}" for number in range(300)], 300)
    sets = divide(of_sources(order))
    assert len(sets.evaluation) == 60
    assert not sources(sets.evaluation) & sources(sets.train + sets.validation)
    assert (sets.same_source, sets.shared_sources) == (0, [])


def test_later_examples_of_an_evaluated_source_are_left_out_and_counted() -> None:
    sets = divide(of_sources([f"article {number // 4}" for number in range(300)]))
    judging = next(case.source_id for case in sets.evaluation)
    everything = of_sources([f"article {number // 4}" for number in range(300)]) + of_sources([judging] * 3, first=900)
    again = divide_again(everything, sets)
    assert (again.same_source, again.shared_sources) == (3, [])
    assert judging not in sources(again.train + again.validation)


def test_a_source_that_is_too_large_to_be_left_out_is_named() -> None:
    sets = divide(of_sources([f"feed {number % 3}" for number in range(300)]))
    assert len(sets.evaluation) == 60
    assert sets.shared_sources == ["feed 0", "feed 1", "feed 2"]
    assert len(sets.train) + len(sets.validation) == 240


def test_a_prompt_that_cannot_be_asked_is_no_case_and_is_trained_on() -> None:
    sets = split(
        distinct(50), DEFAULTS, frozen=(), evaluation_prompt_hashes=set(),
        unaskable=lambda each: "too long" if each.prompt_hash in ("p49", "p45") else "",
    )  # fmt: skip
    assert [str(each) for each in sets.unaskable] == [
        f"record {f'record {n} {n}'[:12]} (source 'article {n}'): too long" for n in (49, 45)
    ]
    assert judged_by(sets) == {f"p{number}" for number in (48, 47, 46, 44, 43, 42, 41, 40, 39, 38)}
    assert {"p49", "p45"} <= prompts(sets.train + sets.validation)


def test_an_unusable_example_is_in_no_set_and_named() -> None:
    sets = split(
        distinct(50),
        DEFAULTS,
        frozen=(),
        evaluation_prompt_hashes=set(),
        unusable=lambda each: "odd" * (each.prompt_hash == "p49"),
    )
    assert [each.reason for each in sets.unusable] == ["odd"]
    assert "p49" not in prompts(sets.train + sets.validation) | judged_by(sets)


def test_if_nothing_can_be_asked_the_error_has_the_first_reasons() -> None:
    with pytest.raises(
        NotEnoughDataError, match=r"no example can be an evaluation case; left out: 50 \(record .* too long"
    ):
        split(distinct(50), DEFAULTS, frozen=(), evaluation_prompt_hashes=set(), unaskable=lambda _: "too long")


def like_cases(count: int) -> list[Example]:
    """A hundred articles, and as many that differ by a word from one of the newest, which judge."""
    articles = [" ".join(random.Random(number).sample([f"w{n}" for n in range(3000)], 60)) for number in range(100)]
    texts = [f"{text} indeed" for text in articles[-count:]] + articles
    made = [(example(number, number), (Message(Role.USER, text),)) for number, text in enumerate(texts)]
    return [replace(each, messages=messages) for each, messages in made]


def test_a_run_stops_where_too_much_is_nearly_the_same_as_the_evaluation_set() -> None:
    chosen = DatasetSettings(evaluation_max=30, evaluation_share=0.9)
    with pytest.raises(StageError, match=r"^25 of 95 prompts \(26%\) are nearly the same as one of the") as caught:
        divide(like_cases(25), chosen)
    assert "dataset.max_near_duplicates" in caught.value.hint
    allowed = divide(like_cases(25), replace(chosen, max_near_duplicates=0.3))
    assert (allowed.near_duplicates, len(allowed.train) + len(allowed.validation)) == (25, 70)


def test_a_few_that_are_nearly_the_same_are_left_out() -> None:
    sets = divide(like_cases(10))
    assert (sets.near_duplicates, len(sets.train) + len(sets.validation)) == (10, 78)


def test_near_duplicates_of_an_older_set_are_not_trained_on() -> None:
    examples = like_cases(10)
    older = {each.prompt_hash for each in examples[100:]}
    newer = [replace(each, messages=(Message(Role.USER, f"else {each.prompt_hash}"),)) for each in distinct(50, 500)]
    sets = split(examples + newer, DEFAULTS, frozen=[], evaluation_prompt_hashes=older)
    assert sets.near_duplicates == 10


def test_a_pair_is_where_the_other_prompts_of_its_source_are() -> None:
    sets = divide(of_sources([f"article {number // 4}" for number in range(400)]))
    named = [(set_of, each.source_id) for set_of in (sets.train, sets.validation) for each in set_of]
    pairs = [
        PreferencePair((Message(Role.USER, f"other {n}"),), "good", "bad", f"r{n}", f"q{n}", START, source)
        for n, (_, source) in enumerate(named)
    ]
    trained, validated = split_pairs(pairs, sets, judged_by(sets), DEFAULTS)
    assert {pair.source_id for pair in trained} == sources(sets.train)
    assert {pair.source_id for pair in validated} == sources(sets.validation)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
CASES = st.lists(
    st.builds(
        EvaluationCase,
        id=TEXT,
        messages=st.lists(st.builds(Message, st.sampled_from(Role), TEXT), max_size=3).map(tuple),
        reference=TEXT,
        record=TEXT,
        source_id=st.none() | TEXT,
    ),
    max_size=3,
)


@given(CASES)
def test_cases_survive_the_store(cases: list[EvaluationCase]) -> None:
    stored = json.loads(json.dumps([case.as_dict() for case in cases]))
    again = [EvaluationCase.from_dict(case) for case in stored]
    assert again == cases
    assert content_hash(again) == content_hash(cases)


@settings(max_examples=300)
@given(CASES, CASES)
def test_the_hash_identifies_the_cases_and_their_order(one: list[EvaluationCase], other: list[EvaluationCase]) -> None:
    assert (content_hash(one) == content_hash(other)) == (one == other)
    assert content_hash(one) != content_hash([*one, *one]) or not one
