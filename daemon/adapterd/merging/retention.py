"""Retention: the share of the adapter's effect on the predictions that is left in the merged file, by llama.cpp."""

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from adapterd.base.architectures import architecture_of, block_of_tensor
from adapterd.base.gguf.beside import has_more_than_language
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.language_part import is_served_otherwise
from adapterd.base.gguf.llama_model import LlamaModel, rounds_activations
from adapterd.base.gguf.lora_gguf import write_lora
from adapterd.base.gguf.served_metadata import served_metadata
from adapterd.base.hyperparameters import has_two_factors, is_long, original_context
from adapterd.base.mlx.dequantized import VALUE_BYTES, write_dequantized
from adapterd.formats.encoded import EncodedExample
from adapterd.merging.candidate_file import CandidateFile
from adapterd.merging.updates import Update
from adapterd.system.files import PRIVATE_FILE

ADAPTER_SUFFIX, SERVED_SUFFIX, MERGED_SUFFIX = ".lora", ".served", ".merged"
SUFFIXES = (ADAPTER_SUFFIX, SERVED_SUFFIX, MERGED_SUFFIX)
"""The suffixes of temporary files beside the candidate's file while its retention is measured."""
COMPARED_COPIES = 2
"""Of the base and of the candidate, where they are not compared as they are."""
MAX_DEQUANTIZED_BYTES = 4 << 30
SPARE_BYTES = 1 << 30
HEAD, EMBEDDING = "output.weight", "token_embd.weight"
NO_EFFECT = 1e-6
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Retention:
    """Means over the completion tokens of held-out examples.

    `kl_base` and `kl_candidate` are KL(base + adapter ‖ base) and KL(base + adapter ‖ candidate) in nats, `top1` the
    share of tokens where base + adapter and candidate have the same most likely token. `kept` is the retention,
    1 - kl_candidate / kl_base: 1 if nothing of the adapter is lost, 0 if all is, None if it had no effect. `by_type` is
    the retention by output type, where there are several.

    `expanded`: both sides were read with their tensors dequantized to fp32. Without, on a CPU, a KL divergence of 0.004
    to 0.007 is llama.cpp's rounding of activations and not a loss.
    """

    examples: int
    tokens: int
    kl_base: float
    kl_candidate: float
    kept: float | None
    top1: float
    expanded: bool = False
    by_type: dict[str, float] = field(default_factory=dict)


def measure_retention(
    candidate: CandidateFile,
    updates: Sequence[Update],
    examples: Sequence[EncodedExample],
    report: Callable[[float], object] = lambda _: None,
) -> Retention:
    """Compare the predictions of base + adapter, base and candidate at the completion positions of the examples.

    llama.cpp applies the adapter to the base at run time, so MLX has no part in the measure. `report` gets the share
    done, 0…1. Raises InputError if llama.cpp cannot read a file.
    """
    context = _context_for(candidate.base, max(len(example.ids) for example in examples))
    to_base, to_candidate, agree = [], [], []
    with ExitStack() as stack:
        metadata = served_metadata(candidate.base)
        if not needs_copies(candidate.base):
            with LlamaModel.open(candidate.path, context_tokens=context, metadata=metadata):
                pass  # the file itself has to load as well, not only its dequantized copy
        lora = stack.enter_context(lora_file(candidate, updates))
        dequantized = tensors_to_dequantize(candidate, updates)
        base_path, candidate_path = stack.enter_context(comparable_files(candidate, dequantized))
        served = stack.enter_context(LlamaModel.open(base_path, context_tokens=context, lora=lora, metadata=metadata))
        merged = stack.enter_context(LlamaModel.open(candidate_path, context_tokens=context, metadata=metadata))
        for number, example in enumerate(examples, start=1):
            ids, first = example.ids[:-1], example.completion.start
            wanted = log_probabilities(served.logits(ids, first, adapted=True))
            to_base.append(kl_divergence(wanted, log_probabilities(served.logits(ids, first))))
            found = log_probabilities(merged.logits(ids, first))
            to_candidate.append(kl_divergence(wanted, found))
            agree.append(wanted.argmax(-1) == found.argmax(-1))
            report(number / len(examples))
    kl_base, kl_candidate = (float(np.concatenate(each).mean()) for each in (to_base, to_candidate))
    types = [example.output_type or "" for example in examples]
    return Retention(
        examples=len(examples),
        tokens=sum(map(len, agree)),
        kl_base=kl_base,
        kl_candidate=kl_candidate,
        kept=_retention(to_base, to_candidate),
        top1=float(np.concatenate(agree).mean()),
        expanded=bool(dequantized),
        by_type=_retention_by_type(types, to_base, to_candidate) if len(set(types)) > 1 else {},
    )


