"""A GGUF in llama.cpp, in this process, for its logits and answers: what the file says when it is served."""

import ctypes
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from adapterd.base.gguf import llama_log
from adapterd.base.gguf.ggml import FloatArray
from adapterd.base.gguf.gguf_file import Metadata
from adapterd.base.gguf.llama_file import NO_METADATA, open_model
from adapterd.errors import InputError, StageError
from adapterd.system.processors import processors

_BATCH_TOKENS = 512


@dataclass(frozen=True)
class Asked:
    """The ids of a prompt, and how many its answer may have."""

    prompt: Sequence[int]
    most: int


@dataclass(frozen=True)
class GreedyAnswer:
    """The ids of an answer without what ended it; one that is not `complete` came to the most that it may have."""

    ids: tuple[int, ...]
    complete: bool


@dataclass(frozen=True)
class LlamaModel:
    """A loaded file; `open` it. `adapter` is the handle of a LoRA file that was loaded with it."""

    path: Path
    context_tokens: int
    sequences: int
    _model: Any
    _context: Any
    _adapter: Any

    @classmethod
    @contextmanager
    def open(
        cls,
        path: Path,
        *,
        context_tokens: int,
        lora: Path | None = None,
        metadata: Mapping[str, Metadata] = NO_METADATA,
        embeds: bool = False,
        sequences: int = 1,
    ) -> "Iterator[LlamaModel]":
        """Load for texts of up to `context_tokens`, with these metadata instead of the file's; one that `embeds` gives
        `embeddings` in place of logits. Of `answers`, so many `sequences` are sampled at a time. Raises InputError if
        llama.cpp cannot read the file or the LoRA."""
        # On a CPU, extra buffers would hold all weights once more in a layout of their own.
        model = open_model(path, "cannot be loaded by llama.cpp", metadata, use_extra_bufts=False)
        context = None
        try:
            adapter = _load_lora(model, lora) if lora else None
            context = _new_context(model, context_tokens, embeds, sequences)
            yield cls(path, context_tokens, sequences, model, context, adapter)
        finally:
            if context is not None:
                llama_cpp.llama_free(context)
            llama_cpp.llama_model_free(model)

    def logits(self, ids: Sequence[int], first: int, *, adapted: bool = False) -> FloatArray:
        """Logits (len(ids) - first, vocabulary) at the positions from `first` on; `adapted`: with the LoRA applied.

        Raises InputError for more ids than the context has room for, StageError if llama.cpp fails.
        """
        return np.stack([row.copy() for row in self._rows(ids, first, adapted)])

    def log_likelihoods(self, ids: Sequence[int], first: int) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """The logarithm of the probability of each id from position `first` on, given those before it, in nats: shape
        (len(ids) - first,). One position's logits at a time are held, whatever the vocabulary.

        Raises InputError for more ids than the context has room for or none before `first`, StageError if llama.cpp
        fails.
        """
        rows = self._rows(ids[:-1], first - 1, adapted=False)
        return np.array([_log_probability(row, token) for row, token in zip(rows, ids[first:], strict=True)])

    def embeddings(self, ids: Sequence[int]) -> FloatArray:
        """What the last layer makes of each id, shape (len(ids), width): token embeddings, without pooling.

        All ids are one batch, so models that read both ways see the whole text. Raises InputError for more ids than the
        context has room for, StageError if llama.cpp fails.
        """
        if not 0 < len(ids) <= self.context_tokens:
            raise InputError(f"{len(ids)} ids do not fit a context of {self.context_tokens}")
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        self._decode([_Id(token, place) for place, token in enumerate(ids)])
        width = llama_cpp.llama_model_n_embd(self._model)
        rows = (llama_cpp.llama_get_embeddings_ith(self._context, index) for index in range(len(ids)))
        return np.stack([np.ctypeslib.as_array(row, (width,)).copy() for row in rows])

    def answers(self, asked: Sequence[Asked], ends: Collection[int], *, adapted: bool = False) -> list[GreedyAnswer]:
        """The most likely next id again and again, up to one of the `ends`; `adapted`: with the LoRA applied.

        Raises InputError for a prompt that does not fit the context with its answer, StageError if llama.cpp fails.
        """
        self._apply(adapted)
        order = sorted(range(len(asked)), key=lambda place: asked[place].most)
        found: dict[int, GreedyAnswer] = {}
        for start in range(0, len(order), self.sequences):
            some = order[start : start + self.sequences]
            found |= zip(some, self._answers_together([asked[place] for place in some], ends), strict=True)
        return [found[place] for place in range(len(asked))]

    def _answers_together(self, asked: Sequence[Asked], ends: Collection[int]) -> list[GreedyAnswer]:
        """Those of at most as many as there are sequences, an id of each in a batch."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        said: list[list[int]] = [[] for _ in asked]
        coming = {number: self._after_prompt(each, number) for number, each in enumerate(asked)}
        complete = set[int]()
        while coming:
            complete |= {number for number, token in coming.items() if token in ends}
            for number, token in coming.items():
                if number not in complete:
                    said[number].append(token)
            going_on = [
                number for number in coming if number not in complete and len(said[number]) < asked[number].most
            ]
            batch = [
                _Id(said[number][-1], len(asked[number].prompt) + len(said[number]) - 1, number) for number in going_on
            ]
            rows = self._decode(batch) if batch else []
            coming = {number: self._most_likely(row) for number, row in zip(going_on, rows, strict=True)}
        return [GreedyAnswer(tuple(ids), number in complete) for number, ids in enumerate(said)]

    def _after_prompt(self, asked: Asked, sequence: int) -> int:
        """Read a prompt; the most likely id after it."""
        if not 0 < len(asked.prompt) <= self.context_tokens - asked.most:
            raise InputError(
                f"{len(asked.prompt)} ids and an answer of {asked.most} do not fit a context of {self.context_tokens}"
            )
        rows: list[int] = []
        last = len(asked.prompt) - 1
        for start in range(0, len(asked.prompt), _BATCH_TOKENS):
            some = enumerate(asked.prompt[start : start + _BATCH_TOKENS], start)
            rows = self._decode([_Id(token, place, sequence, wanted=place == last) for place, token in some])
        return self._most_likely(rows[-1])

    def _most_likely(self, index: int) -> int:
        return int(np.ctypeslib.as_array(self._row(index), (self._vocabulary,)).argmax())

    @property
    def _vocabulary(self) -> int:
        return int(llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model)))

    def _rows(self, ids: Sequence[int], first: int, adapted: bool) -> Iterator[FloatArray]:
        """The logits (vocabulary,) at each position from `first` on, in llama.cpp's memory until the next batch."""
        if not 0 <= first < len(ids) <= self.context_tokens:
            raise InputError(f"{len(ids)} ids from {first} on do not fit a context of {self.context_tokens}")
        self._apply(adapted)
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        for start in range(0, len(ids), _BATCH_TOKENS):
            some = enumerate(ids[start : start + _BATCH_TOKENS], start)
            for index in self._decode([_Id(token, place, wanted=place >= first) for place, token in some]):
                yield np.ctypeslib.as_array(self._row(index), (self._vocabulary,))

    def _apply(self, adapted: bool) -> None:
        handles = [self._adapter] if adapted else []
        adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(*handles)
        scales = (ctypes.c_float * 1)(1.0)
        if llama_cpp.llama_set_adapters_lora(self._context, adapters, len(handles), scales):
            raise StageError(f"llama.cpp cannot apply the adapter to {self.path}")

    def _decode(self, ids: "Sequence[_Id]") -> list[int]:
        """Run one batch; returns the indices in it that have logits."""
        batch = llama_cpp.llama_batch_init(len(ids), 0, 1)
        try:
            batch.n_tokens = len(ids)
            for index, each in enumerate(ids):
                batch.token[index], batch.pos[index] = each.token, each.place
                batch.n_seq_id[index], batch.seq_id[index][0] = 1, each.sequence
                batch.logits[index] = each.wanted
            if llama_cpp.llama_decode(self._context, batch):
                raise StageError(f"llama.cpp failed on {self.path}: {llama_log.take_error()}")
        finally:
            llama_cpp.llama_batch_free(batch)
        return [index for index, each in enumerate(ids) if each.wanted]

    def _row(self, index: int) -> Any:
        return llama_cpp.llama_get_logits_ith(self._context, index)


