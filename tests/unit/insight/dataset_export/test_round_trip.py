"""What is exported and read as feedback gives the same examples and pairs."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.chat import Message, Prompt, Role
from adapterd.dataset.export import Part, export_format, stated_pairs
from adapterd.dataset.export.plain import SEVERAL_TURNS
from adapterd.dataset.statements import Resolution, resolve
from adapterd.feedback import strict_json
from adapterd.feedback.formats import parse
from adapterd.insight.dataset_export.export import NO_PAIRS, NO_WORSE, READS_OTHERWISE, Exporter
from adapterd.insight.dataset_export.taught import Taught
from adapterd.record import FeedbackRecord

AT = datetime(2026, 11, 1, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
LINES = st.sampled_from(
    ["Ask.\nTwo\r\nlines\u2028and \x85 more", "\tcode:\n\n    x = '\\u0041'\n", "Ελλάδα 日本 🙂 \u202e"]
)
SAID = TEXT | LINES
JSON = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5) | st.none(), max_size=3).map(json.dumps)
THOUGHT = st.builds("<think>\n{}\n</think>\n\n{}".format, st.just("Hm, well."), st.sampled_from(["Yes.", "{}"]))
ANSWER = (
    SAID | JSON | THOUGHT | st.sampled_from(["nan", "true", "[]", '[{"role": "user", "content": "x"}]', "<b>x</b>"])
)
PROMPT = st.builds(
    lambda system, earlier, asked: (
        *((Message(Role.SYSTEM, system),) if system else ()),
        *(turn for one, two in earlier for turn in (Message(Role.USER, one), Message(Role.ASSISTANT, two))),
        Message(Role.USER, asked),
    ),
    st.none() | SAID,
    st.lists(st.tuples(SAID, SAID), max_size=2),
    SAID | JSON,
)
RECORDS = st.lists(
    st.builds(
        lambda messages, **said: FeedbackRecord(messages, created_at=AT, **said),
        PROMPT,
        output=st.none() | ANSWER,
        correction=ANSWER,
        rejected_output=st.none() | ANSWER,
    ),
    min_size=1,
    max_size=4,
)
ASKED_AND_ANSWERED = FeedbackRecord(
    (Message(Role.USER, "Who met?"),), output="The mayor.", correction="The council.", created_at=AT
)


def items(taught: Resolution) -> list[Taught]:
    pairs = [Taught(each, None) for each in stated_pairs(taught.examples, taught.pairs)]
    return [*(Taught(each, None) for each in taught.examples), *pairs]


def exported(name: str, taught: Resolution) -> tuple[dict[str, int], Resolution]:
    """Why something was left out, with the counts, and what the files teach when they are read again."""
    with TemporaryDirectory() as folder:
        made = Exporter("m", export_format(name)).to_place(items(taught), Path(folder) / "out")
        lines = [line for each in made.files if each.path for line in each.path.read_bytes().split(b"\n")[:-1]]
    assert len(lines) == made.records
    values = map(strict_json.decode_line, lines)
    again = resolve(record for each in values for record in parse(each, received_at=AT).records)
    return {each.reason: each.count for each in made.left_out}, again


def examples(taught: Resolution) -> set[tuple[Prompt, str]]:
    return {(each.messages, each.completion) for each in taught.examples}


def pairs(taught: Resolution) -> set[tuple[Prompt, str, str]]:
    return {(each.messages, each.chosen, each.rejected) for each in taught.pairs}


@pytest.mark.parametrize("name", ["openai", "trl", "sharegpt", "mlx-lm"])
@given(records=RECORDS)
def test_examples_of_conversations_are_the_same(name: str, records: list[FeedbackRecord]) -> None:
    taught = resolve([*records, ASKED_AND_ANSWERED])
    left_out, again = exported(name, taught)
    assert examples(again) == examples(taught)
    assert left_out == {NO_PAIRS: len(taught.pairs)}
    assert again.pairs == []


@given(records=RECORDS)
def test_examples_of_alpaca_are_the_same_but_for_those_that_are_counted(records: list[FeedbackRecord]) -> None:
    taught = resolve([*records, ASKED_AND_ANSWERED])
    left_out, again = exported("alpaca", taught)
    assert examples(again) <= examples(taught)
    lost = left_out.get(SEVERAL_TURNS, 0) + left_out.get(READS_OTHERWISE, 0)
    assert len(examples(again)) + lost == len(taught.examples)


@pytest.mark.parametrize("name", ["openai-preference", "trl-preference"])
@given(records=RECORDS)
def test_pairs_and_the_examples_that_are_in_them_are_the_same(name: str, records: list[FeedbackRecord]) -> None:
    taught = resolve([*records, ASKED_AND_ANSWERED])
    left_out, again = exported(name, taught)
    assert pairs(again) <= pairs(taught)
    assert len(pairs(again)) + left_out.get(READS_OTHERWISE, 0) == len(pairs(taught))
    known = {each.pair for each in stated_pairs(taught.examples, taught.pairs) if each.is_right}
    only_better = {(each.messages, each.chosen) for each in taught.pairs if each not in known}
    if name == "trl-preference":
        assert examples(again) <= examples(taught)
    else:  # which has no word for an answer that is better, and not known to be right
        assert examples(again) <= examples(taught) | only_better
    found = examples(again) & examples(taught)
    assert len(found) + left_out.get(NO_WORSE, 0) == len(taught.examples)


@pytest.mark.parametrize(
    ("answer", "formats"),
    [
        ("nan", ["openai", "trl", "sharegpt", "mlx-lm"]),
        ('[{"role": "user", "content": "x"}]', ["openai", "trl", "sharegpt", "mlx-lm"]),
        ('{"title": "Ferry", "price": 19.90}', ["openai", "trl", "sharegpt", "mlx-lm", "alpaca"]),
        ("See <image>", ["alpaca"]),
    ],
)
def test_what_would_be_read_otherwise_is_left_out_and_counted(answer: str, formats: list[str]) -> None:
    odd = replace(ASKED_AND_ANSWERED, messages=(Message(Role.USER, "Odd?"),), correction=answer)
    taught = resolve([ASKED_AND_ANSWERED, odd])
    for name in ("openai", "trl", "sharegpt", "mlx-lm", "alpaca"):
        left_out, again = exported(name, taught)
        assert left_out.get(READS_OTHERWISE, 0) == (name not in formats)
        assert len(again.examples) == 1 + (name in formats)


@given(records=RECORDS)
def test_pairs_of_plain_words_are_all_there(records: list[FeedbackRecord]) -> None:
    words = [replace(each, rejected_output="No.", output=f"{each.correction} or so") for each in records]
    taught = resolve([replace(each, correction=f"It is {each.correction}") for each in words])
    left_out, again = exported("trl-preference", taught)
    assert pairs(again) == pairs(taught)
    assert examples(again) == examples(taught)
    assert left_out == {}


def test_a_blank_system_prompt_is_counted_as_feedback_has_none() -> None:
    blank = (Message(Role.SYSTEM, ""), Message(Role.USER, "Who met?"))
    left_out, _ = exported("openai", resolve([ASKED_AND_ANSWERED, replace(ASKED_AND_ANSWERED, messages=blank)]))
    assert left_out[READS_OTHERWISE] == 1


def test_lines_are_divided_at_line_feeds_only() -> None:
    taught = resolve([replace(ASKED_AND_ANSWERED, correction="one\u2028two\x85three\r\nfour\vfive")])
    stream = io.BytesIO()
    Exporter("m", export_format("openai")).to_stream(items(taught), stream)
    assert len(stream.getvalue().decode().splitlines()) == 1


def test_examples_may_come_from_anywhere() -> None:
    """Whatever gives examples can be exported: no store is asked."""
    made = Exporter("m", export_format("openai")).to_stream(
        (Taught(each, Part.TRAIN) for each in resolve([ASKED_AND_ANSWERED]).examples), io.BytesIO()
    )
    assert made.sets == {"train": 1}
