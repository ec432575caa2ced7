"""Learning from pairs: what is computed is what the paper says, and it carries over to pairs that were not seen."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

from adapterd.base.mlx.model import hidden_states, project
from adapterd.config import Preferences
from adapterd.errors import InputError
from adapterd.formats.encoded import EncodedExample
from adapterd.training.checkpoints.checkpoint import CheckpointFile
from adapterd.training.data import Dataset, whole_model
from adapterd.training.loop import Trainer
from adapterd.training.preferences import (
    PreferenceBatch,
    PreferencePair,
    PreferencePairs,
    measure,
    read_pairs,
    reference_margins,
    with_example_weights,
    without_chosen,
)
from adapterd.training.progress import TrainingResult
from adapterd.training.recipe import Recipe
from tests.support.tolerances import rounding
from tests.support.typed import known, scalar
from tests.unit.training.tiny_llama import TERMS, VOCABULARY, adapted, random_examples, tiny_llama

SETTINGS = Recipe(rank=4, layers=2, learning_rate=1e-2, patience=99, preferences=Preferences.DPO)


def random_pairs(count: int, seed: int) -> list[PreferencePair]:
    """Completions of low ids preferred to completions of high ones."""
    random = np.random.default_rng(seed)

    def example(prompt: tuple[int, ...], low: int, high: int) -> EncodedExample:
        return EncodedExample(
            (*prompt, *random.integers(low, high, random.integers(1, 6)).tolist()), len(prompt), "record"
        )

    prompts = [tuple(random.integers(VOCABULARY, size=random.integers(1, 9)).tolist()) for _ in range(count)]
    return [PreferencePair(example(prompt, 0, 8), example(prompt, 40, 48)) for prompt in prompts]


PAIRS = random_pairs(12, seed=3)
NO_MARGIN = SETTINGS.beta * 4 * rounding(TERMS) * 5 * math.log(VOCABULARY)
"""What rounding may leave of a margin that is nothing, times β: four log-log_likelihoods of up to five tokens."""


def log_likelihood(model: nn.Module, example: EncodedExample) -> float:
    """Token by token, from the logits of the whole model."""
    logits = project(model, hidden_states(model, mx.array([example.ids[:-1]])))[0]
    told = np.array(nn.log_softmax(logits, axis=-1))
    return float(sum(told[at - 1, example.ids[at]] for at in range(example.prompt_tokens, len(example.ids))))


def with_references(
    model: nn.Module, pairs: list[PreferencePair], settings: Recipe
) -> tuple[tuple[PreferencePair, float], ...]:
    return tuple(zip(pairs, reference_margins(model, pairs, whole_model, settings, lambda _: None), strict=True))


@pytest.mark.parametrize("by_token", [False, True])
def test_likelihoods_are_those_of_each_completion(by_token: bool) -> None:
    model = tiny_llama()
    found = PreferenceBatch.of(PAIRS, [0.0] * len(PAIRS)).log_likelihoods(model, whole_model, by_token=by_token)
    for side, told in (("chosen", found.chosen), ("rejected", found.rejected)):
        examples = [getattr(pair, side) for pair in PAIRS]
        lengths = [len(example.ids) - example.prompt_tokens if by_token else 1 for example in examples]
        expected = [log_likelihood(model, e) / n for e, n in zip(examples, lengths, strict=True)]
        np.testing.assert_allclose(np.array(told), expected, rtol=rounding(TERMS))


def test_the_loss_is_that_of_the_paper() -> None:
    settings = replace(SETTINGS, beta=0.3, sft_weight=0.5)
    model, reference = tiny_llama(), [0.1 * number for number in range(len(PAIRS))]
    margins = [log_likelihood(model, p.chosen) - log_likelihood(model, p.rejected) for p in PAIRS]
    preferred = [math.log1p(math.exp(-0.3 * (m - r))) for m, r in zip(margins, reference, strict=True)]
    learned = [-log_likelihood(model, p.chosen) / (len(p.chosen.ids) - p.chosen.prompt_tokens) for p in PAIRS]
    expected = np.mean(preferred) + 0.5 * np.mean(learned)
    assert PreferenceBatch.of(PAIRS, reference).loss(model, whole_model, settings).item() == pytest.approx(
        expected, rel=rounding(TERMS)
    )


def test_a_better_answer_that_is_not_imitated_has_no_loss_as_an_example() -> None:
    model, margins = tiny_llama(), [0.0] * len(PAIRS)
    less_bad = [replace(pair, imitate=False) for pair in PAIRS]
    compared = PreferenceBatch.of(PAIRS, margins).loss(model, whole_model, replace(SETTINGS, sft_weight=0.0))
    assert PreferenceBatch.of(less_bad, margins).loss(model, whole_model, SETTINGS).item() == pytest.approx(
        compared.item(), rel=rounding(TERMS)
    )


@pytest.mark.parametrize("normalised", [False, True])
def test_before_the_first_step_the_rewards_are_zero(normalised: bool) -> None:
    settings = replace(SETTINGS, sft_weight=0.0, length_normalised=normalised)
    model = adapted(settings)
    told = with_references(model, PAIRS, settings)
    loss = PreferenceBatch.of(*zip(*told, strict=True)).loss(model, whole_model, settings)
    assert loss.item() == pytest.approx(math.log(2), abs=NO_MARGIN)


@pytest.mark.parametrize("tokens", [1, 20, 60])
def test_a_batch_in_parts_has_the_same_loss(tokens: int) -> None:
    model, batch = tiny_llama(), PreferenceBatch.of(PAIRS, [0.5] * len(PAIRS))
    parts = batch.parts(tokens)
    assert [pair for part in parts for pair in part.pairs] == PAIRS
    losses = [part.loss(model, whole_model, SETTINGS).item() * part.weight / batch.weight for part in parts]
    assert sum(losses) == pytest.approx(batch.loss(model, whole_model, SETTINGS).item(), rel=rounding(TERMS))


NOTHING = Dataset((), ())


def trained(out: Path, data: Dataset = NOTHING, **options: Any) -> tuple[TrainingResult, nn.Module, PreferencePairs]:
    settings = replace(SETTINGS, **{"sft_weight": 0.0, **options})
    model = adapted(settings)
    pairs = PreferencePairs(*(with_references(model, random_pairs(*each), settings) for each in ((48, 1), (12, 2))))
    trainer = Trainer(model, data, settings, out, lambda _: None, CheckpointFile(out, {}), whole_model, pairs)
    return trainer.run(), model, pairs


@pytest.mark.parametrize("normalised", [False, True])
def test_preferences_carry_over_to_other_prompts(tmp_path: Path, normalised: bool) -> None:
    settings = replace(SETTINGS, sft_weight=0.0, length_normalised=normalised)
    result, model, pairs = trained(tmp_path, length_normalised=normalised)
    assert result.rewards_accuracies == 1.0
    assert known(result.rewards_margins) > 0.02
    assert known(result.first_validation_loss) == pytest.approx(math.log(2), abs=NO_MARGIN)
    assert known(result.best_validation_loss) < known(result.first_validation_loss)
    found = measure(model, pairs.validation_batches(), whole_model, settings)
    assert found.accuracies == 1.0


def test_examples_and_pairs_are_learned_together(tmp_path: Path) -> None:
    data = Dataset(random_examples(9, seed=1, low=0, high=8), random_examples(4, seed=2, low=0, high=8))
    result, _, _ = trained(tmp_path, data, sft_weight=1.0)
    assert result.steps == 3 * (3 + 12)
    assert result.rewards_accuracies == 1.0
    assert known(result.best_validation_loss) < known(result.first_validation_loss) - 0.2
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["rewards_margins"] == pytest.approx(0.0, abs=NO_MARGIN)
    assert lines[-1]["rewards_accuracies"] == 1.0


def test_chosen_completions_are_not_trained_on_twice() -> None:
    examples = [*random_examples(3, seed=1), PAIRS[0].chosen]
    assert without_chosen(examples, PAIRS, SETTINGS) == examples[:3]
    assert without_chosen(examples, [], replace(SETTINGS, sft_weight=0.0)) == examples
    assert without_chosen(examples, PAIRS, replace(SETTINGS, sft_weight=0.0)) == []


def test_pairs_are_read_from_their_file(tmp_path: Path) -> None:
    assert list(read_pairs(tmp_path / "none.jsonl")) == []
    line = {"chosen": [1, 2, 3], "rejected": [1, 2, 4, 5], "prompt_tokens": 2, "record": "a"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(line) + "\n" + json.dumps(line | {"imitate": False}) + "\n")
    pair = PreferencePair(EncodedExample((1, 2, 3), 2, "a"), EncodedExample((1, 2, 4, 5), 2, "a"))
    assert list(read_pairs(tmp_path / "pairs.jsonl")) == [pair, replace(pair, imitate=False)]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"chosen": [1, 2]}', '{"chosen": [1], "rejected": [1, 2], "prompt_tokens": 1}']
)
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "pairs.jsonl").write_text(line + "\n")
    with pytest.raises(InputError, match=r"pairs\.jsonl line 1 is not a pair"):
        list(read_pairs(tmp_path / "pairs.jsonl"))


def test_a_pair_has_the_weight_of_the_example_of_its_record() -> None:
    pairs = [replace(p, chosen=replace(p.chosen, record=f"record-{n}")) for n, p in enumerate(PAIRS[:4])]
    examples = [replace(pairs[n].chosen, weight=3.0 if n == 1 else 1.0) for n in range(3)]
    weighted = with_example_weights(pairs, examples)
    assert [pair.weight for pair in weighted] == [1.0, 3.0, 1.0, 1.0]
    assert [pair.chosen.ids for pair in weighted] == [pair.chosen.ids for pair in pairs]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_weights_of_pairs_hold_across_steps(size: int) -> None:
    """Also those of a last, short batch; and a batch of one that counts more is not as if it counted once."""
    model, settings = tiny_llama(), replace(SETTINGS, sft_weight=0.5)
    pairs = [replace(p, chosen=replace(p.chosen, weight=3.0 if n < 4 else 1.0)) for n, p in enumerate(PAIRS)]
    told = tuple((pair, 0.5) for pair in pairs)
    alone = [scalar(PreferenceBatch.of([pair], [0.5]).loss(model, whole_model, settings)) for pair in pairs]
    batches = PreferencePairs(told).batches(size, seed=0, epoch=1)
    losses = [scalar(batch.loss(model, whole_model, settings)) for batch in batches]
    expected = sum(pair.weight * loss for pair, loss in zip(pairs, alone, strict=True)) / sum(p.weight for p in pairs)
    assert np.mean(losses) == pytest.approx(expected, rel=rounding(TERMS))
    means = [batch.mean_factor * loss for batch, loss in zip(batches, losses, strict=True)]
    assert min(alone) * 0.99 < min(means) <= max(means) < max(alone) * 1.01
