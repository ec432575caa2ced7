"""Whether training is worth it."""

from datetime import UTC, datetime

import pytest

from adapterd.chat import Message, Role
from adapterd.config import ModelSettings
from adapterd.insight.triage import ENOUGH, Triage, triage, weigh
from adapterd.record import FailureTag, FeedbackRecord
from adapterd.store import Store
from adapterd.store.feedback import FailureCount, NewFeedback

FORMAT, CUT = FailureTag.FORMAT_ERROR, FailureTag.TRUNCATION


def counted(*rows: tuple[tuple[str, ...], int, int]) -> Triage:
    """Of rows of (tags, outputs with a correction, outputs without)."""
    counts = [FailureCount(tags, True, fixed, n) for tags, yes, no in rows for fixed, n in ((True, yes), (False, no))]
    return weigh(counts)


def test_a_frequent_failure_with_enough_corrections_is_worth_it() -> None:
    found = counted(((FORMAT,), 60, 20), ((), 0, 120))
    (of_format,) = found.tags
    assert (of_format.failures, of_format.share, of_format.corrections) == (80, 0.4, 60)
    assert found.worth_training
    assert found.advice == "training is worth it: format_error in 40% of 200 outputs"


@pytest.mark.parametrize(
    ("rows", "advice"),
    [
        ([((FORMAT,), ENOUGH - 1, 20), ((), 0, 20)], f"format_error: too few corrections: {ENOUGH - 1} of {ENOUGH}"),
        (
            [((FORMAT,), 60, 0), ((), 0, 600)],
            "format_error: too seldom: 9% of the outputs, tuning is worth it above 10%",
        ),
        ([((CUT,), 60, 40)], "truncation: an answer that is cut needs more room: raise num_predict or the context"),
    ],
)
def test_anything_less_is_not_and_it_is_said_why(rows: list[tuple[tuple[str, ...], int, int]], advice: str) -> None:
    found = counted(*rows)
    assert not found.worth_training
    assert found.advice.startswith("training is not worth it yet, because ")
    assert advice in found.advice


def test_without_any_failure_there_is_nothing_to_train() -> None:
    assert counted(((), 0, 7)).advice == (
        "whether training is worth it is open: none of the 7 outputs has a failure tag; "
        "`adapterctl triage --ask` measures it"
    )
    assert weigh([]).advice == "training is not worth it yet, because nobody has judged an output"


def test_an_output_may_have_failed_in_several_ways() -> None:
    found = counted(((FORMAT, CUT), 60, 0), ((CUT,), 10, 0))
    assert [(each.tag, each.failures) for each in found.tags] == [(CUT, 70), (FORMAT, 60)]


def test_demonstrations_are_no_outputs(store: Store) -> None:
    records = [
        FeedbackRecord((Message(Role.USER, f"{n}"),), output="x" if n else None, correction="y",
                       failure_tags=(FORMAT,) if n else (), created_at=datetime(2026, 1, 1, tzinfo=UTC))
        for n in range(3)
    ]  # fmt: skip
    store.feedback.add_many("m", [NewFeedback.of(record, "f", 1) for record in records])
    found = triage(store, "m", ModelSettings("base", "sha256:0"))
    assert (found.outputs, found.corrections, found.tags[0].share) == (2, 3, 1.0)
