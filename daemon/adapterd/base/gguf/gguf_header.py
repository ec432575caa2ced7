"""A GGUF's header: its keys with the places of their values, and its tensors. Nothing is believed before it is checked.

gguf's own reader makes objects of every token and merge, which takes seconds and hundreds of megabytes, and it makes
room for whatever number a file states. Here the tokens are passed over, and each count is measured against the bytes
that are there first.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO

from gguf.constants import GGUF_DEFAULT_ALIGNMENT, GGUFValueType

from adapterd.errors import InputError, UnsupportedModelError

MAGIC, VERSIONS = b"GGUF", (2, 3)
_NEWEST_IMAGINABLE = 99
_OTHER_ORDER = frozenset(int.from_bytes(version.to_bytes(4), "little") for version in range(1, 4))
MAX_HEADER_BYTES = 128 << 20
"""Some five times what the largest vocabularies take."""
MAX_KEY_BYTES, MAX_NAME_BYTES, MAX_TEXT_BYTES, MAX_VALUES = 1 << 16, 64, 4 << 20, 1 << 16
"""Of a key and of a tensor's name, as ggml has them; of a text that is asked for, and values in a list of them."""
_FIRST_BYTES = 8 << 20
MAX_KEYS, MAX_TENSORS = 1 << 16, 1 << 17
MAX_DIMENSIONS = 4
"""ggml's own limit."""
ALIGNMENT = "general.alignment"
ARRAY, STRING = GGUFValueType.ARRAY, GGUFValueType.STRING
_LETTERS = {
    GGUFValueType.UINT8: "B", GGUFValueType.INT8: "b", GGUFValueType.UINT16: "H", GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I", GGUFValueType.INT32: "i", GGUFValueType.FLOAT32: "f", GGUFValueType.BOOL: "?",
    GGUFValueType.UINT64: "Q", GGUFValueType.INT64: "q", GGUFValueType.FLOAT64: "d",
}  # fmt: skip
_SCALARS = {kind: Struct(f"<{letter}") for kind, letter in _LETTERS.items()}
_UINT32, _UINT64 = _SCALARS[GGUFValueType.UINT32], _SCALARS[GGUFValueType.UINT64]
_KEY_BYTES, _TENSOR_BYTES = 13, 32
"""The least that an entry takes."""


@dataclass(frozen=True)
class Field:
    """Where a value stands: `count` values of a kind from `offset` on; strings have their lengths in front of them."""

    kind: GGUFValueType
    offset: int
    count: int
    is_array: bool


@dataclass(frozen=True)
class TensorEntry:
    """A tensor as the header has it: `dimensions` in ggml's order, `offset` from where the tensors' bytes begin."""

    name: str
    dimensions: tuple[int, ...]
    type_number: int
    offset: int


@dataclass(frozen=True)
class Header:
    """All that stands before the tensors' bytes, which begin at `data_start`; the keys end at `keys_end`."""

    fields: dict[str, Field]
    tensors: tuple[TensorEntry, ...]
    keys_end: int
    data_start: int
    alignment: int


def end_of(field: Field, count: int, data: bytes) -> int:
    """Where the first `count` values of a field end in the header's bytes."""
    if field.kind is not STRING:
        return field.offset + count * _SCALARS[field.kind].size
    at = field.offset
    for _ in range(count):
        at += _UINT64.size + _UINT64.unpack_from(data, at)[0]
    return at


class MoreNeededError(Exception):
    """The header goes on behind what was read of the file."""


def read_header(path: Path, stream: BinaryIO) -> tuple[Header, bytes]:
    """The header of an open file, and the bytes that it stands in; raises as `HeaderReader.read` does.

    Of the file no more is read than the header needs, but for some megabytes.
    """
    file_bytes, wanted, data = os.fstat(stream.fileno()).st_size, _FIRST_BYTES, b""
    while True:
        more = stream.read(min(wanted, file_bytes, MAX_HEADER_BYTES) - len(data))
        data += more
        # What is not there any more was cut off meanwhile: that is how large the file is.
        if len(data) < min(wanted, file_bytes, MAX_HEADER_BYTES):
            file_bytes = len(data)
        try:
            return HeaderReader(path, data, file_bytes).read(), data
        except MoreNeededError:
            wanted *= 4


