"""What an export format is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from adapterd.chat import Prompt
from adapterd.dataset.examples import Example
from adapterd.dataset.export.stated_pairs import StatedPair

Fields = dict[str, object]
"""The fields of one record as it is written."""


class Part(StrEnum):
    """Which set of a dataset something is in."""

    TRAIN = "train"
    VALIDATION = "validation"
    EVALUATION = "evaluation"


@dataclass(frozen=True)
class ExportFormat:
    """One format in which a dataset is written.

    `name` is what is typed, `feedback_format` the format of feedback (`feedback.formats`) as which it is read again. A
    format with `files` is a folder with these files, by the set that is in them; any other is one file. `on_turns` says
    what the reader has to be told, so that of a conversation only the last answer is trained on; empty where the file
    says so itself. A format `has_mark` if its records may have a field of ours that says that a model made them.
    `example` is a whole record, as the documentation shows it.
    """

    name: str
    description: str
    feedback_format: str
    example: Fields
    on_turns: str = field(default="", kw_only=True)
    files: Mapping[Part, str] = field(default_factory=dict, kw_only=True)
    has_mark: bool = field(default=True, kw_only=True)


@dataclass(frozen=True)
class ExampleFormat(ExportFormat):
    """A format of prompts with the answer to imitate. `fault` says why a prompt cannot be written; empty if it can."""

    write: Callable[[Example], Fields]
    fault: Callable[[Prompt], str] = field(default=lambda _prompt: "", kw_only=True)


@dataclass(frozen=True)
class PairFormat(ExportFormat):
    """A format of prompts with a better and a worse answer. `fault` says why a pair cannot be written; empty if it
    can. One that `tells_right` says of a better answer whether it is right, too; else it is read again as right."""

    write: Callable[[StatedPair], Fields]
    fault: Callable[[StatedPair], str] = field(default=lambda _pair: "", kw_only=True)
    tells_right: bool = field(default=False, kw_only=True)
