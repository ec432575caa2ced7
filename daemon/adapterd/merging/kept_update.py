"""How much of the adapter is left in the merged file, as llama.cpp computes it: what a merge is judged by."""

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.llama_model import LlamaModel, rounds_activations
from adapterd.base.gguf.lora_gguf import write_lora
from adapterd.base.hyperparameters import has_two_factors, is_long, original_context
from adapterd.base.mlx.dequantized import VALUE_BYTES, write_dequantized
from adapterd.merging.draft import Draft
from adapterd.merging.examples import Example
from adapterd.merging.updates import Update
from adapterd.system.files import PRIVATE_FILE

ADAPTER_SUFFIX, SERVED_SUFFIX, MERGED_SUFFIX = ".lora", ".served", ".merged"
SUFFIXES = (ADAPTER_SUFFIX, SERVED_SUFFIX, MERGED_SUFFIX)
"""Of files that lie beside the draft while it is measured."""
EXPANDED_BYTES = 4 << 30
SPARE_BYTES = 1 << 30
HEAD, EMBEDDING = "output.weight", "token_embd.weight"
NO_EFFECT = 1e-6
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Retention:
    """Means over the completion tokens of held-out examples.

    `kl_base` and `kl_candidate` are KL(base + adapter ‖ base) and KL(base + adapter ‖ candidate) in nats, `top1` the
    share of tokens where base + adapter and candidate have the same first choice. `kept` is 1 - kl_candidate / kl_base:
    1 if nothing of the adapter is lost, 0 if all is, None if there was nothing to lose. `by_type` has what is kept by
    output type, where there are several.

    `expanded`: both sides were read with their tensors as fp32, values unchanged. Without, on a CPU, a kl of
    0.004 to 0.007 is llama.cpp's rounding of activations and no loss.
    """

    examples: int
    tokens: int
    kl_base: float
    kl_candidate: float
    kept: float | None
    top1: float
    expanded: bool = False
    by_type: dict[str, float] = field(default_factory=dict)


def measure(
    draft: Draft,
    updates: Sequence[Update],
    examples: Sequence[Example],
    report: Callable[[float], object] = lambda _: None,
) -> Retention:
    """Ask base + adapter, base and draft for the same completions; `report` gets the share done, 0…1.

    The adapter is applied to the base by llama.cpp itself, as it stands; so nothing of MLX is part of the measure.
    Raises InputError if llama.cpp cannot read a file.
    """
    context = _context_for(draft.base, max(len(example.ids) for example in examples))
    to_base, to_candidate, agree = [], [], []
    with ExitStack() as stack:
        with LlamaModel.open(draft.path, context_tokens=context):
            pass  # the draft is read as it is, too: what cannot be loaded must not be measured by its values
        lora = stack.enter_context(adapter_file(draft, updates))
        base, candidate = stack.enter_context(comparable(draft, updates))
        served = stack.enter_context(LlamaModel.open(base, context_tokens=context, lora=lora))
        merged = stack.enter_context(LlamaModel.open(candidate, context_tokens=context))
        for number, example in enumerate(examples, start=1):
            ids, first = example.ids[:-1], example.completion.start
            wanted = log_probabilities(served.logits(ids, first, adapted=True))
            to_base.append(divergence(wanted, log_probabilities(served.logits(ids, first))))
            found = log_probabilities(merged.logits(ids, first))
            to_candidate.append(divergence(wanted, found))
            agree.append(wanted.argmax(-1) == found.argmax(-1))
            report(number / len(examples))
    kl_base, kl_candidate = (float(np.concatenate(each).mean()) for each in (to_base, to_candidate))
    types = [example.output_type or "" for example in examples]
    return Retention(
        examples=len(examples),
        tokens=sum(map(len, agree)),
        kl_base=kl_base,
        kl_candidate=kl_candidate,
        kept=_kept(to_base, to_candidate),
        top1=float(np.concatenate(agree).mean()),
        expanded=base != draft.base.path,
        by_type=_kept_by_type(types, to_base, to_candidate) if len(set(types)) > 1 else {},
    )


def fits(base: GgufFile, example: Example) -> bool:
    """Whether llama.cpp has room for an example where it computes as it does in the context that is served."""
    return not has_two_factors(base) or is_long(base) or not is_long(base, len(example.ids))


