"""A GGUF in several files, as llama-gguf-split writes them, joined into one: the same metadata and tensors."""

import re
import struct
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.gguf_header import end_of
from adapterd.errors import InputError, NotFoundError, UnsupportedModelError

NUMBER, COUNT, TENSORS = "split.no", "split.count", "split.tensors.count"
_NAME = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf")
_COUNTS = struct.Struct("<QQ")
_COUNTS_AT, _LENGTH_BYTES, _TYPE_BYTES = 8, 8, 4
"""Where the header says how many tensors and keys there are; what stands before a key's name, and before its value."""


def parts_of(path: Path) -> list[Path]:
    """All the files of the model that a file is a part of, in order; only itself if it is whole.

    Raises InputError where its name does not tell the others' names, NotFoundError for one that is missing, and what
    `GgufFile.open` raises.
    """
    count = _number(GgufFile.open(path), COUNT)
    if count <= 1:
        return [path]
    match = _NAME.fullmatch(path.name)
    if match is None or int(match[3]) != count:
        raise InputError(
            f"{path} is one of {count} parts of a model, and its name does not tell those of the others",
            hint=f"name them NAME-00001-of-{count:05d}.gguf and so on; or join them: llama-gguf-split --merge",
        )
    parts = [path.with_name(f"{match[1]}-{number:05d}-of-{count:05d}.gguf") for number in range(1, count + 1)]
    if missing := next((part for part in parts if not part.is_file()), None):
        raise NotFoundError(f"{path} is one of {count} parts of a model, and {missing.name} is not beside it")
    return parts


def join(parts: Sequence[Path], target: Path) -> None:
    """Write the model whose parts these files are, in order, to `target`, every tensor with the bytes it has there.

    The metadata are those of the first part without what it says of parts. Raises InputError for files that are not the
    parts of one model, UnsupportedModelError for a tensor of a type that is not known.
    """
    files = [GgufFile.open(part) for part in parts]
    _require_one_model(files)
    alignment = files[0].header.alignment
    with target.open("wb") as out:
        out.write(_metadata(files[0], sum(len(file.tensors) for file in files)))
        out.write(b"".join(_entries(files, alignment)))
        for file in files:
            for name in file.tensors:
                out.write(bytes(-out.tell() % alignment))
                out.write(file.raw(name).data)
        out.write(bytes(-out.tell() % alignment))


def _require_one_model(files: Sequence[GgufFile]) -> None:
    first, seen = files[0], set[str]()
    for index, file in enumerate(files):
        if (_number(file, COUNT), _number(file, NUMBER)) != (len(files), index):
            raise InputError(f"{file.path} is not part {index + 1} of {len(files)} of the model in {first.path}")
        for name, tensor in file.tensors.items():
            if name in seen:
                raise InputError(f"{file.path} has {name}, which an earlier part of the model has, too")
            if not tensor.has_known_type:
                raise UnsupportedModelError(
                    f"{name} in {file.path} is stored as the tensor type {tensor.type_name}, which is not known here",
                    hint="take the same model in another quantisation, such as Q4_K_M or Q8_0",
                )
        seen |= file.tensors.keys()
    expected = _number(first, TENSORS, len(seen))
    if expected != len(seen):
        raise InputError(f"the parts of the model in {first.path} have {len(seen)} tensors, and should have {expected}")


def _metadata(first: GgufFile, tensors: int) -> bytes:
    """The first part's metadata, byte for byte, but for what is said of parts and the counts in front."""
    data, fields = first.metadata_bytes, first.header.fields
    kept, at = [], 0
    keys = [key for key in (NUMBER, COUNT, TENSORS) if key in fields]
    for key in sorted(keys, key=lambda key: fields[key].offset):
        start = fields[key].offset - _TYPE_BYTES - len(key.encode()) - _LENGTH_BYTES
        kept.append(data[at:start])
        at = end_of(fields[key], 1, data)
    whole = b"".join((*kept, data[at:]))
    counts = _COUNTS.pack(tensors, len(fields) - len(keys))
    return whole[:_COUNTS_AT] + counts + whole[_COUNTS_AT + _COUNTS.size :]


def _entries(files: Sequence[GgufFile], alignment: int) -> Iterator[bytes]:
    """The header's entry of each tensor, with its new offset."""
    offset = 0
    for file, entry in chain.from_iterable(((file, entry) for entry in file.header.tensors) for file in files):
        name, sizes = entry.name.encode(), entry.dimensions
        shape = f"<Q{len(name)}sI{len(sizes)}QIQ"
        yield struct.pack(shape, len(name), name, len(sizes), *sizes, entry.type_number, offset)
        offset += file.tensors[entry.name].size_bytes
        offset += -offset % alignment


def _number(file: GgufFile, key: str, default: int = 0) -> int:
    """A whole number of the metadata; raises InputError for anything else under the key."""
    value = file.value(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{file.path} has no number as {key}")
    return value
