"""The trainer's numbers survive a checkpoint, also one of an earlier release."""

import json

import pytest

from adapterd.training.checkpoints.trainer_state import Best, TrainerState, ValidationMetrics
from adapterd.training.progress import CurvePoint

CURVE = [CurvePoint(0, None, 2.0, 0.5), CurvePoint(1, 1.5, None)]


def metrics() -> bytes:
    return "".join(json.dumps(vars(point)) + "\n" for point in CURVE).encode()


def test_numbers_and_metrics_restore_the_state() -> None:
    state = TrainerState(step=1, best=Best(1, 1.5, 2, 0.75, 0.1), curve=CURVE, train_tokens=9, earlier_s=3.0)
    assert TrainerState.restored(json.loads(json.dumps(state.numbers())), metrics()) == state


def test_the_lines_of_an_earlier_release_have_no_loss_of_the_end_of_turn() -> None:
    lines = b'{"step": 0, "loss": null, "validation_loss": 2.0}\n'
    assert TrainerState.restored({"best": {}}, lines).curve == [CurvePoint(0, None, 2.0)]


def test_the_checkpoint_of_an_earlier_release_has_other_names_for_the_rewards() -> None:
    best = {"step": 1, "loss": 1.5, "misses": 0, "preference_accuracy": 0.75, "preference_margin": 0.1}
    state = TrainerState.restored({"step": 1, "best": best}, metrics())
    assert (state.best.rewards_accuracies, state.best.rewards_margins) == (0.75, 0.1)


@pytest.mark.parametrize(("loss", "improved"), [(1.4, True), (1.5, False), (1.6, False)])
def test_only_a_lower_loss_improves(loss: float, improved: bool) -> None:
    best = Best(1, 1.5, misses=3)
    assert best.improved_by(2, ValidationMetrics(loss, 0.5, 0.2)) is improved
    assert best == (Best(2, loss, 0, 0.5, 0.2) if improved else Best(1, 1.5, 4))
