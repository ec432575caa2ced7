"""Text to token ids by llama.cpp's own tokenizer, which is the one that serves. Loads the vocabulary only."""

import ctypes
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import llama_cpp

from adapterd.base.gguf.gguf_file import GgufFile, Metadata
from adapterd.base.gguf.language_part import has_more_tokens_than_embeddings, vocabulary
from adapterd.base.gguf.llama_file import open_model
from adapterd.base.gguf.served_metadata import served_metadata
from adapterd.errors import InputError

_ANCHOR = "\x01"
_EOT_KEY = b"tokenizer.ggml.eot_token_id"
_PIECE_BYTES = 256
_VALUE_BYTES = 64


def _open(read: Path, path: Path, metadata: Mapping[str, Metadata]) -> Any:
    """llama.cpp's handle of the vocabulary in `read`; what is wrong with it is said of `path`."""
    try:
        return open_model(read, "has no tokenizer that llama.cpp can read", metadata, vocab_only=True)
    except InputError as exc:
        raise InputError(str(exc).replace(str(read), str(path))) from exc


@contextmanager
def _vocabulary_of(file: GgufFile) -> Iterator[Path]:
    """The file itself, or for as long as it is read one of its vocabulary as served, which may have fewer tokens."""
    if not has_more_tokens_than_embeddings(file):
        yield file.path
        return
    with tempfile.TemporaryDirectory(prefix="adapterd-vocabulary-") as folder:
        path = Path(folder) / file.path.name
        path.write_bytes(vocabulary(file))
        yield path


@dataclass(frozen=True)
class Tokenizer:
    """The vocabulary of one GGUF. The model handle lives as long as this object."""

    path: Path
    _model: Any
    _vocab: Any

    @classmethod
    def open(cls, path: Path) -> "Tokenizer":
        """Read the vocabulary as it is served; raises InputError if llama.cpp cannot."""
        if not path.is_file():
            raise InputError(f"{path} is not there, or not a file")
        file = GgufFile.open(path)
        with _vocabulary_of(file) as read:
            model = _open(read, path, served_metadata(file))
        tokenizer = cls(path, model, llama_cpp.llama_model_get_vocab(model))
        weakref.finalize(tokenizer, llama_cpp.llama_model_free, model)
        return tokenizer

    def encode_prompt(self, text: str) -> list[int]:
        """The ids of a rendered prompt, as the server makes them: control tokens are recognised in the text, and
        the start token (for the few that have one, the end token) is added where the model's metadata ask for it."""
        return self._tokenize(text, add_special=True, parse_special=True)

    def encode_continuation(self, text: str, *, markup: bool = False) -> list[int]:
        """The ids of an answer that follows a prompt; their text is `text` again, if the vocabulary has all bytes.

        Control tokens are not recognised: an answer is data, and one that quotes `<|im_end|>` has to be learned as
        those letters, not as the end of the turn or the beginning of another. No start token is added, nor the
        space that some vocabularies put before any text: the model would say it. `markup` is no data, but what the
        model itself puts around its thoughts: there they are recognised.
        """
        if not self._adds_space:
            return self._tokenize(text, parse_special=markup)
        # Behind a control character no space is added, and no vocabulary merges that with what follows.
        return self._tokenize(_ANCHOR + text, parse_special=markup)[len(self._tokenize(_ANCHOR)) :]

    def encode_text(self, text: str) -> tuple[list[int], slice]:
        """The ids of a text by itself with the start and end tokens that the metadata ask for, and where among them the
        text is. Control tokens are not recognised: it is data."""
        ids, own = self._tokenize(text, add_special=True), self._tokenize(text)
        start = 0 if ids[: len(own)] == own else 1
        return ids, slice(start, start + len(own))

    def is_end_of_generation(self, token: int) -> bool:
        """Whether the server stops at this id."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    @property
    def end_of_turn_id(self) -> int:
        """The id that ends a turn if the metadata name it, else the end of a text; raises InputError without either.

        llama.cpp guesses an end of turn where none is named, which for SmolLM2 is `<|endoftext|>`, while the end of
        a text, which is named, is `<|im_end|>`. So its guess comes last.
        """
        guess, end = llama_cpp.llama_vocab_eot(self._vocab), llama_cpp.llama_vocab_eos(self._vocab)
        buffer = ctypes.create_string_buffer(_PIECE_BYTES)
        named = llama_cpp.llama_model_meta_val_str(self._model, _EOT_KEY, buffer, len(buffer)) >= 0
        for token in (guess, end) if named else (end, guess):
            if token >= 0:
                return int(token)
        raise InputError(f"{self.path} names no token that ends an answer")

    @property
    def context_length(self) -> int | None:
        """How many tokens the model can read by its metadata, if they say so."""
        architecture = self._metadata("general.architecture")
        length = self._metadata(f"{architecture}.context_length")
        return int(length) if length and length.isdecimal() else None

    def text(self, ids: Sequence[int]) -> str:
        """The text of the ids as a server sends it, control tokens written out; raises InputError for an unknown id."""
        return b"".join(self._piece(token) for token in ids).decode("utf-8", "replace")

    def _metadata(self, key: str) -> str:
        """A short value of the metadata as text, empty where there is none."""
        buffer = ctypes.create_string_buffer(_VALUE_BYTES)
        length = llama_cpp.llama_model_meta_val_str(self._model, key.encode(), buffer, len(buffer))
        return buffer.value.decode(errors="replace") if length >= 0 else ""

    @cached_property
    def _adds_space(self) -> bool:
        return self.text(self._tokenize("a")) != "a"

    @cached_property
    def _size(self) -> int:
        return int(llama_cpp.llama_vocab_n_tokens(self._vocab))

    def _tokenize(self, text: str, *, add_special: bool = False, parse_special: bool = False) -> list[int]:
        try:
            data = text.encode()
        except UnicodeEncodeError as exc:
            raise InputError(f"a text cannot be tokenised, as it is not valid Unicode: {exc}") from exc
        # Never more than one token a byte, an added space, and the two ends.
        capacity = len(data) + 3
        tokens = (llama_cpp.llama_token * capacity)()
        count = llama_cpp.llama_tokenize(self._vocab, data, len(data), tokens, capacity, add_special, parse_special)
        if count < 0:
            raise InputError(f"llama.cpp cannot tokenise a text of {len(data)} bytes with {self.path}")
        return list(tokens[:count])

    def _piece(self, token: int) -> bytes:
        if not 0 <= token < self._size:
            raise InputError(f"{token} is not a token of {self.path}, which has {self._size}")
        buffer = ctypes.create_string_buffer(_PIECE_BYTES)
        length = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, True)
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, True)
        return buffer.raw[:length]
