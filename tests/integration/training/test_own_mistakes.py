"""A real training of a tiny model whose answers, by its judge, repeat themselves: what it says wrongly is unlearned."""

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.llama_model import GreedyAnswer
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.mlx.model import load_mlx_model
from adapterd.config import TrainingSettings
from adapterd.formats.adapter_files import WEIGHTS
from adapterd.formats.encoded import EncodedExample
from adapterd.formats.judged_step import JudgedStep, judged_steps
from adapterd.system.files import sha256_file
from adapterd.training.adapter_layers import attach_adapter, load_adapter_weights
from adapterd.training.choice.by_answers import AnswerScore
from adapterd.training.choice.kept_adapters import KeptAdapters
from adapterd.training.mistakes.unlearn import ASKED, FOLDER, Unlearning, without_repetitions
from adapterd.training.progress import Criterion, TrainingProgress, TrainingResult
from adapterd.training.train import train
from tests.support.tiny_gguf import write_tiny_gguf
from tests.unit.training.known_answers import KnownAnswers

SETTINGS = TrainingSettings(rank=4, layers=2, epochs=2, batch_size=4, learning_rate=3e-2)
ROUNDS = 8


class KilledError(Exception):
    """What stands in for the end of the process."""


@pytest.fixture
def base(tmp_path: Path) -> GgufFile:
    return GgufFile.open(write_tiny_gguf(tmp_path / "base.gguf", layers=3))


@pytest.fixture
def round_in_circles(base: GgufFile) -> tuple[int, ...]:
    """The beginning of the taught answer, again and again."""
    return tuple(Tokenizer.open(base.path).encode_continuation("a,")) * ROUNDS


