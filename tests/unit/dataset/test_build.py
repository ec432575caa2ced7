"""The dataset stage: records in, a folder of encoded sets out."""

import json
import re
import stat
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from adapterd.chat import Message, Role
from adapterd.config import Balance, DatasetSettings
from adapterd.dataset.askable import TokenLimits
from adapterd.dataset.build import build_dataset
from adapterd.dataset.cases import EvaluationCase, content_hash
from adapterd.dataset.replay.replay import BaseAnswer, Replay
from adapterd.dataset.result import DatasetResult
from adapterd.errors import NotEnoughDataError, RuntimeRefusedError
from adapterd.record import FeedbackRecord
from adapterd.training.data import Dataset
from tests.unit.dataset.letter_tokenizer import END, LetterTokenizer, letters, render

START = datetime(2026, 1, 1, tzinfo=UTC)
TOKENIZER = LetterTokenizer()
FILES = ["train.jsonl", "validation.jsonl", "pairs.jsonl", "validation_pairs.jsonl"]


def record(number: int, **more: Any) -> FeedbackRecord:
    """The newer the higher its number; a correction unless said otherwise."""
    fields = {"correction": f"answer {number}", **more}
    prompt = (Message(Role.USER, f"prompt {number}"),)
    return FeedbackRecord(prompt, created_at=START + timedelta(hours=number), **fields)


RECORDS = [record(number, output="bad") for number in range(50)]


def build(out: Path, records: list[FeedbackRecord] = RECORDS, **more: Any) -> DatasetResult:
    options: dict[str, Any] = {
        "frozen": (), "evaluation_prompt_hashes": set(), "report": lambda _: None, "max_tokens": 100, "render": render,
        **more,
    }  # fmt: skip
    names = {each.name for each in fields(DatasetSettings)} & options.keys()
    settings = DatasetSettings(**{name: options.pop(name) for name in names})
    out.mkdir(exist_ok=True)
    return build_dataset(records, settings, tokenizer=TOKENIZER, out=out, **options)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_sets_are_written_and_counted(tmp_path: Path) -> None:
    made = build(tmp_path)
    assert [len(lines(tmp_path / name)) for name in FILES] == [37, 3, 37, 3]
    assert (made.train.examples, made.validation.examples, made.pairs, made.validation_pairs) == (37, 3, 37, 3)
    assert (made.records, len(made.evaluation_cases)) == (50, 10)
    assert (made.duplicates, made.held_out, made.end_of_turn) == (0, 0, END)