class HeaderReader:
    """Goes through the beginning of the file at `path` once, to where the tensors' bytes begin.

    `data` is that beginning, in memory: a mapping would end the process if the file were cut short meanwhile. The file
    has `file_bytes`.
    """

    def __init__(self, path: Path, data: bytes, file_bytes: int) -> None:
        self._path, self._data, self._file_bytes = path, data, file_bytes
        self._end = len(data)
        self._at = 0

    def read(self) -> Header:
        """The header; raises InputError for a file that is none or contradicts itself, UnsupportedModelError for one
        of another version or byte order."""
        self._check_beginning()
        tensors, keys = self._count("tensors", MAX_TENSORS, _TENSOR_BYTES), self._count("keys", MAX_KEYS, _KEY_BYTES)
        fields: dict[str, Field] = {}
        for _ in range(keys):
            name = self._text("a key", MAX_KEY_BYTES)
            if name in fields:
                raise self._damaged(f"the key {name!r:.80} is there twice")
            fields[name] = self._field(name)
        keys_end = self._at
        entries = {entry.name: entry for entry in self._entries(tensors)}
        if len(entries) != tensors:
            raise self._damaged("two tensors have the same name")
        alignment = self._alignment(fields.get(ALIGNMENT))
        return Header(fields, tuple(entries.values()), keys_end, -(-self._at // alignment) * alignment, alignment)

    def value(self, name: str, field: Field) -> Any:
        """What a key of the header has: a number, a text, or a list of them; raises InputError for text that is no
        UTF-8, and for what is too long to be what such a key is for."""
        self._at = field.offset
        if field.count > MAX_VALUES:
            raise self._damaged(f"{name!r:.80} has {field.count} values")
        if field.kind is STRING:
            texts = [self._text(name) for _ in range(field.count)]
            return texts if field.is_array else texts[0]
        numbers = Struct(f"<{field.count}{_LETTERS[field.kind]}").unpack_from(self._data, field.offset)
        return list(numbers) if field.is_array else numbers[0]

    def text_at(self, name: str, field: Field, index: int) -> str | None:
        """One text of a list of texts, without making the others; None for a list that has not so many, or no texts."""
        if field.kind is not STRING or not 0 <= index < field.count:
            return None
        self._at = field.offset
        self._pass_strings(index)
        return self._text(name)

    def _check_beginning(self) -> None:
        if self._data[: len(MAGIC)] != MAGIC:
            raise self._damaged("it does not begin as one")
        self._at = len(MAGIC)
        version = self._number(_UINT32)
        if version in _OTHER_ORDER:
            raise UnsupportedModelError(f"{self._path} is a GGUF for machines of another byte order")
        if version > _NEWEST_IMAGINABLE:
            raise self._damaged(f"its version is {version}")
        if version not in VERSIONS:
            raise UnsupportedModelError(f"{self._path} is a GGUF of version {version}; versions 2 and 3 are read")

    def _field(self, name: str) -> Field:
        kind, count, is_array = self._kind(name), 1, False
        if kind is ARRAY:
            kind, is_array = self._kind(name), True
            if kind is ARRAY:
                raise self._damaged(f"{name!r:.80} is an array of arrays, which llama.cpp does not read either")
            count = self._count(
                f"values of {name!r:.80}", MAX_HEADER_BYTES, 8 if kind is STRING else _SCALARS[kind].size
            )
        field = Field(kind, self._at, count, is_array)
        if kind is STRING:
            self._pass_strings(count)
        else:
            self._pass_bytes(count * _SCALARS[kind].size)
        return field

    def _pass_strings(self, count: int) -> None:
        """Over so many strings. This loop runs once for each token and each merge."""
        at, data, length = self._at, self._data, _UINT64.unpack_from
        try:
            for _ in range(count):
                at += 8 + length(data, at)[0]
        except (struct.error, OverflowError, IndexError):  # the latter two for what no pointer reaches
            at = self._end + 1
        self._pass_bytes(at - self._at)

    def _entries(self, count: int) -> Iterator[TensorEntry]:
        for _ in range(count):
            name = self._text("a tensor's name", MAX_NAME_BYTES)
            dimensions = self._number(_UINT32)
            if not 1 <= dimensions <= MAX_DIMENSIONS:
                raise self._damaged(f"the tensor {name!r:.80} has {dimensions} dimensions")
            sizes = tuple(self._number(_UINT64) for _ in range(dimensions))
            if 0 in sizes:
                raise self._damaged(f"the tensor {name!r:.80} has no values")
            yield TensorEntry(name, sizes, self._number(_UINT32), self._number(_UINT64))

    def _alignment(self, field: Field | None) -> int:
        if field is None:
            return int(GGUF_DEFAULT_ALIGNMENT)
        end, alignment = self._at, self.value(ALIGNMENT, field)
        self._at = end
        if field.kind is not GGUFValueType.UINT32 or field.is_array or alignment.bit_count() != 1:
            raise self._damaged(f"{ALIGNMENT} is {alignment!r}, which is not a power of two")
        return int(alignment)

    def _kind(self, name: str) -> GGUFValueType:
        number = self._number(_UINT32)
        try:
            return GGUFValueType(number)
        except ValueError:
            raise self._damaged(f"{name!r:.80} is of the type {number}, which is not known") from None

    def _count(self, what: str, most: int, least_bytes: int) -> int:
        """A number of things that take at least so many bytes each, all of which have to be in what is left."""
        count = self._number(_UINT64)
        if count > most or count * least_bytes > min(self._file_bytes, MAX_HEADER_BYTES) - self._at:
            raise self._damaged(f"it claims to have {count} {what}, which do not fit into it")
        return count

    def _text(self, what: str, most_bytes: int = MAX_TEXT_BYTES) -> str:
        start = self._at + 8
        self._pass_strings(1)
        said = what if " " in what else f"{what!r:.80}"
        if self._at - start > most_bytes:
            raise self._damaged(f"{said} has {self._at - start} bytes")
        try:
            return self._data[start : self._at].decode()
        except UnicodeDecodeError as exc:
            raise self._damaged(f"{said} is not UTF-8: {exc}") from exc

    def _number(self, kind: Struct) -> int:
        start = self._at
        self._pass_bytes(kind.size)
        number: int = kind.unpack_from(self._data, start)[0]
        return number

    def _pass_bytes(self, size_bytes: int) -> None:
        self._at += size_bytes
        if self._at > self._end:
            if self._end < min(self._file_bytes, MAX_HEADER_BYTES):
                raise MoreNeededError
            limit = "the file ends within its header" if self._end == self._file_bytes else "its header is too long"
            raise self._damaged(limit)

    def _damaged(self, reason: str) -> InputError:
        return InputError(f"{self._path} is not a GGUF file, or is damaged or cut short: {reason}")
