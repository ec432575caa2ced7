"""`export`: what a version is, in the format of another program, in a folder of a person's choice."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from adapterd.config import ModelSettings
from adapterd.deployment.history import require_version
from adapterd.errors import InputError, NotFoundError, reason
from adapterd.formats.adapter_files import CONFIG, GGUF_SUFFIX, GGUF_WEIGHTS, PEFT_WEIGHTS, WEIGHTS
from adapterd.home import Home
from adapterd.serving import manifests
from adapterd.serving.runtime import MODEL, Runtime, ServedModel
from adapterd.serving.runtimes import pinned_base
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.versions import Version
from adapterd.system.files import clone_open, named_path, open_given, write_atomic

if TYPE_CHECKING:
    from adapterd.base.families.architecture import Architecture
    from adapterd.base.gguf.gguf_file import GgufFile

MODELFILE, PROJECTOR = "Modelfile", "projector"
Progress = Callable[[float], object]


class ExportFormat(StrEnum):
    """In which form a version is taken: its adapter (mlx-lm's, PEFT's, llama.cpp's), its whole file, or that with a
    Modelfile for `ollama create`."""

    MLX = "mlx"
    PEFT = "peft"
    GGUF_LORA = "gguf-lora"
    GGUF = "gguf"
    MODELFILE = "modelfile"


@dataclass(frozen=True)
class Exported:
    """The files that were written, and what the version has beside them."""

    version: str
    format: ExportFormat
    files: tuple[Path, ...]
    note: str = ""


def export_version(
    store: Store,
    home: Home,
    runtime: Runtime,
    model: str,
    settings: ModelSettings,
    version: str,
    form: ExportFormat,
    folder: Path,
    *,
    progress: Progress = lambda _: None,
) -> Exported:
    """Write a version into the folder, which is made if it is missing; no file that is there is touched.

    Raises NotFoundError for a version that is not there or whose adapter is gone, InputError for what cannot be
    written or is not on this machine, and what the runtime raises.
    """
    found, folder = require_version(store, model, version), named_path(folder)
    tag = ModelTags(model).version(version)
    served = runtime.show(tag) if tag in runtime.tags() else None
    name = f"{model}-{version}{GGUF_SUFFIX}"
    projectors = _projectors(served, model, version) if form is ExportFormat.MODELFILE else {}
    with _written(folder, (*_names(form, name), *projectors)):
        if form in (ExportFormat.GGUF, ExportFormat.MODELFILE):
            files, note = _write_file(tag, served, form, folder / name, projectors, f"{model} {version}", progress)
        else:
            base = served.gguf if served and served.gguf else _base(runtime, model, settings, found)
            files, note = _write_adapter(home.version(model, version), base, form, folder)
    return Exported(version, form, tuple(files), note)


def _names(form: ExportFormat, name: str) -> Sequence[str]:
    return {
        ExportFormat.MLX: (WEIGHTS, CONFIG),
        ExportFormat.PEFT: (PEFT_WEIGHTS, CONFIG),
        ExportFormat.GGUF_LORA: (GGUF_WEIGHTS,),
        ExportFormat.GGUF: (name,),
        ExportFormat.MODELFILE: (name, MODELFILE),
    }[form]


@contextmanager
def _written(folder: Path, names: Sequence[str]) -> Iterator[None]:
    """Raise InputError where one of the files is there, or where the folder cannot be written; nothing of what was
    written stays then."""
    for name in names:
        if (folder / name).is_symlink() or (folder / name).exists():
            raise InputError(f"{folder / name} is there already", hint="give another folder, or move it away")
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException as exc:
        _take_away(folder, names, is_new=is_new)
        if isinstance(exc, OSError):
            raise InputError(f"{folder} cannot be written: {reason(exc)}", hint="give another folder") from exc
        raise


def _take_away(folder: Path, names: Sequence[str], *, is_new: bool) -> None:
    with suppress(OSError):
        for name in names:
            (folder / name).unlink(missing_ok=True)
        if is_new:
            folder.rmdir()


def _write_adapter(adapter: Path, base: Path, form: ExportFormat, folder: Path) -> tuple[list[Path], str]:
    """The adapter's files, and where they do not fit."""
    from adapterd.base.architectures import architecture_of
    from adapterd.base.gguf.gguf_file import GgufFile
    from adapterd.merging.exchange.export_adapter import write_gguf_lora, write_mlx_lm, write_peft
    from adapterd.merging.updates import read_adapter

    if not (adapter / WEIGHTS).is_file():
        raise NotFoundError(f"{adapter} has no adapter any more", hint="take the whole file: --as gguf")
    write = {ExportFormat.MLX: write_mlx_lm, ExportFormat.PEFT: write_peft, ExportFormat.GGUF_LORA: write_gguf_lora}
    file = GgufFile.open(base)
    notes = _notes(architecture_of(file), file) if form is not ExportFormat.GGUF_LORA else []
    return write[form](read_adapter(adapter, file), file, folder), "; ".join(notes)


def _notes(architecture: "Architecture", base: "GgufFile") -> list[str]:
    """Where an adapter for Hugging Face's weights does not fit."""
    from adapterd.merging.exchange.module_names import reads_images

    notes = []
    if architecture.fused:
        notes.append(f"it does not fit where a class has {', '.join(architecture.fused)} instead")
    if reads_images(base):
        notes.append("its names are those of the class that reads images, too, and not of the language model alone")
    return notes


def _base(runtime: Runtime, model: str, settings: ModelSettings, version: Version) -> Path:
    """The file of the base that a version was made of; raises InputError if the base is another one by now."""
    base = pinned_base(runtime, model, settings)
    if base.digest != version.base_digest:
        raise InputError(
            f"{version.version} was made of another base ({version.base_digest[:19]}…) than {model} has now, and its "
            "own file is not on this machine"
        )
    return base.gguf


def _projectors(served: ServedModel | None, model: str, version: str) -> dict[str, Path]:
    """What a version has beside its model that reads images or sound, by the names that copies get."""
    if served is None or served.gguf is None:
        return {}
    found = manifests.files(served.gguf.parent.parent, served.tag, PROJECTOR)
    return {f"{model}-{version}-projector-{number}{GGUF_SUFFIX}": file for number, file in enumerate(found, start=1)}


def _write_file(
    tag: str,
    served: ServedModel | None,
    form: ExportFormat,
    target: Path,
    projectors: Mapping[str, Path],
    title: str,
    progress: Progress,
) -> tuple[list[Path], str]:
    """The version's GGUF, with its projectors and a Modelfile beside it if asked for; and what else it is made of."""
    if served is None:
        raise NotFoundError(f"the runtime has no {tag} any more", hint="take the adapter: --as mlx, peft or gguf-lora")
    if served.gguf is None:
        raise InputError(
            f"the file of {tag} is not on this machine, or not for this user to read",
            hint="take the adapter: --as mlx, peft or gguf-lora",
        )
    written = {target: served.gguf, **{target.with_name(name): file for name, file in projectors.items()}}
    for file, source in written.items():
        with open_given(source) as stream:
            clone_open(stream, file, progress)
    files = list(written)
    if form is ExportFormat.MODELFILE:
        beside = [f"./{name}" for name in projectors]
        text = served.modelfile.text(source=f"./{target.name}", title=title, projectors=beside)
        write_atomic(target.parent / MODELFILE, text)
        files.append(target.parent / MODELFILE)
    others = [kind for kind in served.files if kind not in (MODEL, *([PROJECTOR] if projectors else []))]
    return files, f"not taken: the {', '.join(others)} of {tag}" if others else ""
