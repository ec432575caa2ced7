"""`data-card.json`: what a version was taught. Written when it is registered, read by `show` and the report."""

from collections.abc import Iterator, Mapping
from typing import Any

from adapterd.formats.json_files import JsonFile

DATA_CARD = JsonFile(
    "data-card.json",
    required=("pretty_name", "language", "size_categories", "splits", "records", "languages", "left_out", "time_span"),
    optional=("task_categories", "origins", "labels", "output_types", "failure_tags", "sources", "teachers", "weights"),
)
"""The names are those of Hugging Face's dataset cards where these have one. No text of a record is in it."""


def in_words(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The card as labelled lines."""
    yield "splits", ", ".join(f"{each['name']} {each['num_examples']}" for each in card["splits"])
    for name in ("records", "origins", "teachers", "labels", "output_types", "failure_tags", "left_out"):
        if counts := card.get(name):
            yield name.replace("_", " "), ", ".join(f"{each} {count}" for each, count in counts.items())
    if card["languages"]:
        yield "languages", ", ".join(f"{code} {share:.0%}" for code, share in card["languages"].items())
    if card["time_span"]:
        yield "time span", " to ".join(moment[:10] for moment in card["time_span"])
    if card.get("sources"):
        yield "sources", str(card["sources"])
