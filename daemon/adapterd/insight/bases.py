"""Which of the runtime's tags can be trained here, what that takes, or why not: by headers alone, in a moment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from adapterd.base_proof.needs import Needs, Workload, measured_speed, needs
from adapterd.config import Settings
from adapterd.deployment.checked_base import checked_base, listed_tag, require_parts
from adapterd.errors import AdapterdError, NotFoundError, RuntimeUnavailableError, reason
from adapterd.home import Home
from adapterd.serving.runtime import Runtime, ServedModel
from adapterd.serving.tags import BASE, SEMVER, ModelTags
from adapterd.system.machine import memory_bytes

if TYPE_CHECKING:
    from adapterd.base.gguf.gguf_file import GgufFile

Report = Callable[[float], object]
WORKLOAD = Workload()


@dataclass(frozen=True)
class BaseRow:
    """One tag. `architecture`, `parameters` (how many) and `quantization`, the type of most of its weights, are those
    of its file, None where that cannot be read here; `size_bytes` is that of the file.

    `trainable` says whether `init` takes it for a base, `why_not` and `hint` are a sentence each where it does not, or
    where `needs` is more than this machine has (`fits` is False then). `version_of` is the model that it is a tag of.
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
    """Look at these tags, or at all but those of the models that were made here; `report` gets the share done, 0…1.

    Raises NotFoundError for a tag that is not there, RuntimeUnavailableError where nobody answers.
    """
    present = runtime.tags()
    asked = list(dict.fromkeys(listed_tag(runtime, tag, present) for tag in tags)) or sorted(present)
    made = {tag: name for tag in asked if (name := _version_of(tag, settings))}
    chosen = asked if tags else [tag for tag in asked if tag not in made]
    rows, memory = [], memory_bytes()
    speed: float | None = None
    for number, tag in enumerate(chosen, start=1):
        row, file = _looked_at(home, runtime, tag)
        if row.trainable and file is not None:
            speed = measured_speed() if speed is None else speed
            row = _with_needs(row, file, work, speed, memory)
        rows.append(replace(row, version_of=made.get(tag)))
        report(number / len(chosen))
    return Bases(tuple(rows), len(asked) - len(chosen), work, memory, speed)


def _version_of(tag: str, settings: Settings) -> str | None:
    """The configured model that a tag is a version of."""
    name, _, label = tag.rpartition(":")
    tags = ModelTags(name)
    ours = tag in (tags.live, tags.previous, tags.candidate) or label == BASE or SEMVER.fullmatch(label)
    return name if name in settings.models and ours else None


def _looked_at(home: Home, runtime: Runtime, tag: str) -> "tuple[BaseRow, GgufFile | None]":
    """What can be told of a tag, and its file where that can be read; whatever is wrong with one is its row."""
    row, file = BaseRow(tag, trainable=False), None
    try:
        served = runtime.show(tag)
        row, file = _described(row, served)
        if served.parts:
            require_parts(served, tag)
        else:
            checked_base(served, tag, home)
    except RuntimeUnavailableError as exc:
        runtime.version()  # which raises where it is not the tag that is wrong
        return replace(row, why_not=str(exc), hint=_pull(tag)), file
    except NotFoundError:
        return replace(row, why_not=f"{tag} was removed meanwhile"), file
    except AdapterdError as exc:
        return replace(row, why_not=str(exc), hint=exc.hint), file
    except Exception as exc:  # of a stranger's file; the others are told of all the same
        return replace(row, why_not=f"{tag} cannot be looked at ({type(exc).__name__}: {reason(exc)})"), file
    return replace(row, trainable=True), file


def _pull(tag: str) -> str:
    return f"`ollama pull {tag}` brings what is missing or damaged, if it came from there"


def _described(row: BaseRow, served: ServedModel) -> "tuple[BaseRow, GgufFile | None]":
    """The row with what the header says; as it is, where there is none that can be read."""
    from adapterd.base.gguf.gguf_file import GgufFile

    if served.gguf is None or served.stored_as != "gguf":
        return row, None
    try:
        file = GgufFile.open(served.gguf)
        architecture = file.architecture
    except AdapterdError:
        return replace(row, size_bytes=_size(served.gguf)), None  # the check says why
    return replace(
        row,
        architecture=architecture,
        parameters=file.value_count,
        quantization=file.commonest_type,
        size_bytes=_size(served.gguf),
    ), file


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None


def _with_needs(row: BaseRow, file: "GgufFile", work: Workload, speed: float | None, memory: int) -> BaseRow:
    try:
        found = needs(file, work, speed, memory)
    except Exception as exc:  # of a stranger's file
        return replace(row, why_not=f"what it takes cannot be told ({type(exc).__name__}: {reason(exc)})")
    if found.fits:
        return replace(row, needs=found, fits=True)
    needed, room, all_of_it = (size / 1e9 for size in (found.peak_bytes, found.room_bytes, memory))
    return replace(
        row,
        needs=found,
        fits=False,
        why_not=f"{row.tag} needs about {needed:.1f} GB of memory; of this machine's {all_of_it:.1f} GB, "
        f"{room:.1f} GB can be had",
        hint="take a smaller size of the model, or lower training.layers",
    )
