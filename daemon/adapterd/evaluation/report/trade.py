"""What a version gained at its task beside what it lost of the guard set, so that a person sees what was traded."""

from collections.abc import Iterator, Mapping
from typing import Any

from adapterd.evaluation.rules import primary_in

GUARD = "guard"
ADVICE = (
    "this is beyond chance: a higher dataset.replay, a lower training.learning_rate or fewer training.epochs keep more "
    "of what the base can do"
)


def trades(lineage: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A sentence for each tag that the candidate was compared with on both: a title, and `field_f1 0.000 → 0.843
    (+0.843, 95 % interval +0.712 to +0.930); guard …`. None where the guard set was not asked."""
    metrics = (primary_in(lineage["settings"]) or "", GUARD)
    comparisons, scores = (result[key] for key in ("comparisons", "scores"))
    for other in ("live", "base"):
        found = [comparisons.get(name, {}).get(other) for name in metrics]
        if None in found or other not in scores:
            continue
        ours, theirs = (scores[tag]["metrics"] for tag in ("candidate", other))
        parts = [
            f"{name} {theirs[name]:.3f} → {ours[name]:.3f} ({_told(each)})"
            for name, each in zip(metrics, found, strict=True)
        ]
        if found[-1]["interval"]["high"] < 0:
            parts.append(ADVICE)
        yield f"task and guard set, against {other}", "; ".join(parts)


def _told(compared: Mapping[str, Any]) -> str:
    low, high = (compared["interval"][end] for end in ("low", "high"))
    return f"{compared['difference']:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}"
