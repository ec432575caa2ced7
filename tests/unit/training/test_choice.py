"""Which adapters a training keeps, and which of them is taken."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.errors import InputError, StageError
from adapterd.formats.adapter_files import CONFIG, WEIGHTS
from adapterd.training.choice.by_answers import AnswerScore, Judge, chosen_by_answers
from adapterd.training.choice.in_time import InTime
from adapterd.training.choice.kept_adapters import BEST, KeptAdapters
from adapterd.training.progress import Criterion, CurvePoint, TrainingProgress, TrainingResult
from tests.unit.training.known_answers import KnownAnswers

LOSSES = {10: 0.5, 20: 0.3, 30: 0.4}


def keep(out: Path, step: int) -> None:
    folder = KeptAdapters(out).room_for(step)
    for name in (WEIGHTS, CONFIG):
        (folder / name).write_text(f"{name} of {step}")


def training(out: Path, losses: Mapping[int, float] = LOSSES) -> TrainingResult:
    """The end of a training whose adapters of these steps were kept."""
    for step in losses:
        keep(out, step)
    best = min(losses, key=lambda step: losses[step])
    for name in (WEIGHTS, CONFIG):
        (out / name).write_text(f"{name} of {best}")
    curve = [CurvePoint(0, None, 1.0), *(CurvePoint(step, loss, loss, loss / 2) for step, loss in losses.items())]
    return TrainingResult(
        max(losses), best, Criterion.VALIDATION_LOSS, 1.0, losses[best], 100, 10.0, 10.0, 0, curve,
        rewards_accuracies=0.75, rewards_margins=1.5,
    )  # fmt: skip


def answering(**scores: tuple[float, float]) -> Judge:
    """A judge that finds these scores and shares of cut answers, by step."""
    return KnownAnswers(lambda folder: AnswerScore(*scores[f"step_{folder.name}"], prompts=8))


def test_the_adapter_that_answers_best_is_taken(tmp_path: Path) -> None:
    told: list[TrainingProgress] = []
    judge = answering(step_10=(0.5, 0.0), step_20=(0.6, 0.25), step_30=(0.7, 0.125))
    result = chosen_by_answers(training(tmp_path), tmp_path, judge, told.append)
    assert (result.best_step, result.best_validation_loss, result.criterion) == (30, 0.4, Criterion.ANSWERS)
    assert result.end_of_turn_loss == 0.2
    assert [(each.step, each.score, each.truncated, each.prompts) for each in result.judged] == [
        (10, 0.5, 0.0, 8), (20, 0.6, 0.25, 8), (30, 0.7, 0.125, 8),
    ]  # fmt: skip
    assert (tmp_path / WEIGHTS).read_text() == f"{WEIGHTS} of 30"
    assert (tmp_path / CONFIG).read_text() == f"{CONFIG} of 30"
    assert result.rewards_accuracies is result.rewards_margins is None
    assert [each.doing for each in told] == [f"asking the adapter of step {step}" for step in LOSSES]
    assert chosen_by_answers(training(tmp_path), tmp_path, judge, told.append) == result


def test_answers_that_run_on_weigh_as_much_as_a_better_score(tmp_path: Path) -> None:
    judge = answering(step_10=(0.6, 0.0), step_20=(0.8, 0.5), step_30=(0.5, 0.0))
    assert chosen_by_answers(training(tmp_path), tmp_path, judge, lambda _: None).best_step == 10


def test_where_answers_are_alike_the_lowest_loss_decides(tmp_path: Path) -> None:
    judge = answering(step_10=(0.5, 0.0), step_20=(0.5, 0.0), step_30=(0.5, 0.0))
    result = chosen_by_answers(training(tmp_path), tmp_path, judge, lambda _: None)
    assert (result.best_step, result.criterion) == (20, Criterion.ANSWERS)
    assert result.rewards_accuracies == 0.75


def failing(fault: Exception) -> Judge:
    """A judge of what cannot be asked."""

    def judge(_folder: Path) -> AnswerScore:
        raise fault

    return KnownAnswers(judge)


NO_ANSWERS = failing(InputError("llama.cpp cannot load it"))


@pytest.mark.parametrize("fault", [InputError("it cannot be loaded"), OSError(28, "it is full"), MemoryError()])
def test_where_nothing_can_be_asked_the_lowest_loss_decides(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    before = training(tmp_path)
    assert chosen_by_answers(before, tmp_path, failing(fault), lambda _: None) == before
    assert (str(fault) or "MemoryError") in caplog.text
    assert (tmp_path / WEIGHTS).read_text() == f"{WEIGHTS} of 20"


def test_adapters_are_asked_within_the_hours_of_the_training(tmp_path: Path) -> None:
    judge = answering(step_10=(0.5, 0.0), step_20=(0.6, 0.0), step_30=(0.7, 0.0))
    for max_hours, best in ((1.0, 30), (0.5, 20)):
        in_time = InTime.after(1800, max_hours, judge)
        assert chosen_by_answers(training(tmp_path), tmp_path, in_time, lambda _: None).best_step == best


def test_no_own_mistakes_are_asked_for_after_the_hours(tmp_path: Path) -> None:
    judge = KnownAnswers(lambda _folder: AnswerScore(0.5, 0.0, 8))
    with pytest.raises(StageError, match=r"training\.max_hours"):
        InTime.after(60, 1 / 60, judge).answers(tmp_path, ())
    assert InTime.after(59, 1, judge).answers(tmp_path, ()) == []


def test_one_adapter_is_not_asked(tmp_path: Path) -> None:
    before = training(tmp_path, {10: 0.5})
    assert chosen_by_answers(before, tmp_path, NO_ANSWERS, lambda _: None) == before


def test_a_training_that_only_harmed_is_not_asked(tmp_path: Path) -> None:
    before = training(tmp_path)
    untrained = TrainingResult(**{**vars(before), "best_step": 0, "best_validation_loss": 1.0})
    assert chosen_by_answers(untrained, tmp_path, NO_ANSWERS, lambda _: None) == untrained


@given(st.lists(st.floats(0, 10), min_size=1, max_size=12))
def test_the_best_and_the_latest_are_kept(tmp_path_factory: pytest.TempPathFactory, losses: list[float]) -> None:
    out, known = tmp_path_factory.mktemp("kept"), dict[int, float]()
    for step, loss in enumerate(losses, 1):
        keep(out, step)
        known[step] = loss
        KeptAdapters(out).keep_only(known)
    kept = KeptAdapters(out).steps()
    assert len(losses) in kept
    assert len(kept) <= BEST + 1
    assert sorted(known[step] for step in kept)[:BEST] == sorted(losses)[:BEST]
