"""What tests know of the exports of tools."""

from adapterd.feedback.formats import FeedbackFormat

_SAID_WITHIN = frozenset(
    {
        "OpenWebUIFeedback",
        "OpenWebUIChat",
        "LabelStudio",
        "Argilla",
        "ArgillaRow",
        "TensorZero",
        "TensorZeroQuery",
        "LangfuseTrace",
        "LangSmithRun",
    }
)


def correction_within(chosen: FeedbackFormat) -> str | None:
    """The correction that a person wrote within the example of a tool's export, away from the fields of a record."""
    return "The council." if chosen.name in _SAID_WITHIN else None
