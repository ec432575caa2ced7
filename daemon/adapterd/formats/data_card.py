"""`data-card.json`: what a version was taught. Written when it is registered, read by `show` and the report."""

from collections.abc import Iterator, Mapping
from typing import Any

from adapterd.formats.json_files import JsonFile
from adapterd.formats.teacher_yield import in_words as yield_in_words

DATA_CARD = JsonFile(
    "data-card.json",
    required=("pretty_name", "language", "size_categories", "splits", "records", "languages", "left_out", "time_span"),
    optional=(
        "task_categories",
        "origins",
        "labels",
        "output_types",
        "failure_tags",
        "sources",
        "teachers",
        "weights",
        "whose",
        "teacher_yield",
    ),
)
"""The names are those of Hugging Face's dataset cards where these have one. No text of a record is in it."""


def in_words(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The card as labelled lines."""
    yield "splits", ", ".join(f"{each['name']} {each['num_examples']}" for each in card["splits"])
    earlier = () if card.get("whose") else ("teachers",)
    if found := card.get("whose"):
        yield "whose", ", ".join(_whose(name, each, alone=len(found) == 1) for name, each in found.items())
    if made := card.get("teacher_yield"):
        yield "teachers", yield_in_words(made)
    for name in ("records", "origins", *earlier, "labels", "output_types", "failure_tags", "left_out"):
        if counts := card.get(name):
            yield name.replace("_", " "), ", ".join(f"{each} {count}" for each, count in counts.items())
    if card["languages"]:
        yield "languages", ", ".join(f"{code} {share:.0%}" for code, share in card["languages"].items())
    if card["time_span"]:
        yield "time span", " to ".join(moment[:10] for moment in card["time_span"])
    if card.get("sources"):
        yield "sources", str(card["sources"])


def _whose(name: str, found: Mapping[str, Any], *, alone: bool) -> str:
    """`people 40 and 3 pairs (89%, 94% of the loss)`"""
    counts = [str(found["examples"])] if found["examples"] else []
    counts += [f"{found['pairs']} pairs"] if found["pairs"] else []
    loss = found["loss_share"]
    of_loss = "" if alone or loss is None else f", {loss:.0%} of the loss"
    return f"{name} {' and '.join(counts)} ({found['share']:.0%}{of_loss})"
