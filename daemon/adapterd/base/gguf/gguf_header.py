"""A GGUF's header: its keys with the places of their values, and its tensors. Nothing is believed before it is checked.

gguf's own reader makes objects of every token and merge, which takes seconds and hundreds of megabytes, and it makes
room for whatever number a file states. Here the tokens are passed over, and each count is measured against the bytes
that are there first.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any

from gguf.constants import GGUF_DEFAULT_ALIGNMENT, GGUFValueType

from adapterd.errors import InputError, UnsupportedModelError

MAGIC, VERSIONS = b"GGUF", (2, 3)
_NEWEST_IMAGINABLE = 99
_OTHER_ORDER = frozenset(int.from_bytes(version.to_bytes(4), "little") for version in range(1, 4))
MAX_HEADER_BYTES = 256 << 20
"""Some ten times what the largest vocabularies take."""
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


class HeaderReader:
    """Goes through the bytes of the file at `path` once, from its beginning to where the tensors' bytes begin."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path, self._data = path, data
        self._end = min(len(data), MAX_HEADER_BYTES)
        self._at = 0

    def read(self) -> Header:
        """The header; raises InputError for a file that is none or contradicts itself, UnsupportedModelError for one
        of another version or byte order."""
        self._check_beginning()
        tensors, keys = self._count("tensors", MAX_TENSORS, _TENSOR_BYTES), self._count("keys", MAX_KEYS, _KEY_BYTES)
        fields: dict[str, Field] = {}
        for _ in range(keys):
            name = self._text("a key")
            if name in fields:
                raise self._damaged(f"the key {name!r} is there twice")
            fields[name] = self._field(name)
        keys_end = self._at
        entries = {entry.name: entry for entry in self._entries(tensors)}
        if len(entries) != tensors:
            raise self._damaged("two tensors have the same name")
        alignment = self._alignment(fields.get(ALIGNMENT))
        return Header(fields, tuple(entries.values()), keys_end, -(-self._at // alignment) * alignment, alignment)

    def value(self, name: str, field: Field) -> Any:
        """What a key of the header has: a number, a text, or a list of them; raises InputError for text that is no
        UTF-8."""
        self._at = field.offset
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
                raise self._damaged(f"{name!r} is an array of arrays, which llama.cpp does not read either")
            count = self._count(f"values of {name!r}", MAX_HEADER_BYTES, 8 if kind is STRING else _SCALARS[kind].size)
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
            name = self._text("a tensor's name")
            dimensions = self._number(_UINT32)
            if not 1 <= dimensions <= MAX_DIMENSIONS:
                raise self._damaged(f"the tensor {name!r} has {dimensions} dimensions")
            sizes = tuple(self._number(_UINT64) for _ in range(dimensions))
            if 0 in sizes:
                raise self._damaged(f"the tensor {name!r} has no values")
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
            raise self._damaged(f"{name!r} is of the type {number}, which is not known") from None

    def _count(self, what: str, most: int, least_bytes: int) -> int:
        """A number of things that take at least so many bytes each, all of which have to be in what is left."""
        count = self._number(_UINT64)
        if count > most or count * least_bytes > self._end - self._at:
            raise self._damaged(f"it claims to have {count} {what}, which do not fit into it")
        return count

    def _text(self, what: str) -> str:
        start = self._at + 8
        self._pass_strings(1)
        try:
            return self._data[start : self._at].decode()
        except UnicodeDecodeError as exc:
            raise self._damaged(f"{what if ' ' in what else repr(what)} is not UTF-8: {exc}") from exc

    def _number(self, kind: Struct) -> int:
        start = self._at
        self._pass_bytes(kind.size)
        number: int = kind.unpack_from(self._data, start)[0]
        return number

    def _pass_bytes(self, size_bytes: int) -> None:
        self._at += size_bytes
        if self._at > self._end:
            limit = "the file ends within its header" if self._end == len(self._data) else "its header is too long"
            raise self._damaged(limit)

    def _damaged(self, reason: str) -> InputError:
        return InputError(f"{self._path} is not a GGUF file, or is damaged or cut short: {reason}")
