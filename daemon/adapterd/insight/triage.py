"""Whether training is worth it: which failures are frequent, which of them tuning can teach away, and with what.

The rule: a failure in more than a tenth of the outputs, of a kind that is learnable, with enough corrections to learn
from. Everything else is better mended elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapterd.config import ModelSettings
from adapterd.insight.enough import Enough, enough
from adapterd.intake.screening import held_records
from adapterd.record import FailureTag
from adapterd.store import Store
from adapterd.store.feedback import FailureCount

FREQUENT = 0.10
"""The share of outputs above which a failure is worth a training."""
ENOUGH = 50
"""Corrections that tuning needs of one kind of failure."""
ELSEWHERE = {
    FailureTag.HALLUCINATION: "facts come from the prompt or from retrieval; tuning on them teaches to guess",
    FailureTag.TRUNCATION: "an answer that is cut needs more room: raise num_predict or the context",
}
"""What tuning does not teach, and what helps instead."""


@dataclass(frozen=True)
class TagTriage:
    """One kind of failure: in how many of the outputs, with how many corrections, and what that means."""

    tag: str
    failures: int
    share: float
    corrections: int
    learnable: bool
    worth_training: bool
    advice: str


@dataclass(frozen=True)
class Triage:
    """All kinds that were reported, the most frequent first; `outputs` are the answers that feedback was given to."""

    outputs: int
    corrections: int
    tags: tuple[TagTriage, ...]
    worth_training: bool
    advice: str
    enough: tuple[Enough, ...] = ()


def triage(store: Store, model: str, settings: ModelSettings) -> Triage:
    """What the feedback of a model says about training."""
    held = held_records(store, model, settings.feedback)
    return replace(weigh(store.feedback.failures(model)), enough=tuple(enough(store, model, settings, held)))


def weigh(counts: Sequence[FailureCount]) -> Triage:
    """What counted feedback says about training."""
    outputs = sum(each.count for each in counts if each.has_output)
    corrections = sum(each.count for each in counts if each.has_correction)
    tags = sorted((_of_tag(tag, counts, outputs) for tag in FailureTag), key=lambda each: -each.failures)
    reported = tuple(each for each in tags if each.failures)
    return Triage(
        outputs, corrections, reported, any(each.worth_training for each in reported), _advice(reported, outputs)
    )


def _of_tag(tag: FailureTag, counts: Sequence[FailureCount], outputs: int) -> TagTriage:
    failed = [each for each in counts if tag in each.failure_tags and each.has_output]
    failures = sum(each.count for each in failed)
    corrections = sum(each.count for each in failed if each.has_correction)
    share = failures / outputs if outputs else 0.0
    elsewhere = ELSEWHERE.get(tag)
    if elsewhere:
        advice = elsewhere
    elif share <= FREQUENT:
        advice = f"too seldom: {share:.0%} of the outputs, tuning is worth it above {FREQUENT:.0%}"
    elif corrections < ENOUGH:
        advice = f"too few corrections: {corrections} of {ENOUGH}"
    else:
        advice = "worth training"
    worth = elsewhere is None and share > FREQUENT and corrections >= ENOUGH
    return TagTriage(tag, failures, share, corrections, elsewhere is None, worth, advice)


def _advice(tags: Sequence[TagTriage], outputs: int) -> str:
    worth = [each for each in tags if each.worth_training]
    if worth:
        named = ", ".join(f"{each.tag} in {each.share:.0%} of {outputs} outputs" for each in worth)
        return f"training is worth it: {named}"
    if not outputs:
        return "training is not worth it yet, because nobody has judged an output"
    if not tags:
        return (
            f"whether training is worth it is open: none of the {outputs} outputs has a failure tag; "
            "`adapterctl triage --ask` measures it"
        )
    reasons = "; ".join(f"{each.tag}: {each.advice}" for each in tags)
    return f"training is not worth it yet, because no failure is frequent, learnable and corrected enough ({reasons})"
