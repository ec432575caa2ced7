"""How much of an adapter is left after merging: `python -m bench.retention [KIND …] [--scales 1 0.25]`.

For every quantisation an adapter is trained on that base by the product, then weakened to imitate gentler training, and
merged. Everything is read from the written files by llama.cpp. A cell that results.json has is not measured again.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapterd.base.architectures import architecture_of
from adapterd.base.gguf.ggml import FloatArray, quantize
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.llama_model import LlamaModel
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.config import TrainingSettings
from adapterd.demo.environment import small_model
from adapterd.demo.newsroom import NewsItem, items
from adapterd.formats.adapter_files import CONFIG
from adapterd.formats.encoded import EncodedExample, read_examples
from adapterd.merging.blockwise_merge import gptq_all_blocks
from adapterd.merging.candidate_file import CandidateFile
from adapterd.merging.distil import distil
from adapterd.merging.examples import sample_evenly
from adapterd.merging.merge import CALIBRATION_TOKENS, MIN_CALIBRATION_EXAMPLES, STEPS, merge
from adapterd.merging.retention import kl_divergence, log_probabilities, lora_file, measure_retention
from adapterd.merging.updates import Update, read_adapter
from adapterd.system.files import clone_atomic, write_atomic
from adapterd.training.train import train
from bench import results
from bench.models import (
    QUANTIZE,
    Kind,
    cache_folder,
    importance_matrix,
    narrow_f16,
    quantised,
    run_tool,
    tools,
    wide_f16,
)

KINDS: tuple[Kind, ...] = ("Q4_1", "Q4_0", "Q4_K_M", "Q5_K_M", "Q8_0")
SCALES = (1.0, 0.5, 0.25, 0.125)
TRAIN, VALIDATION, HELD_OUT = 240, 24, 24
SETTINGS = TrainingSettings(layers=8, epochs=1, batch_size=4, learning_rate=1e-3, patience=1000)
PROMPT = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
Cell = dict[str, float]


@dataclass(frozen=True)
class Subject:
    """A base, its 16-bit counterpart, and the adapter that was trained on it; `training_seconds` without loading."""

    kind: Kind
    base: Path
    f16: Path
    adapter: Path
    training_seconds: float


def retention(
    kinds: Sequence[Kind] = KINDS,
    scales: Sequence[float] = SCALES,
    *,
    known: dict[str, dict[str, Cell]] | None = None,
    listen: Callable[[dict[str, dict[str, Cell]], Kind, float], object] = lambda *_: None,
) -> dict[str, dict[str, Cell]]:
    """The tables by kind and scale; `listen` gets them after every new cell, and `known` cells are kept."""
    tables: dict[str, dict[str, Cell]] = {kind: dict((known or {}).get(kind, {})) for kind in kinds}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in kinds:
            missing = [scale for scale in scales if f"{scale:g}" not in tables[kind]]
            subject = _subject(kind) if missing else None
            for scale in missing:
                assert subject is not None
                tables[kind][f"{scale:g}"] = _cell(subject, scale, folder)
                listen(tables, kind, scale)
    return tables


def _subject(kind: Kind) -> Subject:
    """The base and its adapter, which is trained once and kept."""
    wide = kind != "Q4_1"
    base = quantised(kind, wide=wide)
    kept = cache_folder() / "adapters" / kind
    if not (kept / "seconds").exists():
        kept.mkdir(parents=True, exist_ok=True)
        _write_data(kept)
        result = train(GgufFile.open(base), kept, SETTINGS, kept, lambda _: None)
        write_atomic(kept / "seconds", f"{result.seconds:.1f}")
    return Subject(kind, base, wide_f16() if wide else narrow_f16(), kept, float((kept / "seconds").read_text()))


def _cell(subject: Subject, scale: float, folder: Path) -> Cell:
    """One row of the table: the retention of naive rounding, of GPTQ alone, and of GPTQ and distillation, as in
    `merge`; `seconds` are what a merge takes, with its measuring.

    `final_as_served` is measured on the files as they are: there llama.cpp's rounding of activations counts as a loss.
    """
    adapter = _scaled(subject.adapter, scale, folder / "adapter")
    train, held_out = (list(read_examples(subject.adapter / f"{name}.jsonl")) for name in ("train", "held_out"))
    naive = _kept(_naive(subject.base, adapter, folder), adapter, held_out)
    started = time.perf_counter()
    candidate, updates = _draft(subject.base, adapter, folder / "ours.gguf")
    calibration, validation_batches = gptq_all_blocks(
        candidate, updates, sample_evenly(train, tokens=CALIBRATION_TOKENS, at_least=MIN_CALIBRATION_EXAMPLES)
    )
    rounded_s = time.perf_counter() - started
    error_feedback = _kept(candidate, adapter, held_out)
    started = time.perf_counter()
    distil(candidate, architecture_of(candidate.base), calibration, validation_batches, steps=STEPS)
    final = measure_retention(candidate, updates, held_out)
    seconds = rounded_s + time.perf_counter() - started
    return {
        "kl_base": round(final.kl_base, 5),
        "naive": naive,
        "error_feedback": error_feedback,
        "final": round(final.kept or 0.0, 4),
        "top1": round(final.top1, 4),
        "seconds": round(seconds, 1),
        "training_seconds": subject.training_seconds,
        **_as_served(subject, adapter, candidate.path, held_out, folder),
    }


def _kept(candidate: CandidateFile, adapter: Path, held_out: Sequence[EncodedExample]) -> float:
    return round(measure_retention(candidate, read_adapter(adapter, candidate.base), held_out).kept or 0.0, 4)


def _draft(base: Path, adapter: Path, path: Path) -> tuple[CandidateFile, list[Update]]:
    candidate = CandidateFile(GgufFile.open(base), path)
    clone_atomic(base, path)
    return candidate, read_adapter(adapter, candidate.base)


def _naive(base: Path, adapter: Path, folder: Path) -> CandidateFile:
    """What others do with a quantised base: add the update to its values, and quantise them anew by ggml."""
    candidate, updates = _draft(base, adapter, folder / "naive.gguf")
    for update in updates:
        values = candidate.base.values(update.tensor) + update.delta()
        candidate.write(update.tensor, quantize(values, candidate.type_of(update.tensor)).tobytes())
    return candidate


def _as_served(subject: Subject, adapter: Path, ours: Path, held_out: Sequence[EncodedExample], folder: Path) -> Cell:
    """KL to 16-bit + adapter of our file, and of what those get who merge at 16 bits and quantise that, plainly and
    weighed by an importance matrix of the training prompts and answers; all by the files as they are.

    `aim_kl16` is that of the base with the adapter applied at run time: what ours is made after, for it saw the
    quantised base only. It can come nearer by chance alone.
    """
    with _adapter_file(subject.base, adapter, folder) as lora:
        served = list(_answers(subject.base, held_out, lora))
    tuned = merge(subject.f16, adapter, folder / "tuned-F16.gguf").candidate
    matrix = importance_matrix(subject.f16, [PROMPT.format(item.prompt) + item.answer for item in _items()[:TRAIN]])
    wanted, final = (list(_answers(path, held_out)) for path in (tuned, ours))
    to_base, to_final = (_distance(served, found) for found in (_answers(subject.base, held_out), final))
    found = {
        "final_as_served": round(1 - to_final / to_base, 4),
        "final_kl16": _distance(wanted, final),
        "aim_kl16": _distance(wanted, served),
    }
    for name, weighed in (("peers16_kl", []), ("peers16_imatrix_kl", ["--imatrix", matrix])):
        theirs = folder / "peers.gguf"
        run_tool(tools(QUANTIZE) / QUANTIZE, *weighed, tuned, theirs, subject.kind)
        found[name] = _distance(wanted, _answers(theirs, held_out))
    return found


def _answers(model: Path, examples: Sequence[EncodedExample], lora: Path | None = None) -> Iterator[FloatArray]:
    """Log-probabilities at the completion positions of each example, with an adapter applied if one is given."""
    context = max(len(example.ids) for example in examples)
    with LlamaModel.open(model, context_tokens=context, lora=lora) as loaded:
        for example in examples:
            logits = loaded.logits(example.ids[:-1], example.completion.start, adapted=lora is not None)
            yield log_probabilities(logits)


@contextmanager
def _adapter_file(base: Path, adapter: Path, folder: Path) -> Iterator[Path]:
    candidate = CandidateFile(GgufFile.open(base), folder / "served.gguf")
    with lora_file(candidate, read_adapter(adapter, candidate.base)) as lora:
        yield lora


def _distance(wanted: Iterable[FloatArray], found: Iterable[FloatArray]) -> float:
    """Mean KL(wanted ‖ found) over the completion positions of all examples."""
    distances = [kl_divergence(*pair) for pair in zip(wanted, found, strict=True)]
    return round(float(np.concatenate(distances).mean()), 5)


def _scaled(adapter: Path, scale: float, folder: Path) -> Path:
    """The adapter, weaker."""
    shutil.copytree(adapter, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.jsonl"))
    config = json.loads((folder / CONFIG).read_text())
    config["lora_parameters"]["scale"] *= scale
    (folder / CONFIG).write_text(json.dumps(config))
    return folder


def _items() -> list[NewsItem]:
    return items(TRAIN + VALIDATION + HELD_OUT, seed=1)


def _write_data(folder: Path) -> None:
    """Training, validation and held-out examples, as the dataset stage encodes them."""
    tokenizer = Tokenizer.open(small_model())
    lines = []
    for number, item in enumerate(_items()):
        prompt = tokenizer.encode_prompt(PROMPT.format(item.prompt))
        ids = prompt + tokenizer.encode_continuation(item.answer) + [tokenizer.end_of_turn_id]
        lines.append(json.dumps({"ids": ids, "prompt_tokens": len(prompt), "record": str(number)}) + "\n")
    bounds = {"train": (0, TRAIN), "validation": (TRAIN, TRAIN + VALIDATION), "held_out": (TRAIN + VALIDATION, None)}
    for name, (start, end) in bounds.items():
        (folder / f"{name}.jsonl").write_text("".join(lines[start:end]))


def main() -> None:
    """Measure and print; the cells of results.json stay, new ones are added to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", default=KINDS, help=", ".join(KINDS))
    parser.add_argument("--scales", nargs="+", type=float, default=SCALES)
    chosen = parser.parse_args()
    measured = results.read().get("retention", {})

    def keep(tables: dict[str, dict[str, Cell]], kind: Kind, scale: float) -> None:
        results.write({"retention": {**measured, **{name: cells for name, cells in tables.items() if cells}}})
        print(kind, scale, tables[kind][f"{scale:g}"], flush=True)

    retention(chosen.kinds, chosen.scales, known=measured, listen=keep)


if __name__ == "__main__":
    main()