def test_only_the_sets_are_written_each_for_its_owner_alone(tmp_path: Path) -> None:
    build(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_general_prompts_are_written_beside_and_are_trained_on_but_are_no_examples_of_the_feedback(
    tmp_path: Path,
) -> None:
    shares = list[float]()
    options: dict[str, Any] = {
        "frozen": (),
        "evaluation_prompt_hashes": set(),
        "render": render,
        "report": shares.append,
    }
    settings = DatasetSettings(max_tokens=100_000)
    without = build_dataset(RECORDS, settings, tokenizer=TOKENIZER, out=private(tmp_path / "without"), **options)
    shares.clear()
    replay = Replay(0.2, lambda _: BaseAnswer("Of course.", complete=True))
    made = build_dataset(
        RECORDS, settings, tokenizer=TOKENIZER, out=private(tmp_path / "with"), replay=replay, **options
    )
    assert (made.replay, made.train.examples, without.replay) == (80, 37, 0)
    assert made.content_hash != without.content_hash
    assert Dataset.load(tmp_path / "with").per_epoch == 37 + 10
    assert Dataset.load(tmp_path / "without").per_epoch == 37
    assert lines(tmp_path / "with" / "train.jsonl") == lines(tmp_path / "without" / "train.jsonl")
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def private(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_line_is_an_example_as_it_is_served(tmp_path: Path) -> None:
    build(tmp_path)
    newest = RECORDS[39]
    prompt = TOKENIZER.encode_prompt(render(newest.messages))
    assert lines(tmp_path / "train.jsonl")[0] == {
        "ids": [*prompt, *letters("answer 39"), END],
        "prompt_tokens": len(prompt),
        "record": newest.content_hash,
        "output_type": newest.output_type,
        "weight": 1.0,
    }


def test_a_pair_is_both_answers_as_they_are_served(tmp_path: Path) -> None:
    build(tmp_path, [*RECORDS, record(-1, correction="better", output="worse")])
    prompt = TOKENIZER.encode_prompt(render(record(-1).messages))
    assert lines(tmp_path / "pairs.jsonl")[-1] == {
        "chosen": [*prompt, *letters("better"), END],
        "rejected": [*prompt, *letters("worse"), END],
        "prompt_tokens": len(prompt),
        "record": record(-1, correction="better", output="worse").content_hash,
    }


def test_a_pair_is_where_the_example_of_its_prompt_is(tmp_path: Path) -> None:
    build(tmp_path)
    for examples, pairs in (FILES[::2], FILES[1::2]):
        prompts = [[tuple(each[ids][: each["prompt_tokens"]]) for each in lines(tmp_path / name)]
                   for name, ids in ((examples, "ids"), (pairs, "chosen"))]  # fmt: skip
        assert sorted(prompts[0]) == sorted(prompts[1])


def test_pairs_without_an_example_are_divided_by_their_prompts(tmp_path: Path) -> None:
    rejected = [record(number, correction=None, output="fine", rejected_output="bad") for number in range(100, 300)]
    made = build(tmp_path, [*RECORDS, *rejected])
    assert made.pairs + made.validation_pairs == 240
    assert 8 <= made.validation_pairs - 3 <= 10
    prompts = [
        {tuple(each["chosen"][: each["prompt_tokens"]]) for each in lines(tmp_path / name)} for name in FILES[2:]
    ]
    assert not prompts[0] & prompts[1]


def test_a_pair_with_an_answer_that_is_too_long_is_left_out(tmp_path: Path) -> None:
    made = build(tmp_path, [*RECORDS, record(-1, correction="better", output="worse" * 30)])
    assert made.pairs + made.validation_pairs == 40


def test_the_newest_prompts_are_to_be_frozen(tmp_path: Path) -> None:
    made = build(tmp_path)
    cases = [EvaluationCase.from_dict(case) for case in made.evaluation_cases]
    assert [case.record for case in cases] == [each.content_hash for each in reversed(RECORDS[40:])]
    assert made.evaluation_hash == content_hash(cases)
    assert json.loads(json.dumps(made.evaluation_cases)) == made.evaluation_cases


def test_evaluation_cases_are_in_no_training_file(tmp_path: Path) -> None:
    build(tmp_path)
    written = {line["record"] for name in FILES for line in lines(tmp_path / name)}
    assert written == {each.content_hash for each in RECORDS[:40]}


def test_cases_of_a_frozen_set_stay_out_when_more_arrives(tmp_path: Path) -> None:
    first = build(tmp_path / "first")
    frozen = [EvaluationCase.from_dict(case) for case in first.evaluation_cases]
    more = [*RECORDS, *(record(number, output="bad") for number in range(50, 60)), record(49, correction="late")]
    again = build(tmp_path / "again", more, frozen=frozen, evaluation_prompt_hashes={case.id for case in frozen})
    assert (again.evaluation_cases, again.evaluation_hash) == (first.evaluation_cases, first.evaluation_hash)
    assert again.held_out == 10
    written = {line["record"] for name in FILES for line in lines(tmp_path / "again" / name)}
    assert written == {each.content_hash for each in [*RECORDS[:40], *more[50:60]]}


def test_prompts_of_any_earlier_set_are_in_no_file(tmp_path: Path) -> None:
    judged = {RECORDS[0].prompt_hash, RECORDS[49].prompt_hash}
    made = build(tmp_path, evaluation_prompt_hashes=judged)
    written = {line["record"] for name in FILES for line in lines(tmp_path / name)}
    assert not written & {RECORDS[0].content_hash, RECORDS[49].content_hash}
    assert not judged & {case["id"] for case in made.evaluation_cases}
    assert made.held_out == 2


def test_the_same_records_give_the_same_bytes_and_hash(tmp_path: Path) -> None:
    one, other = build(tmp_path / "one"), build(tmp_path / "other")
    assert one == other
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes() for name in FILES)


@pytest.mark.parametrize(
    "changed",
    [
        record(0, output="bad", correction="another answer"),
        record(36, output="bad", correction="another answer"),
        record(0, output="bad in another way"),
    ],
    ids=["an answer to train on", "an answer to validate with", "a rejected answer"],
)
def test_another_record_gives_another_hash(tmp_path: Path, changed: FeedbackRecord) -> None:
    other = [changed if changed.messages == each.messages else each for each in RECORDS]
    assert build(tmp_path / "one").content_hash != build(tmp_path / "other", other).content_hash


def test_evaluation_cases_are_not_part_of_the_hash_of_the_training_data(tmp_path: Path) -> None:
    other = [*RECORDS[:49], replace(RECORDS[49], correction="another answer")]
    one, changed = build(tmp_path / "one"), build(tmp_path / "other", other)
    assert one.content_hash == changed.content_hash
    assert one.evaluation_hash != changed.evaluation_hash


def test_an_example_that_is_too_long_is_left_out_and_counted(tmp_path: Path) -> None:
    build(tmp_path)
    train, validation = ([line["record"] for line in lines(tmp_path / name)] for name in FILES[:2])
    long = {*train[:2], validation[0]}
    records = [replace(each, correction="x" * 200) if each.content_hash in long else each for each in RECORDS]
    made = build(tmp_path, records)
    assert (made.train.examples, made.train.too_long) == (35, 2)
    assert (made.validation.examples, made.validation.too_long) == (2, 1)
    assert [len(lines(tmp_path / name)) for name in FILES[:2]] == [35, 2]


def test_an_example_of_just_the_greatest_length_is_kept(tmp_path: Path) -> None:
    longest = max(len(line["ids"]) for line in lines_of_all(tmp_path))
    assert build(tmp_path, max_tokens=longest).train.too_long == 0
    assert build(tmp_path, max_tokens=longest - 1).train.too_long > 0


def lines_of_all(out: Path) -> list[dict[str, Any]]:
    build(out)
    return lines(out / "train.jsonl")


def test_if_every_example_is_too_long_the_stage_fails(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughDataError, match="longer than 16 tokens") as caught:
        build(tmp_path, max_tokens=16)
    assert "max_tokens" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_too_few_examples_are_an_error_and_no_files(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughDataError, match="there are 9 examples"):
        build(tmp_path, RECORDS[:9])
    assert list(tmp_path.iterdir()) == []


def test_records_without_an_example_do_not_count(tmp_path: Path) -> None:
    unjudged = [record(number, correction=None, output="meh", rating=2) for number in range(100, 200)]
    with pytest.raises(NotEnoughDataError, match="there are 9 examples"):
        build(tmp_path, RECORDS[:9] + unjudged)


def test_a_record_given_again_counts_as_a_duplicate(tmp_path: Path) -> None:
    made = build(tmp_path, [*RECORDS, record(0, correction="changed my mind")])
    assert (made.records, made.duplicates) == (51, 1)
    assert made.train.examples + made.validation.examples == 40


def test_the_share_done_rises_to_one(tmp_path: Path) -> None:
    shares: list[float] = []
    build(tmp_path, report=shares.append)
    assert shares == sorted(shares)
    assert len(shares) == 91, "50 are rendered, 40 encoded, and 10 judge"
    assert shares[-1] == 1.0


def test_the_statistics_are_those_of_the_files(tmp_path: Path) -> None:
    made = build(tmp_path)
    written = lines(tmp_path / "train.jsonl")
    assert made.train.total == sum(len(line["ids"]) for line in written)
    assert made.train.prompt_max == max(line["prompt_tokens"] for line in written)


def test_examples_newer_than_the_live_version_have_the_configured_weight(tmp_path: Path) -> None:
    def weights(old_records: int, new_weight: float) -> list[float]:
        settings = DatasetSettings(max_tokens=100, new_weight=new_weight)
        build_dataset(
            RECORDS, settings, frozen=(), evaluation_prompt_hashes=set(), render=render, tokenizer=TOKENIZER,
            out=tmp_path, old_records=old_records,
        )  # fmt: skip
        return [line["weight"] for line in lines(tmp_path / "train.jsonl")]

    assert weights(30, 2.5) == [2.5] * 10 + [1.0] * 27
    assert weights(0, 2.5) == [1.0] * 37, "where nothing is old, nothing is new"
    assert weights(30, 1.0) == [1.0] * 37


def test_thoughts_are_trained_on_for_a_model_that_thinks_and_never_evaluated(tmp_path: Path) -> None:
    thoughtful = [replace(each, correction=f"<think>\nhm\n</think>\n\n{each.correction}") for each in RECORDS]
    thinking, silent = tmp_path / "thinking", tmp_path / "silent"
    made = [build(thinking, thoughtful), build(silent, thoughtful, thinks=False)]
    build(tmp_path / "plain")

    def learned(name: str) -> list[list[int]]:
        return [line["ids"][line["prompt_tokens"] :] for line in lines(tmp_path / name / "train.jsonl")]

    assert learned("silent") == learned("plain")
    assert all(len(long) > len(short) for long, short in zip(learned("thinking"), learned("silent"), strict=True))
    for each in made:
        assert {case["reference"][:6] for case in each.evaluation_cases} == {"answer"}


def refusing(*numbers: int) -> Any:
    """A template that refuses two user turns in a row, as many do."""

    def strict(messages: Any) -> str:
        if any(one.role == other.role for one, other in pairwise(messages)):
            raise RuntimeRefusedError("the template says: conversation roles must alternate")
        return render(messages)

    twice = {number: (Message(Role.USER, "Hello"), *RECORDS[number].messages) for number in numbers}
    return [replace(each, messages=twice.get(n, each.messages)) for n, each in enumerate(RECORDS)], strict


def test_a_conversation_that_the_template_refuses_is_left_out_and_named(tmp_path: Path) -> None:
    records, strict = refusing(5, 49)
    made = build(tmp_path, records, render=strict)
    assert {each.record for each in made.unusable} == {records[5].content_hash, records[49].content_hash}
    assert all("conversation roles must alternate" in each.reason for each in made.unusable)
    written = {line["record"] for name in FILES for line in lines(tmp_path / name)}
    judging = {case["record"] for case in made.evaluation_cases}
    assert not {each.record for each in made.unusable} & (written | judging)
    assert (made.train.examples + made.validation.examples, len(judging)) == (38, 10)
    [note] = [note for note in made.notes if "cannot be used" in note]
    assert records[49].content_hash[:12] in note


def test_a_pair_whose_conversation_the_template_refuses_is_left_out_and_named(tmp_path: Path) -> None:
    records, strict = refusing()
    twice = (Message(Role.USER, "Hi"), Message(Role.USER, "there"))
    odd = replace(record(-1, correction=None, output="fine", rejected_output="bad"), messages=twice)
    made = build(tmp_path, [*records, odd], render=strict)
    assert [each.record for each in made.unusable] == [odd.content_hash]
    assert made.pairs + made.validation_pairs == 40


def test_a_template_that_refuses_everything_is_no_fault_of_the_records(tmp_path: Path) -> None:
    def broken(messages: Any) -> str:
        raise RuntimeRefusedError("Ollama refused m:base: template: :1: unexpected EOF")

    with pytest.raises(RuntimeRefusedError, match="unexpected EOF"):
        build(tmp_path, render=broken)


def test_a_refusal_that_passes_is_no_fault_of_the_record(tmp_path: Path) -> None:
    refusals = [RuntimeRefusedError("Ollama failed at m:base: the runner has ended")]

    def once(messages: Any) -> str:
        if messages == RECORDS[3].messages and refusals:
            raise refusals.pop()
        return render(messages)

    assert build(tmp_path, render=once).unusable == []
    assert not refusals


def test_a_prompt_of_which_nothing_is_rendered_is_left_out(tmp_path: Path) -> None:
    made = build(tmp_path, render=lambda messages: "" if messages == RECORDS[3].messages else render(messages))
    assert [(each.record, each.reason) for each in made.unusable] == [
        (RECORDS[3].content_hash, "nothing is left of its prompt when it is rendered")
    ]


LONG = Message(Role.USER, "x" * 300)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"messages": (LONG,)}, "its prompt of 319 tokens and an answer of 20 take 339, more than evaluation.num_ctx"),
        ({"correction": '{"price": 1e200}'}, "it has the number 1e200, which is too large to measure"),
        ({"correction": '{"n": [-1e400]}'}, "it has the number -1e400"),
        ({"correction": '{"n": ' + "9" * 400 + "}"}, "it has the number 99999999999999999999…"),
        ({"correction": '{"n": ' + "9" * 5000 + "}"}, "it has the number 99999999999999999999…"),
        ({"correction": '{"title": "t", "\\ud800": 1}'}, "it has half of a surrogate pair at position 1"),
        ({"correction": '{"a": [{"b": "x\\udc00"}]}'}, "it has half of a surrogate pair at position 2"),
        ({"correction": "word " * 600}, "its answer has 2999 tokens, more than the 2048 to compare"),
    ],
)
def test_a_case_that_cannot_be_asked_or_measured_is_left_out_and_named(
    tmp_path: Path, odd: dict[str, Any], reason: str
) -> None:
    records = [*RECORDS[:49], replace(RECORDS[49], **odd)]
    made = build(tmp_path, records, limits=TokenLimits(num_ctx=320, num_predict=20), max_tokens=10_000)
    assert [each.record for each in made.unaskable] == [records[49].content_hash]
    assert made.unaskable[0].reason.startswith(reason)
    assert len(made.evaluation_cases) == 10
    assert records[49].content_hash in {line["record"] for name in FILES[:2] for line in lines(tmp_path / name)}, (
        "it may still teach"
    )
    assert any(reason in note for note in made.notes)


