"""Which of the runtime's tags, or given files, can be trained here, what that takes, or why not: by headers alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from adapterd.base.modelfile import Modelfile
from adapterd.base_proof.needs import Hardware, Needs, Workload, measured_speed, needs, too_large
from adapterd.config import DatasetSettings, RuntimeKind, Settings
from adapterd.deployment.checked_base import listed_tag, require_trainable
from adapterd.errors import (
    AdapterdError,
    InputError,
    NotFoundError,
    RuntimeFailedError,
    RuntimeUnavailableError,
    reason,
)
from adapterd.home import Home
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import given_file, is_file
from adapterd.serving.tags import SEMVER, ModelTags, is_base
from adapterd.serving.usable_base import JOIN_FIRST, require_usable
from adapterd.system.machine import memory_bytes

if TYPE_CHECKING:
    from adapterd.base.gguf.gguf_file import GgufFile

Report = Callable[[float], object]
WORKLOAD = Workload()
_HELPS = {
    "training": "training.layers or dataset.max_tokens",
    "merging": "training.layers or merging.steps",
    "evaluation": "evaluation.num_ctx",
}
"""What to lower where a stage is too large."""


@dataclass(frozen=True)
class BaseRow:
    """One tag, or file by its path. `architecture`, `parameters` (how many) and `quantization`, the type of most of its
    weights, are those of its file, None where that cannot be read here; `size_bytes` is that of the file.

    `trainable` says whether `init` takes it for a base, `why_not` and `hint` are a sentence each where it does not,
    where `needs` is more than this machine has (`fits` is False then) or is not known (both are None), and where it
    reads no records as long as these. `version_of` is the model that it is a tag of.
    """

    tag: str
    trainable: bool
    architecture: str | None = None
    parameters: int | None = None
    quantization: str | None = None
    size_bytes: int | None = None
    needs: Needs | None = None
    fits: bool | None = None
    why_not: str = ""
    hint: str = ""
    version_of: str | None = None


@dataclass(frozen=True)
class Bases:
    """The rows by tag; `left_out` counts tags of models that were made here. `memory_bytes` is all that this machine
    has, `operations_per_s` its measured speed, by which the times of `work` were computed; None where none was."""

    rows: tuple[BaseRow, ...]
    left_out: int
    work: Workload
    memory_bytes: int
    operations_per_s: float | None


def look_at_bases(
    home: Home,
    settings: Settings,
    runtime: Runtime,
    tags: Sequence[str] = (),
    *,
    work: Workload = WORKLOAD,
    report: Report = lambda _: None,
) -> Bases:
    """Look at these tags and .gguf files, or at all tags but those of the models that were made here; `report` gets the
    share done, 0…1.

    Raises NotFoundError for a tag or file that is not there, RuntimeUnavailableError where nobody answers, InputError
    for records that are longer than a new model learns from.
    """
    most = DatasetSettings().max_tokens
    if work.tokens > most:
        raise InputError(
            f"a new model does not learn from records of {work.tokens} tokens, but of {most} at most",
            hint=f"give --tokens {most} or less; dataset.max_tokens of a model says how long its records may be",
        )
    present = runtime.tags()
    given: list[str | Path] = [given_file(tag) if is_file(tag) else listed_tag(runtime, tag, present) for tag in tags]
    asked: list[str | Path] = list(dict.fromkeys(given)) or sorted(present)
    made: dict[str | Path, str] = {
        tag: name for tag in asked if isinstance(tag, str) and (name := _version_of(tag, settings))
    }
    chosen = asked if tags else [tag for tag in asked if tag not in made]
    rows, memory = [], memory_bytes()
    hardware: Hardware | None = None
    speed: float | None = None
    for number, tag in enumerate(chosen, start=1):
        row, file = _looked_at(home, runtime, tag)
        if row.trainable and file is not None:
            speed = measured_speed() if speed is None else speed
            hardware = hardware or Hardware.here()
            row = _with_needs(row, file, work, speed, hardware)
        rows.append(replace(row, version_of=made.get(tag)))
        report(number / len(chosen))
    return Bases(tuple(rows), len(asked) - len(chosen), work, memory, speed)


def _version_of(tag: str, settings: Settings) -> str | None:
    """The configured model that a tag is a version of."""
    name, _, label = tag.rpartition(":")
    tags = ModelTags(name)
    others = tag in (tags.live, tags.previous, tags.candidate, tags.next_base)
    ours = others or is_base(label) or SEMVER.fullmatch(label)
    return name if name in settings.models and ours else None


def _looked_at(home: Home, runtime: Runtime, tag: str | Path) -> "tuple[BaseRow, GgufFile | None]":
    """What can be told of a tag or file, and the file where it can be read; whatever is wrong with one is its row."""
    row, file = BaseRow(str(tag), trainable=False), None
    try:
        if isinstance(tag, Path):
            row, file = _described(row, tag)
            _require_whole(file)
            require_usable(tag, Modelfile(), str(tag))
        else:
            served = runtime.show(tag)
            row, file = _described(row, served.gguf if served.stored_as == "gguf" else None)
            require_trainable(served, tag, home)
    except RuntimeUnavailableError as exc:
        runtime.version()  # which raises where it is not the tag that is wrong
        return replace(row, why_not=str(exc), hint=exc.hint), file
    except NotFoundError:
        return replace(row, why_not=f"{tag} was removed meanwhile"), file
    except AdapterdError as exc:
        is_damaged = isinstance(exc, RuntimeFailedError) or (file is None and row.size_bytes is not None)
        pull = _pull(tag) if is_damaged and isinstance(tag, str) and runtime.name == RuntimeKind.OLLAMA.value else ""
        return replace(row, why_not=str(exc), hint=exc.hint or pull), file
    except Exception as exc:  # of a stranger's file; the others are told of all the same
        return replace(row, why_not=f"{tag} cannot be looked at ({type(exc).__name__}: {reason(exc)})"), file
    return replace(row, trainable=True), file


def _require_whole(file: "GgufFile | None") -> None:
    """Raise InputError for a part of a model, which `init` joins; nothing is joined to look at it."""
    from adapterd.base.gguf.split_file import parts_of

    if file and (count := len(parts_of(file.path))) > 1:
        raise InputError(f"{file.path} is one of {count} parts, and only whole files are looked at", hint=JOIN_FIRST)


def _pull(tag: str) -> str:
    return f"`ollama pull {tag}` brings what is missing or damaged, if it came from there"


def _described(row: BaseRow, path: Path | None) -> "tuple[BaseRow, GgufFile | None]":
    """The row with what the header says; as it is, where there is none that can be read."""
    from adapterd.base.gguf.gguf_file import GgufFile

    if path is None:
        return row, None
    try:
        file = GgufFile.open(path)
        architecture = file.architecture
    except AdapterdError:
        return replace(row, size_bytes=_size(path)), None  # the check says why
    return replace(
        row,
        architecture=architecture,
        parameters=file.value_count,
        quantization=file.commonest_type,
        size_bytes=_size(path),
    ), file


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None


def _with_needs(row: BaseRow, file: "GgufFile", work: Workload, speed: float | None, hardware: Hardware) -> BaseRow:
    """The row with what this work takes, or with the longest records that the file reads where these are longer."""
    from adapterd.base.hyperparameters import number

    try:
        longest = number(file, "context_length", work.tokens)
        found = needs(file, replace(work, tokens=min(work.tokens, longest)), speed, hardware)
    except Exception as exc:  # of a stranger's file
        return replace(row, why_not=f"what it takes cannot be told ({type(exc).__name__}: {reason(exc)})")
    row = replace(row, needs=found, fits=found.fits)
    if not found.fits:
        return replace(row, why_not=too_large(row.tag, found, hardware.memory_bytes), hint=_smaller(found))
    if work.tokens <= longest:
        return row
    return replace(
        row,
        why_not=f"{row.tag} reads {longest} tokens, and a training on records of {work.tokens} is refused; its row is "
        f"for records of {longest}",
        hint="lower dataset.max_tokens of the model to that, or take a base that reads more",
    )


def _smaller(found: Needs) -> str:
    lower = "; ".join(f"for {stage} {_HELPS[stage]}" for stage in found.too_large)
    return (
        f"take a smaller size of the model; or lower in the configuration, after `init`, {lower} (what is told here is "
        "for the settings of a new model)"
    )
