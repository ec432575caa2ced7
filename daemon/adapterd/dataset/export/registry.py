"""All formats in which a dataset is exported."""

from adapterd.dataset.export.export_format import ExampleFormat, PairFormat
from adapterd.dataset.export.openai import OPENAI, OPENAI_PREFERENCE
from adapterd.dataset.export.plain import ALPACA, MLX_LM, SHAREGPT
from adapterd.dataset.export.trl import TRL, TRL_PREFERENCE
from adapterd.errors import InputError

EXPORT_FORMATS: tuple[ExampleFormat | PairFormat, ...] = (
    OPENAI, OPENAI_PREFERENCE, TRL, TRL_PREFERENCE, ALPACA, SHAREGPT, MLX_LM,
)  # fmt: skip


def export_format(name: str) -> ExampleFormat | PairFormat:
    """The format of this name; raises InputError."""
    found = next((each for each in EXPORT_FORMATS if each.name == name), None)
    if found is None:
        known = ", ".join(each.name for each in EXPORT_FORMATS)
        raise InputError(f"{name!r} is no format of an export", hint=f"the formats are {known}")
    return found