def test_a_prompt_that_the_model_cannot_read_is_no_case(tmp_path: Path) -> None:
    records = [*RECORDS[:49], replace(RECORDS[49], messages=(LONG,))]
    made = build(tmp_path, records, limits=TokenLimits(num_ctx=4096, num_predict=20, context=330), max_tokens=10_000)
    assert [each.reason for each in made.unaskable] == [
        "its prompt of 319 tokens and an answer of 20 take 339, and the model reads 330 at most"
    ]


def test_the_result_counts_how_many_of_the_newest_are_trained_on(tmp_path: Path) -> None:
    first = build(tmp_path / "first")
    assert (first.newest, first.learned) == (2, 0), "those of the last day judge"
    frozen = [EvaluationCase.from_dict(case) for case in first.evaluation_cases]
    more = [*RECORDS, *(record(number) for number in range(100, 150))]
    again = build(
        tmp_path / "again", more, frozen=frozen, evaluation_prompt_hashes={case.id for case in frozen}, old_records=50
    )
    assert again.newest == 50
    assert 45 <= again.learned <= 50
    assert again.notes[0] == f"learned {again.learned} of the 50 newest"


def test_held_record_is_in_no_set_and_named_without_its_text(tmp_path: Path) -> None:
    held = {RECORDS[number].content_hash for number in (5, 20, 49)}
    made = build(tmp_path, held=held)
    written = {line["record"] for name in FILES for line in lines(tmp_path / name)}
    assert not held & (written | {case["record"] for case in made.evaluation_cases})
    assert made.held == 3
    assert any("3 examples held for secrets or personal data" in note for note in made.notes)


