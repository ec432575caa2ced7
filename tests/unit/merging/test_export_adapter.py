"""Adapters written in the formats of other programs: what is read back is what was written, and it is theirs."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.formats.adapter_files import AdapterFormat, find_adapter
from adapterd.merging.exchange.export_adapter import write_gguf_lora, write_mlx_lm, write_peft
from adapterd.merging.exchange.import_adapter import import_adapter
from adapterd.merging.updates import Update, read_adapter
from tests.support.tiny_adapter import write_adapter
from tests.support.tiny_gguf import write_tiny_gguf

Write = Callable[[Sequence[Update], GgufFile, Path], list[Path]]
FORMS: dict[AdapterFormat, Write] = {
    AdapterFormat.MLX_LM: write_mlx_lm, AdapterFormat.PEFT: write_peft, AdapterFormat.GGUF: write_gguf_lora,
}  # fmt: skip
FAMILIES = ["llama", "qwen2", "qwen3", "gemma2", "gemma3", "gemma4", "phi3", "olmo2", "granite", "smollm3", "mistral3"]
HEADS = {"q_proj": 4, "k_proj": 2}
"""Of the tiny llama."""


def made(tmp_path: Path, architecture: str) -> tuple[GgufFile, list[Update]]:
    base = GgufFile.open(write_tiny_gguf(tmp_path / f"{architecture}.gguf", architecture=architecture))
    return base, read_adapter(write_adapter(tmp_path / "adapter", base.path, blocks=(0, 1)), base)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("architecture", FAMILIES)
def test_an_adapter_comes_back_as_it_was(tmp_path: Path, architecture: str, form: AdapterFormat) -> None:
    base, updates = made(tmp_path, architecture)
    (folder := tmp_path / "there").mkdir()
    (back := tmp_path / "back").mkdir()
    files = FORMS[form](updates, base, folder)
    assert sorted(files) == sorted(folder.iterdir())
    assert find_adapter(folder).format is form
    imported = import_adapter(folder, base, back)
    assert (imported.modules, imported.unused) == (len(updates), 0)
    for before, after in zip(updates, read_adapter(back, base), strict=True):
        assert before.tensor == after.tensor
        np.testing.assert_allclose(before.delta(), after.delta(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("form", [AdapterFormat.MLX_LM, AdapterFormat.PEFT])
def test_rows_of_queries_and_keys_have_the_order_of_hugging_face(tmp_path: Path, form: AdapterFormat) -> None:
    """In llama: value `i` of the GGUF's head is value `i // 2` of its first half, or of the second if `i` is odd."""
    base, updates = made(tmp_path, "llama")
    (folder := tmp_path / "there").mkdir()
    weights: Any = mx.load(str(FORMS[form](updates, base, folder)[0]))
    rows = {name: np.array(value if "lora_B" in name else value.T) for name, value in weights.items()}
    for update in updates:
        stem = {"attn_q": "q_proj", "attn_k": "k_proj"}.get(update.tensor.split(".")[2])
        if stem is None:
            continue
        number = update.tensor.split(".")[1]
        found = next(
            value for name, value in rows.items()
            if f"layers.{number}.self_attn.{stem}.lora_" in name and name.lower().rstrip(".weight").endswith("b")
        )  # fmt: skip
        size = len(found) // HEADS[stem]
        for row in range(len(found)):
            head, place = divmod(row, size)
            there = head * size + (place % 2) * size // 2 + place // 2
            np.testing.assert_array_equal(update.b.T[row], found[there])


def test_peft_is_told_all_that_it_asks_for(tmp_path: Path) -> None:
    base, updates = made(tmp_path, "qwen3")
    (folder := tmp_path / "there").mkdir()
    write_peft(updates, base, folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (4, 8.0), "a scale of 2 at rank 4"
    stored: Any = mx.load(str(folder / "adapter_model.safetensors"))
    modules = {name.removeprefix("base_model.model.").partition(".lora_")[0] for name in stored}
    assert set(config["target_modules"]) == modules, "by whole names, so that no other module gets one"
