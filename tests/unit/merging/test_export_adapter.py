"""Adapters written in the formats of other programs: what is read back is what was written, and it is theirs."""

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import load_adapters

from adapterd.base.architectures import architecture_of
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
FAMILIES = [
    "llama", "qwen2", "qwen3", "gemma2", "gemma3", "gemma4", "phi3", "olmo2", "granite", "smollm3", "mistral3",
    "qwen35",
]  # fmt: skip
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


def exported(tmp_path: Path, form: AdapterFormat, architecture: str, context: int = 4096) -> tuple[GgufFile, Path]:
    metadata = {f"{architecture}.context_length": context}
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture=architecture, metadata=metadata)
    base = GgufFile.open(path)
    (folder := tmp_path / "there").mkdir()
    FORMS[form](read_adapter(write_adapter(tmp_path / "adapter", path, blocks=(0, 1)), base), base, folder)
    return base, folder


CLASSES = {
    "gemma3": ("gemma3", 131_072), "a small gemma3": ("gemma3", 32_768), "gemma4": ("gemma4", 131_072),
    "mistral3": ("mistral3", 4096), "qwen35": ("qwen35", 4096), "qwen3": ("qwen3", 131_072),
}  # fmt: skip
MLX_LM = {
    "gemma3": "gemma3", "a small gemma3": "gemma3_text", "gemma4": "gemma4", "mistral3": "mistral3",
    "qwen35": "qwen3_5", "qwen3": "qwen3",
}  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
def test_mlx_lm_loads_it_into_its_own_class(tmp_path: Path, name: str) -> None:
    """mlx-lm refuses an adapter in which one name is not of its class."""
    base, folder = exported(tmp_path, AdapterFormat.MLX_LM, *CLASSES[name])
    module: Any = import_module(f"mlx_lm.models.{MLX_LM[name]}")
    arguments = architecture_of(base).arguments(base)
    wrapped = {"model_type": MLX_LM[name], "text_config": arguments, "vocab_size": arguments["vocab_size"]}
    is_text = name in ("a small gemma3", "qwen3")
    model = module.Model(module.ModelArgs.from_dict(arguments if is_text else wrapped))
    stored: Any = mx.load(str(folder / "adapters.safetensors"))
    loaded = dict(tree_flatten(load_adapters(model, str(folder)).parameters()))
    assert len(stored) > 10
    assert all(np.array_equal(loaded[key], value) for key, value in stored.items())


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("gemma3", "model.language_model.layers.1."), ("a small gemma3", "model.layers.1."),
        ("gemma4", "model.language_model.layers.1."), ("mistral3", "model.language_model.layers.1."),
        ("qwen35", "model.layers.1."), ("qwen3", "model.layers.1."),
    ],
)  # fmt: skip
def test_peft_finds_its_modules_in_the_class_that_transformers_loads(tmp_path: Path, name: str, path: str) -> None:
    """By the classes of transformers 5.23 and its AutoModelForCausalLM; PEFT puts `base_model.model.` before them."""
    _, folder = exported(tmp_path, AdapterFormat.PEFT, *CLASSES[name])
    stored: Any = mx.load(str(folder / "adapter_model.safetensors"))
    of_block = [key.removeprefix("base_model.model.") for key in stored if ".layers.1." in key]
    assert of_block
    assert all(key.startswith(path) for key in of_block)