def _context_for(base: GgufFile, tokens: int) -> int:
    """A context for texts of so many tokens in which llama.cpp takes the same rotary factors as in the one served."""
    return max(tokens, original_context(base) + 1) if is_long(base) else tokens


def _kept(to_base: Sequence[Array], to_candidate: Sequence[Array]) -> float | None:
    kl_base, kl_candidate = (float(np.concatenate(each).mean()) for each in (to_base, to_candidate))
    return 1 - kl_candidate / kl_base if kl_base > NO_EFFECT else None


def _kept_by_type(types: Sequence[str], to_base: Sequence[Array], to_candidate: Sequence[Array]) -> dict[str, float]:
    kept = {}
    for name in sorted(set(types)):
        mine = [index for index, each in enumerate(types) if each == name]
        share = _kept([to_base[index] for index in mine], [to_candidate[index] for index in mine])
        if share is not None:
            kept[name or "other"] = share
    return kept


def _from_first_touched(base: GgufFile, updates: Sequence[Update]) -> list[str]:
    """The matrices that the states of the lowest touched block meet on their way up, the head included."""
    first = min(block for update in updates if (block := _block(update.tensor)) is not None)
    heads = {HEAD} if HEAD in base.tensors else {EMBEDDING}
    return [
        name
        for name, info in base.tensors.items()
        if len(info.shape) > 1 and (name in heads or ((block := _block(name)) is not None and block >= first))
    ]


def _block(tensor: str) -> int | None:
    """The number in `blk.22.attn_q.weight`, None for a tensor of no block."""
    prefix, _, rest = tensor.partition(".")
    return int(rest.partition(".")[0]) if prefix == "blk" else None


@contextmanager
def comparable(draft: Draft, updates: Sequence[Update]) -> Iterator[tuple[Path, Path]]:
    """The base and the draft as files whose answers differ by nothing but their values.

    Where llama.cpp rounds activations and there is room, these are copies in which all matrices from the lowest touched
    block up are fp32: what is below computes the same in both. Else they are the files themselves.
    """
    tensors = _from_first_touched(draft.base, updates)
    size_bytes = VALUE_BYTES * sum(math.prod(draft.base.tensors[name].shape) for name in tensors)
    free_bytes = shutil.disk_usage(draft.path.parent).free
    needed_bytes = 2 * (draft.path.stat().st_size + size_bytes) + SPARE_BYTES
    if not rounds_activations() or size_bytes > EXPANDED_BYTES or needed_bytes > free_bytes:
        yield draft.base.path, draft.path
        return
    served, merged = draft.path.with_suffix(SERVED_SUFFIX), draft.path.with_suffix(MERGED_SUFFIX)
    try:
        for path, values in ((served, draft.base.values), (merged, draft.values)):
            path.touch(PRIVATE_FILE)
            write_dequantized(path, draft.base, {name: partial(values, name) for name in tensors})
        yield served, merged
    finally:
        served.unlink(missing_ok=True)
        merged.unlink(missing_ok=True)


@contextmanager
def adapter_file(draft: Draft, updates: Sequence[Update]) -> Iterator[Path]:
    """The adapter as llama.cpp reads it, while that is needed."""
    path = draft.path.with_suffix(ADAPTER_SUFFIX)
    try:
        path.touch(PRIVATE_FILE)
        write_lora(path, draft.base.architecture, map(_factors, updates))
        yield path
    finally:
        path.unlink(missing_ok=True)


def _factors(update: Update) -> tuple[str, Array, Array]:
    """As llama.cpp wants them: a (rank, in), and b (out, rank) with the scale in it."""
    return update.tensor, np.ascontiguousarray(update.a.T), np.ascontiguousarray(update.scale * update.b.T)


def log_probabilities(logits: Array) -> Array:
    """Of logits (positions, vocabulary), in their own type."""
    shifted: Array = logits - logits.max(-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(-1, keepdims=True, dtype=np.float64)).astype(np.float32)
    return shifted


def divergence(of: Array, to: Array) -> Array:
    """Kullback-Leibler divergence at each position, (positions,)."""
    distances: Array = (np.exp(of) * (of - to)).sum(-1, dtype=np.float64)
    return distances
