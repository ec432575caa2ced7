"""Prompts that are nearly the same: a model that was trained on one has seen the other.

Compared are runs of words by MinHash (Broder 1997, the datasketch library), without those that many prompts share: an
instruction that stands in front of every article says nothing of the article.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from adapterd.chat import Prompt

if TYPE_CHECKING:
    from datasketch import MinHash

RUN_WORDS = 3
ALIKE = 0.7
"""The share of runs of words that two prompts have in common (Jaccard) from which on they are nearly the same."""
COMMON = 0.2
"""The share of prompts above which a run of words belongs to all of them."""
LEAST_RUNS = 8
"""Prompts with fewer runs of their own are too short to be told apart by them."""
PERMUTATIONS = 128

Runs = frozenset[str]


def nearly_among(prompts: Sequence[Prompt], others: Sequence[Prompt]) -> list[bool]:
    """For each prompt, whether one of the others is nearly the same."""
    if not prompts or not others:
        return [False] * len(prompts)
    from datasketch import MinHashLSH

    runs = _own_runs([*prompts, *others])
    index = MinHashLSH(threshold=ALIKE, num_perm=PERMUTATIONS)
    for number in range(len(prompts), len(runs)):
        if len(runs[number]) >= LEAST_RUNS:
            index.insert(number, _min_hash(runs[number]))
    return [
        len(own) >= LEAST_RUNS and any(_jaccard(own, runs[number]) >= ALIKE for number in index.query(_min_hash(own)))
        for own in runs[: len(prompts)]
    ]


def _own_runs(prompts: Sequence[Prompt]) -> list[Runs]:
    """The runs of words of each prompt, without those that belong to many."""
    runs = [_runs(prompt) for prompt in prompts]
    in_prompts = Counter(run for each in runs for run in each)
    common = {run for run, count in in_prompts.items() if count > max(2, COMMON * len(prompts))}
    return [each - common for each in runs]


def _runs(prompt: Prompt) -> Runs:
    words = re.findall(r"\w+", " ".join(message.content for message in prompt).casefold())
    return frozenset(" ".join(words[at : at + RUN_WORDS]) for at in range(len(words) - RUN_WORDS + 1))


def _min_hash(runs: Runs) -> "MinHash":
    from datasketch import MinHash

    made = MinHash(num_perm=PERMUTATIONS, seed=1)
    made.update_batch([run.encode("utf-8", "surrogatepass") for run in runs])
    return made


def _jaccard(one: Runs, other: Runs) -> float:
    return len(one & other) / len(one | other)
