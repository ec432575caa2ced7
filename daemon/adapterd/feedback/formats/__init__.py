"""The formats in which applications hand in feedback, each an object of its own in one registry.

To add one: `docs/howto/add-a-feedback-format.md`.
"""

from adapterd.feedback.formats.answers import SYNTHETIC
from adapterd.feedback.formats.feedback_format import BAD, GOOD, Content, FeedbackFormat, Fields, Reading, Schema
from adapterd.feedback.formats.options import ReadingOptions, Scale
from adapterd.feedback.formats.parsing import checked, parse, reading_options
from adapterd.feedback.formats.ratings import OffScaleError
from adapterd.feedback.formats.registry import FORMATS, format_of, is_record, may_be_off_scale, record_schemas

__all__ = [
    "BAD",
    "FORMATS",
    "GOOD",
    "SYNTHETIC",
    "Content",
    "FeedbackFormat",
    "Fields",
    "OffScaleError",
    "Reading",
    "ReadingOptions",
    "Scale",
    "Schema",
    "checked",
    "format_of",
    "is_record",
    "may_be_off_scale",
    "parse",
    "reading_options",
    "record_schemas",
]
