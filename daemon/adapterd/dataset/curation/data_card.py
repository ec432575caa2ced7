"""The data card of a version: what it was taught, in the words of Hugging Face's dataset cards. It has numbers and
names, and no text of a record."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from adapterd.dataset.curation.balance import LONGEST_LABEL, label_of, labels_of
from adapterd.dataset.curation.languages import languages
from adapterd.dataset.examples import Example
from adapterd.dataset.judgements import GOOD_RATING
from adapterd.record import FeedbackRecord

MOST_NAMED = 20
"""Groups that are named with their counts; the others are one."""
OTHERS = "others"
NAMED_FROM = 5
"""Examples that a label needs to be named: what is said once or twice is text of a record rather than a label."""
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def data_card(
    records: Sequence[FeedbackRecord],
    taught: Sequence[Example],
    splits: Mapping[str, int],
    left_out: Mapping[str, int],
    weights: Mapping[str, float],
) -> dict[str, Any]:
    """The card of the examples that are `taught` (training and validation), made of these records.

    `splits` are the sizes of the sets, `left_out` the examples in none, by the reason; `weights` those in the loss.
    """
    times = [each.created_at for each in taught]
    return {
        "language": list(languages(taught)),
        "size_categories": next((name for size, name in _SIZES if len(taught) < size), "n>1M"),
        "splits": [{"name": name, "num_examples": size} for name, size in splits.items()],
        "records": dict(_kinds(records)),
        "languages": languages(taught),
        "labels": _labels(taught),
        "output_types": _counted(each.output_type for each in taught),
        "failure_tags": _counted(tag for each in records for tag in each.failure_tags),
        "sources": len({each.source_id for each in taught if each.source_id}),
        "time_span": [min(times).isoformat(), max(times).isoformat()] if times else [],
        "left_out": {reason: count for reason, count in left_out.items() if count},
        "weights": dict(weights),
    }


def _kinds(records: Iterable[FeedbackRecord]) -> Counter[str]:
    return Counter(_kind(record) for record in records)


def _kind(record: FeedbackRecord) -> str:
    if record.correction:
        return "correction" if record.output else "demonstration"
    if record.rejected_output:
        return "preference"
    good = record.rating is not None and record.rating >= GOOD_RATING
    return "rated good" if good else "not taught"


def _labels(taught: Sequence[Example]) -> dict[str, int]:
    """How often each label was taught, where the answers are labels; long and rare ones are not named."""
    labels = labels_of(taught)
    counts = Counter(label_of(each) for each in taught) if labels else Counter[str]()
    named = {name for name, count in counts.items() if count >= NAMED_FROM and len(name) <= LONGEST_LABEL}
    return _counted(name if name in named else OTHERS for name in counts.elements())


def _counted(names: Iterable[str | None]) -> dict[str, int]:
    counts = Counter(str(each) for each in names if each)
    most = dict(counts.most_common(MOST_NAMED))
    rest = counts.total() - sum(most.values())
    return {**most, OTHERS: most.get(OTHERS, 0) + rest} if rest else most
