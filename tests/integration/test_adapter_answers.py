"""How an adapter answers before it is merged: a real model in llama.cpp."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.llama_model import Asked, LlamaModel
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.config import EvaluationSettings, ModelSettings, Task, TrainingSettings
from adapterd.formats.encoded import VALIDATION, EncodedExample
from adapterd.runs.asked.adapter_answers import AdapterAnswers
from tests.support.tiny_adapter import write_adapter

ASKED = ("What is the capital of France?", "What is 2 + 3?", "What is the capital of Italy?")
SETTINGS = ModelSettings(base="smollm2", base_digest="sha256:1", evaluation=EvaluationSettings(num_ctx=1024))


@pytest.fixture(scope="module")
def prompts(smollm2_path: Path) -> list[list[int]]:
    tokenizer = Tokenizer.open(smollm2_path)
    text = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
    return [tokenizer.encode_prompt(text.format(asked)) for asked in ASKED]


@pytest.fixture(scope="module")
def own_answers(smollm2_path: Path, prompts: list[list[int]]) -> list[tuple[int, ...]]:
    end = Tokenizer.open(smollm2_path).end_of_turn_id
    with LlamaModel.open(smollm2_path, context_tokens=512, sequences=3) as model:
        found = model.answers([Asked(prompt, 200) for prompt in prompts], {end})
    assert all(answer.complete for answer in found)
    return [answer.ids for answer in found]


@pytest.fixture
def adapter(tmp_path: Path, smollm2_path: Path) -> Path:
    """One that changes hardly anything."""
    folder = tmp_path / "kept" / "10"
    folder.mkdir(parents=True)
    return write_adapter(folder, smollm2_path, blocks=(29,), size=1e-6)


def judge(
    gguf: Path, prompts: Sequence[list[int]], answers: Sequence[Sequence[int]], settings: ModelSettings = SETTINGS
) -> AdapterAnswers:
    end = Tokenizer.open(gguf).end_of_turn_id
    pairs = enumerate(zip(prompts, answers, strict=True))
    examples = [EncodedExample((*asked, *said, end), len(asked), f"r{place}") for place, (asked, said) in pairs]
    return AdapterAnswers(GgufFile.open(gguf), examples, settings)


def test_an_adapter_that_says_what_was_taught_has_the_best_score(
    smollm2_path: Path, prompts: list[list[int]], own_answers: list[tuple[int, ...]], adapter: Path
) -> None:
    found = judge(smollm2_path, prompts, own_answers)(adapter)
    assert (found.score, found.truncated, found.prompts) == (1.0, 0.0, 3)
    others = judge(smollm2_path, prompts, own_answers[::-1])(adapter)
    assert others.score < 0.9
    assert list(adapter.parent.iterdir()) == [adapter]


def test_an_answer_much_longer_than_what_was_taught_is_cut(
    smollm2_path: Path, prompts: list[list[int]], own_answers: list[tuple[int, ...]], adapter: Path
) -> None:
    longest = max(range(3), key=lambda place: len(own_answers[place]))
    assert len(own_answers[longest]) > 19
    found = judge(smollm2_path, [prompts[longest]], [own_answers[longest][:2]])(adapter)
    assert (found.truncated, found.prompts) == (1.0, 1)


@pytest.mark.parametrize("primary", ["reference_nll", "rouge_l", None])
def test_what_is_measured_of_more_than_the_text_does_not_judge(
    smollm2_path: Path,
    prompts: list[list[int]],
    own_answers: list[tuple[int, ...]],
    adapter: Path,
    primary: str | None,
) -> None:
    settings = replace(SETTINGS, evaluation=replace(SETTINGS.evaluation, primary=primary))
    assert judge(smollm2_path, prompts, own_answers, settings)(adapter).score == 1.0


def test_answers_that_are_no_json_score_nothing_where_json_is_wanted(
    smollm2_path: Path, prompts: list[list[int]], adapter: Path
) -> None:
    taught = Tokenizer.open(smollm2_path).encode_continuation('{"a": 1}')
    found = judge(smollm2_path, prompts, [taught] * 3, replace(SETTINGS, task=Task.JSON))(adapter)
    assert found.score == 0


def test_so_many_prompts_are_asked_as_the_configuration_says(smollm2_path: Path, tmp_path: Path) -> None:
    lines = [f'{{"ids": [1, 2, {number}], "prompt_tokens": 1, "record": "r{number}"}}\n' for number in range(30)]
    (tmp_path / VALIDATION).write_text("".join(lines))

    def asked(most: int) -> list[str]:
        settings = replace(SETTINGS, training=TrainingSettings(judged_prompts=most))
        found = AdapterAnswers.of(smollm2_path, tmp_path, settings)
        return [each.record for each in found.examples] if found else []

    assert asked(0) == []
    assert asked(3) == ["r0", "r10", "r20"]
    assert len(asked(12)) == 10
    assert len(asked(1000)) == 30
    (tmp_path / VALIDATION).write_text("".join(lines[:4]))
    assert len(asked(12)) == 4
    (tmp_path / VALIDATION).write_text("".join(lines[:3]))
    assert asked(12) == []
