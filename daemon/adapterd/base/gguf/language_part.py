"""The language model of a file as llama.cpp by itself loads it: without what stands beside it, and with the names and
forms that Ollama's loader puts in the place of those of its own converter."""

import struct
from collections.abc import Iterator

from gguf.constants import GGUFValueType

from adapterd.base.gguf.beside import is_beside
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.gguf_header import Field, TensorEntry, end_of

_BY_TOKEN = ("tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type")
_TENSORS_AT, _COUNT = 8, struct.Struct("<Q")
"""Where the header says how many tensors there are; so are counts written."""
_HEADS, _SECTIONS, _ARRAY_BYTES = "qwen35.attention.head_count_kv", 4, 16
"""A list's values stand behind its type, theirs, and their number."""
Edit = tuple[int, int, bytes]
"""Bytes from one place to another, and what stands there instead."""


def language_tensors(gguf: GgufFile) -> list[TensorEntry]:
    """The tensors of the language model, in the file's order."""
    return [entry for entry in gguf.header.tensors if not is_beside(gguf, entry.name)]


def served_name(gguf: GgufFile, tensor: str) -> str:
    """A tensor's name in llama.cpp: that of Qwen 3.5's time step has no end in files of Ollama's converter."""
    stem = tensor.rpartition(".")[2]
    return f"{tensor}.bias" if gguf.architecture == "qwen35" and stem == "ssm_dt" else tensor


def is_served_otherwise(gguf: GgufFile) -> bool:
    """Whether the file has forms or names that Ollama's loader changes, and which llama.cpp by itself cannot load."""
    return any(_reformed(gguf)) or any(served_name(gguf, name) != name for name in gguf.tensors)


def language_bytes(gguf: GgufFile) -> int:
    """About how large a file of the language model alone is."""
    return len(gguf.metadata_bytes) + sum(gguf.tensors[entry.name].size_bytes for entry in language_tensors(gguf))


def language_metadata(gguf: GgufFile) -> bytes:
    """The file's metadata with as many tensors as `language_tensors`, and with no more tokens than embeddings.

    Ollama's converter leaves tokens for images behind those of the text, which its loader cuts off, and has some values
    in another form. The metadata are copied as bytes, so that whatever else the file has there stays as it is.
    """
    return _with_tensors(_served(gguf), len(language_tensors(gguf)))


def has_more_tokens_than_embeddings(gguf: GgufFile) -> bool:
    """Whether the file has tokens that are cut off where it is served."""
    return bool(_longer(gguf))


def vocabulary(gguf: GgufFile) -> bytes:
    """A GGUF of the same metadata without a tensor, for a tokenizer of the tokens that are served."""
    return _with_tensors(_served(gguf), 0)


def _longer(gguf: GgufFile) -> list[Field]:
    """The lists with a value for each token that have more of them than there are embeddings."""
    embedding = gguf.tensors.get("token_embd.weight")
    fields = [field for key in _BY_TOKEN if (field := gguf.header.fields.get(key))]
    return [field for field in fields if embedding and field.count > embedding.shape[0]]


def _served(gguf: GgufFile) -> bytes:
    """The metadata with no more tokens than embeddings, and with what llama.cpp reads in another form."""
    data = gguf.metadata_bytes
    edits = [edit for field in _longer(gguf) for edit in _shortened(gguf, field)]
    for start, end, instead in sorted((*edits, *_reformed(gguf)), reverse=True):
        data = data[:start] + instead + data[end:]
    return data


def _shortened(gguf: GgufFile, field: Field) -> Iterator[Edit]:
    """A list with no more values than there are embeddings."""
    rows, data = gguf.tensors["token_embd.weight"].shape[0], gguf.metadata_bytes
    yield field.offset - _COUNT.size, field.offset, _COUNT.pack(rows)
    yield end_of(field, rows, data), end_of(field, field.count, data), b""


def _reformed(gguf: GgufFile) -> Iterator[Edit]:
    """Of Qwen 3.5 by Ollama's converter: sections of the rotary angles are filled up to four, and numbers of
    key/value heads by block become one."""
    if gguf.architecture != "qwen35":
        return
    data, fields = gguf.metadata_bytes, gguf.header.fields
    sections, heads = fields.get("qwen35.rope.dimension_sections"), fields.get(_HEADS)
    if sections and sections.is_array and sections.count == _SECTIONS - 1:
        size, end = end_of(sections, 1, data) - sections.offset, end_of(sections, sections.count, data)
        yield sections.offset - _COUNT.size, sections.offset, _COUNT.pack(_SECTIONS)
        yield end, end, bytes(size)
    if heads and heads.is_array and heads.count:
        end = end_of(heads, heads.count, data)
        yield heads.offset - _ARRAY_BYTES, end, struct.pack("<II", GGUFValueType.UINT32, max(gguf.value(_HEADS)))


def _with_tensors(data: bytes, count: int) -> bytes:
    return data[:_TENSORS_AT] + _COUNT.pack(count) + data[_TENSORS_AT + _COUNT.size :]
