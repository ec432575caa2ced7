"""Encoded examples and pairs: what is written is read again, and a line at fault is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapterd.errors import InputError
from adapterd.formats.encoded import EncodedExample, EncodedPair, read_examples, read_pairs, write_encoded

EXAMPLE = {"ids": [1, 2, 3], "prompt_tokens": 2, "record": "abc"}
PAIR = {"chosen": [1, 2, 3], "rejected": [1, 2, 4, 5], "prompt_tokens": 2, "record": "abc"}


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def test_written_examples_are_read_again(tmp_path: Path) -> None:
    examples = [EncodedExample((1, 2, 3), 2, "a", "news", 2.5), EncodedExample((4, 5), 1, "b\u2028ü")]
    (tmp_path / "train.jsonl").write_text(write_encoded(examples))
    assert list(read_examples(tmp_path / "train.jsonl")) == examples


def test_written_pairs_are_read_again(tmp_path: Path) -> None:
    pairs = [EncodedPair((1, 2, 3), (1, 2, 4, 5), 2, "a"), EncodedPair((1, 2, 3), (1, 2, 4), 2, "b", imitate=False)]
    (tmp_path / "pairs.jsonl").write_text(write_encoded(pairs))
    assert list(read_pairs(tmp_path / "pairs.jsonl")) == pairs
    assert pairs[0].examples() == (EncodedExample((1, 2, 3), 2, "a"), EncodedExample((1, 2, 4, 5), 2, "a"))


def test_example_line_has_the_fields_of_older_releases() -> None:
    assert write_encoded([EncodedExample((1, 2, 3), 2, "abc")]) == (
        '{"ids": [1, 2, 3], "prompt_tokens": 2, "record": "abc", "output_type": null, "weight": 1.0}\n'
    )


def test_example_without_the_fields_that_were_added_later_is_read(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(json.dumps(EXAMPLE))
    assert list(read_examples(tmp_path / "train.jsonl")) == [EncodedExample((1, 2, 3), 2, "abc")]


def test_empty_file_has_no_examples_and_a_missing_one_no_pairs(tmp_path: Path) -> None:
    (tmp_path / "validation.jsonl").touch()
    assert list(read_examples(tmp_path / "validation.jsonl")) == []
    assert list(read_pairs(tmp_path / "pairs.jsonl")) == []


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_file_of_examples_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "train.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=f"{file} cannot be read"):
        list(read_examples(file))


@pytest.mark.parametrize("name", ["ids", "prompt_tokens", "record"])
def test_example_that_lacks_a_field_is_named_by_file_and_line(tmp_path: Path, name: str) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps(EXAMPLE) + "\n" + json.dumps(without(EXAMPLE, name)))
    with pytest.raises(InputError, match=f"{file} line 2 is not an example: it has no field '{name}'"):
        list(read_examples(file))


def test_example_with_an_unknown_field_is_named_by_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps(EXAMPLE) + "\n" + json.dumps(EXAMPLE | {"wieght": 2}))
    with pytest.raises(InputError, match=f"{file} line 2 is not an example: it has the field 'wieght'"):
        list(read_examples(file))


@pytest.mark.parametrize(
    "line",
    [
        "not json", "[1, 2]", "7", "{}", "", '{"ids": 3, "prompt_tokens": 1, "record": "a"}',
        '{"ids": ["one", "two"], "prompt_tokens": 1, "record": "a"}',
        '{"ids": [1, 2], "prompt_tokens": "many", "record": "a"}',
        '{"ids": [1, 2], "prompt_tokens": 2, "record": "a"}', '{"ids": [1, 2], "prompt_tokens": 0, "record": "a"}',
        '{"ids": [1, 2], "prompt_tokens": 1, "record": "a", "weight": 0}',
    ],
)  # fmt: skip
def test_line_that_is_no_example_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps(EXAMPLE) + "\n" + line + "\n")
    with pytest.raises(InputError, match=f"{file} line 2 is not an example"):
        list(read_examples(file))


@pytest.mark.parametrize("name", ["chosen", "rejected", "prompt_tokens", "record"])
def test_pair_that_lacks_a_field_is_named_by_file_and_line(tmp_path: Path, name: str) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps(PAIR) + "\n" + json.dumps(without(PAIR, name)))
    with pytest.raises(InputError, match=f"{file} line 2 is not a pair: it has no field '{name}'"):
        list(read_pairs(file))


def test_pair_with_an_unknown_field_or_an_empty_answer_is_named_by_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    for fault, words in (({"margin": 1}, "the field 'margin'"), ({"rejected": [1, 2]}, "leave nothing to learn from")):
        file.write_text(json.dumps(PAIR | fault))
        with pytest.raises(InputError, match=f"{file} line 1 is not a pair: .*{words}"):
            list(read_pairs(file))


@pytest.mark.parametrize("prompt_tokens", [-1, 0, 3, 4])
def test_example_has_a_prompt_and_a_completion(prompt_tokens: int) -> None:
    with pytest.raises(ValueError, match="leave nothing to learn from"):
        EncodedExample((5, 6, 7), prompt_tokens, "record")


def test_completion_is_the_positions_before_its_ids() -> None:
    example = EncodedExample((1, 2, 3, 4, 8), 3, "record")
    assert [example.ids[position + 1] for position in example.completion] == [4, 8]
    assert example.completion_tokens == 2