@dataclass(frozen=True)
class _Id:
    """An id in a batch: where it stands in which sequence, and whether logits are wanted there."""

    token: int
    place: int
    sequence: int = 0
    wanted: bool = True


def _log_probability(logits: FloatArray, token: int) -> float:
    highest = logits.max()
    return float(logits[token] - highest) - math.log(np.exp(logits - highest).sum(dtype=np.float64))


def rounds_activations() -> bool:
    """Whether llama.cpp computes on a CPU here, where it rounds what quantised tensors are multiplied with."""
    return not llama_cpp.llama_supports_gpu_offload()


def _new_context(model: Any, tokens: int, embeds: bool, sequences: int) -> Any:
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx, parameters.n_seq_max = tokens * sequences, sequences
    parameters.n_batch = parameters.n_ubatch = tokens if embeds else min(tokens, _BATCH_TOKENS)
    if embeds:
        parameters.embeddings, parameters.pooling_type = True, llama_cpp.LLAMA_POOLING_TYPE_NONE
    parameters.n_threads = parameters.n_threads_batch = processors()
    context = llama_cpp.llama_init_from_model(model, parameters)
    if context is None:
        raise StageError(f"llama.cpp has no memory for a context of {tokens} tokens: {llama_log.take_error()}")
    return context


def _load_lora(model: Any, lora: Path) -> Any:
    adapter = llama_cpp.llama_adapter_lora_init(model, str(lora).encode())
    if not adapter:  # a null pointer
        raise InputError(f"{lora} cannot be applied by llama.cpp: {llama_log.take_error()}")
    return adapter  # freed with its model
