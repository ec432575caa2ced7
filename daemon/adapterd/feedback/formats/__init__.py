"""The formats in which applications hand in feedback, each an object of its own in one registry.

To add one: `docs/howto/add-a-feedback-format.md`.
"""

from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields, Schema
from adapterd.feedback.formats.registry import FORMATS, format_of, is_record, parse, record_schemas

__all__ = [
    "FORMATS",
    "Content",
    "FeedbackFormat",
    "Fields",
    "Schema",
    "format_of",
    "is_record",
    "parse",
    "record_schemas",
]