def test_earlier_answer_does_not_come_back_where_the_newest_is_held(tmp_path: Path) -> None:
    newest = replace(RECORDS[5], correction="jane@example.org", created_at=START + timedelta(days=90))
    made = build(tmp_path, [*RECORDS, newest], held={newest.content_hash})
    written = {line["record"] for name in FILES[:2] for line in lines(tmp_path / name)}
    assert not {RECORDS[5].content_hash, newest.content_hash} & written
    assert made.held == 1


def test_answer_that_copies_its_prompt_is_left_out(tmp_path: Path) -> None:
    article = " ".join(chr(97 + n // 26) + chr(97 + n % 26) for n in range(60))
    copy = FeedbackRecord((Message(Role.USER, article),), correction=article, created_at=START)
    made = build(tmp_path, [*RECORDS, copy], max_tokens=1000)
    assert [each.record for each in made.unusable] == [copy.content_hash]
    assert made.unusable[0].reason.startswith("100% of its answer is long passages of its prompt")
    assert build(tmp_path, [*RECORDS, copy], max_tokens=1000, max_copied=1.0).unusable == []


def test_fewer_examples_than_the_setting_asks_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughDataError, match=r"there are 50 examples with distinct prompts.*and 51 are needed"):
        build(tmp_path, min_examples=51)
    assert build(tmp_path, RECORDS[:6], min_examples=5).train.examples > 0


def test_training_set_is_balanced_and_the_evaluation_set_is_not(tmp_path: Path) -> None:
    records = [record(n, output_type="a" if n % 10 else f"{n % 20}") for n in range(100)]
    made = build(tmp_path, records, balance=Balance.OUTPUT_TYPE, balance_cap=2.0)
    assert made.unbalanced > 0
    assert made.train.examples + made.validation.examples + made.unbalanced == 80
    assert any("of the largest groups by output_type (dataset.balance)" in note for note in made.notes)
    assert made.card["left_out"]["beyond dataset.balance_cap"] == made.unbalanced


def test_card_counts_what_is_taught_and_holds_no_text_of_a_record(tmp_path: Path) -> None:
    secret = record(50, correction="an unmistakable answer", output="an unmistakable output")
    made = build(tmp_path, [*RECORDS, secret], held={RECORDS[0].content_hash})
    card = made.card
    assert {each["name"]: each["num_examples"] for each in card["splits"]} == {
        "train": made.train.examples, "validation": made.validation.examples, "test": 10,
        "train_pairs": made.pairs, "validation_pairs": made.validation_pairs,
    }  # fmt: skip
    assert card["records"] == {"correction": 51}
    assert card["left_out"] == {"secrets or personal data": 1}
    assert "unmistakable" not in json.dumps(card)


def test_near_duplicates_that_leave_validation_are_told(tmp_path: Path) -> None:
    def said(number: int) -> str:
        words = [f"word{(number // 2) * 40 + place}" for place in range(40)]
        return " ".join([*words, f"end{number}"])

    records = [replace(each, messages=(Message(Role.USER, said(n)),)) for n, each in enumerate(RECORDS)]
    made = build(tmp_path, records, max_tokens=2000, max_near_duplicates=1.0)
    [note] = [note for note in made.notes if note.startswith("moved")]
    assert re.fullmatch(
        r"moved from validation to training: \d+ examples nearly the same as others that are trained on", note
    )