@pytest.fixture
def dataset(tmp_path: Path, round_in_circles: tuple[int, ...]) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    for name, count in (("train", 40), ("validation", 6), ("replay", 5)):
        lines = [
            {
                "ids": [number + 5, 7, 8, *round_in_circles[: 2 + number % 3 * 2], 2],
                "prompt_tokens": 3,
                "record": f"{name}-{number}",
            }
            for number in range(count)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


@pytest.fixture
def judge(round_in_circles: tuple[int, ...]) -> Callable[..., KnownAnswers]:
    """A judge for which all answers go round in circles, until they are unlearned; then they have the score `after`."""

    def with_score(after: float, said: tuple[int, ...] = round_in_circles) -> KnownAnswers:
        def score(folder: Path) -> AnswerScore:
            is_unlearned = FOLDER in folder.parts
            return AnswerScore(after, 0.0, 6) if is_unlearned else AnswerScore(0.5, 0.5, 6)

        return KnownAnswers(score, lambda _example: GreedyAnswer(said, complete=False))

    return with_score


def trained(
    base: GgufFile,
    dataset: Path,
    out: Path,
    judge: KnownAnswers,
    told: list[TrainingProgress] | None = None,
    settings: TrainingSettings = SETTINGS,
) -> TrainingResult:
    return train(base, dataset, settings, out, (told if told is not None else []).append, judge=judge)


def likelihood(base: GgufFile, adapter: Path, asked: EncodedExample, said: tuple[int, ...]) -> float:
    """Of the first word that begins again: its mean logarithm, in nats."""
    model = load_mlx_model(base, dtype=mx.float32)
    attach_adapter(model, SETTINGS, [])
    load_adapter_weights(model, SETTINGS, adapter)
    model.eval()
    ids = (*asked.ids[: asked.prompt_tokens], *said)
    logits = model(mx.array([ids]))[0].astype(mx.float32)
    certain = np.array(mx.log(mx.softmax(logits, axis=-1)))
    period = len(said) // ROUNDS
    places = range(asked.prompt_tokens + period, len(ids), period)
    return float(np.mean([certain[place - 1, ids[place]] for place in places]))


def test_what_it_says_again_and_again_becomes_less_likely(
    base: GgufFile,
    dataset: Path,
    tmp_path: Path,
    judge: Callable[..., KnownAnswers],
    round_in_circles: tuple[int, ...],
) -> None:
    asked, told = judge(0.6), list[TrainingProgress]()
    result = trained(base, dataset, tmp_path / "out", asked, told)
    assert result.unlearned == ASKED
    [(folder, examples)] = asked.asked
    assert folder == tmp_path / "out"
    assert len(examples) == ASKED
    assert all(each.record.startswith("train-") for each in examples)  # none of the general prompts
    tried = result.judged[-1]
    assert (tried.step, tried.unlearned, tried.score, tried.truncated) == (result.best_step, ASKED, 0.6, 0.0)
    assert result.best_validation_loss == tried.validation_loss
    *others, taken = judged_steps({**vars(result), "judged": [vars(each) for each in result.judged]})
    assert taken.endswith("; taken")
    assert "32 of its answers that repeat themselves unlearned" in taken
    assert not any(line.endswith("; taken") for line in others)

    left = trained(base, dataset, tmp_path / "left", judge(0.0))
    assert left.unlearned == 0
    before, after = (likelihood(base, tmp_path / name, examples[0], round_in_circles) for name in ("left", "out"))
    assert before > math.log(0.05)
    assert after < before - 1
    doing = [each.doing for each in told if each.doing]
    assert "looking for repetitions in its own answers" in doing
    assert "unlearning repetitions, step 10 of 10" in doing
    assert all(one.step <= other.step for one, other in itertools.pairwise(told))


@pytest.mark.parametrize(
    ("scores", "taken", "tried"),
    [
        ([(0.6, 0.5), (0.7, 0.4), (0.8, 0.3), (0.9, 0.0)], 3, 3),  # there are three rounds
        ([(0.6, 0.4), (0.6, 0.0), (0.9, 0.0)], 2, 2),  # nothing is cut any more
        ([(0.6, 0.4), (0.5, 0.4), (0.9, 0.0)], 1, 2),  # the second was no better
    ],
)
def test_it_goes_on_while_answers_get_better(
    base: GgufFile,
    dataset: Path,
    tmp_path: Path,
    round_in_circles: tuple[int, ...],
    scores: list[tuple[float, float]],
    taken: int,
    tried: int,
) -> None:
    def score(folder: Path) -> AnswerScore:
        if FOLDER not in folder.parts:
            return AnswerScore(0.5, 0.5, 6)
        number = int(folder.parts[folder.parts.index(FOLDER) + 1])
        return AnswerScore(*scores[number - 1], 6)

    judge = KnownAnswers(score, lambda _example: GreedyAnswer(round_in_circles, complete=False))
    result = trained(base, dataset, tmp_path / "out", judge)
    assert result.unlearned == taken * ASKED
    more = [each for each in result.judged if each.unlearned]
    assert [each.unlearned for each in more] == [ASKED * (number + 1) for number in range(tried)]
    assert [(each.score, each.truncated) for each in more] == scores[:tried]
    assert [folder for folder, _ in judge.asked] == [tmp_path / "out"] * tried
    assert result.best_validation_loss == more[taken - 1].validation_loss
    last = KeptAdapters(tmp_path / "out" / FOLDER / str(taken))
    assert sha256_file(tmp_path / "out" / WEIGHTS) == sha256_file(last.folder(last.steps()[-1]) / WEIGHTS)


def test_what_answers_no_better_is_not_taken(
    base: GgufFile, dataset: Path, tmp_path: Path, judge: Callable[..., KnownAnswers]
) -> None:
    worth = 0.5 - 0.5
    result = trained(base, dataset, tmp_path / "out", judge(worth))
    assert result.unlearned == 0
    assert result.judged[-1].unlearned == ASKED
    chosen = next(each for each in result.judged if each.step == result.best_step)
    assert result.best_validation_loss == chosen.validation_loss
    kept = tmp_path / "out" / "kept" / str(result.best_step) / WEIGHTS
    assert sha256_file(tmp_path / "out" / WEIGHTS) == sha256_file(kept)


@pytest.mark.parametrize("said", [(), (5, 6), tuple(range(10, 100))])
def test_answers_that_are_long_only_are_no_mistakes(
    base: GgufFile, dataset: Path, tmp_path: Path, judge: Callable[..., KnownAnswers], said: tuple[int, ...]
) -> None:
    result = trained(base, dataset, tmp_path / "out", judge(1.0, said))
    assert result.unlearned == 0
    assert not any(each.unlearned for each in result.judged)
    assert not (tmp_path / "out" / FOLDER).exists()


def test_no_round_asks_for_nothing(
    base: GgufFile, dataset: Path, tmp_path: Path, judge: Callable[..., KnownAnswers]
) -> None:
    asked = judge(1.0)
    result = trained(base, dataset, tmp_path / "out", asked, settings=replace(SETTINGS, correction_rounds=0))
    assert result.judged
    assert (result.unlearned, asked.asked) == (0, [])


def test_answers_that_end_are_not_asked_for_again(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    judge = KnownAnswers(lambda _folder: AnswerScore(0.5, 0.0, 6))
    assert trained(base, dataset, tmp_path / "out", judge).unlearned == 0
    assert judge.asked == []


@pytest.mark.parametrize("fault", [OSError(28, "no space"), MemoryError(), RuntimeError("[metal::malloc] out")])
def test_a_fault_leaves_what_was_chosen(
    base: GgufFile,
    dataset: Path,
    tmp_path: Path,
    judge: Callable[..., KnownAnswers],
    fault: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(_example: EncodedExample) -> GreedyAnswer:
        raise fault

    result = trained(base, dataset, tmp_path / "out", replace(judge(1.0), says=fails))
    assert result.unlearned == 0
    assert math.isfinite(result.best_validation_loss or math.nan)
    assert "repetitions of the adapter are left" in caplog.text
    assert (tmp_path / "out" / WEIGHTS).is_file()


def test_a_training_on_pairs_alone_has_no_prompts_to_ask(tmp_path: Path) -> None:
    def trains_nothing(*_arguments: object) -> TrainingResult:
        raise AssertionError("there is nothing to train on")

    judge = KnownAnswers(lambda _folder: AnswerScore(0.5, 0.5, 6))
    step = JudgedStep(4, 1.0, 0.5, 0.5, 6)
    result = TrainingResult(4, 4, Criterion.ANSWERS, 2.0, 1.0, 10, 1.0, 1.0, 0, [], judged=[step])
    second = Unlearning(tmp_path / "base.gguf", trains_nothing)
    assert without_repetitions(result, (), tmp_path, judge, second, lambda _: None) == result
    assert judge.asked == []


def test_one_that_is_killed_in_a_later_round_comes_to_the_same(
    base: GgufFile, dataset: Path, tmp_path: Path, round_in_circles: tuple[int, ...]
) -> None:
    def score(folder: Path) -> AnswerScore:
        number = int(folder.parts[folder.parts.index(FOLDER) + 1]) if FOLDER in folder.parts else 0
        return AnswerScore(0.5 + number / 10, 0.4, 6)

    judge = KnownAnswers(score, lambda _example: GreedyAnswer(round_in_circles, complete=False))
    whole, rounds = trained(base, dataset, tmp_path / "whole", judge), list[str]()

    def killed(progress: TrainingProgress) -> None:
        if progress.doing.startswith("looking") and (not rounds or rounds[-1] != "looking"):
            rounds.append("looking")
        elif progress.doing.startswith("unlearning"):
            rounds.append(progress.doing)
        if rounds.count("looking") == 2 and "step 3 of" in progress.doing:
            raise KilledError

    with pytest.raises(KilledError):
        train(base, dataset, SETTINGS, tmp_path / "out", killed, judge=judge)
    resumed = trained(base, dataset, tmp_path / "out", judge)
    assert resumed.unlearned == 3 * ASKED
    assert (resumed.judged, resumed.unlearned) == (whole.judged, whole.unlearned)
    assert sha256_file(tmp_path / "out" / WEIGHTS) == sha256_file(tmp_path / "whole" / WEIGHTS)


@pytest.mark.parametrize("at", ["looking", "step 3 of", "step 10 of", "asking the adapter without"])
def test_one_that_is_killed_meanwhile_comes_to_the_same(
    base: GgufFile, dataset: Path, tmp_path: Path, judge: Callable[..., KnownAnswers], at: str
) -> None:
    whole = trained(base, dataset, tmp_path / "whole", judge(0.6))
    seen = list[str]()

    def killed(progress: TrainingProgress) -> None:
        seen.append(progress.doing)
        if at in progress.doing and "looking for repetitions in its own answers" in seen:
            raise KilledError

    with pytest.raises(KilledError):
        train(base, dataset, SETTINGS, tmp_path / "out", killed, judge=judge(0.6))
    resumed = trained(base, dataset, tmp_path / "out", judge(0.6))
    assert (resumed.judged, resumed.unlearned) == (whole.judged, whole.unlearned)
    assert sha256_file(tmp_path / "out" / WEIGHTS) == sha256_file(tmp_path / "whole" / WEIGHTS)