def needs_copies(base: GgufFile) -> bool:
    """Whether llama.cpp by itself cannot load the base and the candidate, but only copies of their language models."""
    return has_more_than_language(base) or is_served_otherwise(base)


def fits_context(base: GgufFile, example: EncodedExample) -> bool:
    """Whether an example can be measured with the same rotary factors that are used in the served context."""
    return not has_two_factors(base) or is_long(base) or not is_long(base, len(example.ids))


def _context_for(base: GgufFile, tokens: int) -> int:
    """A context for so many tokens in which llama.cpp uses the same rotary factors as in the served one."""
    return max(tokens, original_context(base) + 1) if is_long(base) else tokens


def _retention(to_base: Sequence[Array], to_candidate: Sequence[Array]) -> float | None:
    kl_base, kl_candidate = (float(np.concatenate(each).mean()) for each in (to_base, to_candidate))
    return 1 - kl_candidate / kl_base if kl_base > NO_EFFECT else None


def _retention_by_type(
    types: Sequence[str], to_base: Sequence[Array], to_candidate: Sequence[Array]
) -> dict[str, float]:
    retention = {}
    for name in sorted(set(types)):
        mine = [index for index, each in enumerate(types) if each == name]
        share = _retention([to_base[index] for index in mine], [to_candidate[index] for index in mine])
        if share is not None:
            retention[name or "other"] = share
    return retention


def _from_first_touched(base: GgufFile, updates: Sequence[Update]) -> list[str]:
    """The matrices of all blocks from the lowest touched one up that compute the next token, and the output matrix."""
    architecture = architecture_of(base)
    first = min(block for update in updates if (block := block_of_tensor(update.tensor)) is not None)
    heads = {HEAD} if HEAD in base.tensors else {EMBEDDING}
    return [
        name
        for name, info in base.tensors.items()
        if len(info.shape) > 1
        and not architecture.only_carries(base, name)
        and (name in heads or ((block := block_of_tensor(name)) is not None and block >= first))
    ]


def tensors_to_dequantize(candidate: CandidateFile, updates: Sequence[Update]) -> list[str]:
    """All matrices from the lowest touched block up, where llama.cpp rounds activations and there is disk space."""
    tensors = _from_first_touched(candidate.base, updates)
    size_bytes = VALUE_BYTES * sum(math.prod(candidate.base.tensors[name].shape) for name in tensors)
    free_bytes = shutil.disk_usage(candidate.path.parent).free
    needed_bytes = 2 * (candidate.path.stat().st_size + size_bytes) + SPARE_BYTES
    fits = size_bytes <= MAX_DEQUANTIZED_BYTES and needed_bytes <= free_bytes
    return tensors if rounds_activations() and fits else []


@contextmanager
def comparable_files(candidate: CandidateFile, dequantized: Sequence[str]) -> Iterator[tuple[Path, Path]]:
    """Files of the base and the candidate whose predictions differ only because their weights differ.

    With tensors to be dequantized to fp32, these are copies; the tensors below are the same in both. So they are of
    files that read images, of which llama.cpp needs the language model alone. Else they are the files themselves.
    """
    if not dequantized and not needs_copies(candidate.base):
        yield candidate.base.path, candidate.path
        return
    served, merged = candidate.path.with_suffix(SERVED_SUFFIX), candidate.path.with_suffix(MERGED_SUFFIX)
    try:
        for path, source in ((served, candidate.base), (merged, GgufFile.open(candidate.path))):
            path.touch(PRIVATE_FILE)
            write_dequantized(path, source, {name: partial(source.values, name) for name in dequantized})
        yield served, merged
    finally:
        served.unlink(missing_ok=True)
        merged.unlink(missing_ok=True)


@contextmanager
def lora_file(candidate: CandidateFile, updates: Sequence[Update]) -> Iterator[Path]:
    """A temporary file of the adapter in llama.cpp's format."""
    path = candidate.path.with_suffix(ADAPTER_SUFFIX)
    try:
        path.touch(PRIVATE_FILE)
        write_lora(path, candidate.base.architecture, (each.in_llama_cpp() for each in updates))
        yield path
    finally:
        path.unlink(missing_ok=True)


def log_probabilities(logits: Array) -> Array:
    """The log-softmax of logits (positions, vocabulary), in their own type."""
    shifted: Array = logits - logits.max(-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(-1, keepdims=True, dtype=np.float64)).astype(np.float32)
    return shifted


def kl_divergence(of: Array, to: Array) -> Array:
    """KL(of ‖ to) of log-probabilities (positions, vocabulary) at each position, in nats: (positions,) float64."""
    divergence: Array = (np.exp(of) * (of - to)).sum(-1, dtype=np.float64)
    return divergence
