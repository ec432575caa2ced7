"""What a night can train on: all of the feedback, or the newest and a sample of what is older, by `training.max_hours`.

The sample is another one each night, so that what is left out tonight is learned on one of the next. It takes prompts
as a whole, with all that was said of them. Answers that are labels, and kinds of output, are groups; small groups are
taken to a larger share than large ones (by the square root of their size), so that what is rare is not lost.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapterd.runs.plan import RunPlan
from adapterd.store import Store
from adapterd.store.feedback import FeedbackKey

UNKNOWN_PACE = 5_000
"""Prompts of a night whose base was never trained here: the training itself ends by the clock."""
LEAST = 500
FEWEST_EPOCHS = 2
"""So often a night should go through what it trains on."""
NEWEST_SHARE = 0.5
"""At most this share of a night is what is new just because it is; the rest is drawn from everything else."""


@dataclass(frozen=True)
class Pace:
    """What a training of this model took the last time: seconds by example and epoch."""

    seconds: float

    @classmethod
    def of(cls, training: dict[str, Any] | None, dataset: dict[str, Any] | None) -> "Pace | None":
        """By the results of the two stages; None where they do not tell."""
        took, tokens = (training or {}).get("seconds"), (training or {}).get("train_tokens")
        sizes = (dataset or {}).get("train") or {}
        examples, of_them = sizes.get("examples"), sizes.get("total")
        if not (took and tokens and examples and of_them):
            return None
        return cls(took / tokens * of_them / examples)

    def prompts(self, hours: float) -> int:
        """How many can be gone through often enough in that time."""
        return max(LEAST, int(hours * 3600 / self.seconds / FEWEST_EPOCHS))


def with_sample(store: Store, plan: RunPlan) -> RunPlan:
    """The plan with the ids of the records that its snapshot has, where there are more than a night can train on."""
    if plan.given:
        return plan
    training, dataset = (store.runs.last_result(plan.model, stage) for stage in ("training", "dataset"))
    pace = Pace.of(training, dataset)
    most = pace.prompts(plan.made_with.training.max_hours) if pace else UNKNOWN_PACE
    if store.feedback.count(plan.model) <= most:
        return plan
    keys = store.feedback.keys(plan.model, up_to_id=plan.last_feedback_id)
    taught = store.runs.last_learned_id(plan.model)
    ids = sampled(keys, most, new_after=taught, seed=plan.last_feedback_id, always=set(plan.waiting))
    return plan if ids is None else replace(plan, sample=ids)


def told(store: Store, plan: RunPlan) -> str:
    """A sentence on what is left out tonight; empty where nothing is."""
    if plan.sample is None:
        return ""
    every = store.feedback.count(plan.model)
    return (
        f"{plan.model}: tonight's training takes {len(plan.sample)} of {every} records, the newest and a sample of the "
        f"older ones, which is another one each night (training.max_hours = {plan.made_with.training.max_hours:g})"
    )


def sampled(
    keys: Iterable[FeedbackKey], most: int, *, new_after: int, seed: int, always: Collection[str] = ()
) -> list[int] | None:
    """The ids of the records about at most `most` prompts: the newest of those that came `new_after` an id, up to half
    of them, and a sample of all others. None where there are no more prompts than that. What is about the prompts that
    are `always` wanted comes besides."""
    ids = defaultdict[str, list[int]](list)
    groups: dict[str, tuple[Hashable, Hashable]] = {}
    for key in keys:
        ids[key.prompt_hash].append(key.id)
        groups[key.prompt_hash] = (key.output_type, key.label)
    if len(ids) <= most:
        return None
    new = sorted((prompt for prompt in ids if ids[prompt][-1] > new_after), key=lambda each: -ids[each][-1])
    chosen = set(new[: round(most * NEWEST_SHARE)])
    others = [prompt for prompt in ids if prompt not in chosen]
    chosen.update(_drawn(others, groups, most - len(chosen), seed))
    chosen.update(prompt for prompt in always if prompt in ids)
    return sorted(number for prompt in chosen for number in ids[prompt])


def _drawn(prompts: Sequence[str], groups: dict[str, tuple[Hashable, Hashable]], count: int, seed: int) -> list[str]:
    """So many of the prompts, by the hash of prompt and seed within their groups. A label that came once is none."""
    labels = Counter(groups[prompt] for prompt in prompts)
    named = {prompt: groups[prompt] if labels[groups[prompt]] > 1 else (groups[prompt][0], None) for prompt in prompts}
    sizes, ranks = Counter(named.values()), Counter[Hashable]()
    in_turn = list[tuple[float, str]]()
    for prompt in sorted(prompts, key=lambda each: _hash(each, seed)):
        group = named[prompt]
        in_turn.append(((ranks[group] + 0.5) / math.sqrt(sizes[group]), prompt))
        ranks[group] += 1
    return [prompt for _, prompt in sorted(in_turn)[:count]]


def _hash(prompt: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed} {prompt}".encode(), digest_size=16).digest()
