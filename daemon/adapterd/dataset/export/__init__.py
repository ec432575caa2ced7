"""What feedback teaches, as the files that other programs train on: each format an object of its own in one registry,
the reverse of `feedback.formats`."""

from adapterd.dataset.export.export_format import ExampleFormat, ExportFormat, Fields, PairFormat, Part
from adapterd.dataset.export.registry import EXPORT_FORMATS, export_format
from adapterd.dataset.export.stated_pairs import Better, StatedPair, stated_pairs

__all__ = [
    "EXPORT_FORMATS",
    "Better",
    "ExampleFormat",
    "ExportFormat",
    "Fields",
    "PairFormat",
    "Part",
    "StatedPair",
    "export_format",
    "stated_pairs",
]
