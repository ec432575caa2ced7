"""Files by Ollama's own converter: its keys, and what reads images or sound or guesses ahead in the same file, which
stays as it is.

The llama.cpp here lacks what Ollama's completes in memory. So it gets the same weights with the keys written out, as
llama/compat in Ollama's sources does it.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten

from adapterd.base.architectures import ARCHITECTURES, check_supported
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.language_part import language_tensors, served_name
from adapterd.base.gguf.served_metadata import served_metadata
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.mlx.dequantized import write_dequantized
from adapterd.base.mlx.model import load_mlx_model
from adapterd.config import TrainingSettings
from adapterd.errors import NoSpaceError, UnsupportedModelError
from adapterd.formats.encoded import EncodedExample
from adapterd.merging.examples import MergeExamples
from adapterd.merging.exchange.import_adapter import import_adapter
from adapterd.merging.merge import SPARE_BYTES, merge
from adapterd.training.adapter_layers import attach_adapter, save_adapter
from tests.support.tiny_adapter import save_factors
from tests.support.tiny_gguf import llama_cpp_logits, mlx_logits, write_tiny_gguf

BOUND = 1e-3
"""Root mean square of the difference of logits in standard deviations; most is the table of ggml's GELU."""
IDS = np.random.default_rng(1).integers(20, 500, size=40).tolist()
IMAGES = {
    "v.patch_embd.weight": np.linspace(-1, 1, 8 * 3 * 2 * 2).reshape(8, 3, 2, 2),
    "v.blk.0.attn_q.weight": np.linspace(-2, 2, 64).reshape(8, 8),
    "v.blk.0.attn_q.bias": np.linspace(0, 1, 8),
    "mm.mm_input_projection.weight": np.linspace(-3, 3, 8 * 96).reshape(8, 96),
}
AHEAD = {
    "v.merger.linear_fc1.weight": np.linspace(-3, 3, 8 * 96).reshape(96, 8),
    "v.pos_embed.weight": np.linspace(-1, 1, 64).reshape(8, 8),
    "mtp.fc.weight": np.linspace(-2, 2, 2 * 96 * 96).reshape(96, 192),
    "mtp.layers.0.attn_q.weight": np.linspace(-2, 2, 96 * 96).reshape(96, 96),
    "mtp.norm.weight": np.linspace(0, 1, 96),
}
SOUND = {
    "a.conv1d.0.weight": np.linspace(-1, 1, 8 * 9).reshape(8, 1, 3, 3),
    "a.blk.0.per_dim_scale.weight": np.linspace(0, 1, 8),
    "mm.a.fc.weight": np.linspace(-3, 3, 8 * 96).reshape(96, 8),
    "v.clamp_data": np.linspace(-1, 1, 32),
    "model.vision_tower.timm_model.blocks.0.norm.weight": np.linspace(0, 1, 8),
}


@dataclass(frozen=True)
class Form:
    """A file as Ollama's converter leaves it, and what llama.cpp is to read in place of its keys.

    `beside` are tensors beside the language model; `renamed` have another name in files of llama.cpp's converter.
    """

    architecture: str
    keys: Mapping[str, Any]
    read_as: Mapping[str, Any]
    more_tokens: int = 0
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path, **options: Any) -> Path:
        return write_tiny_gguf(
            path,
            architecture=self.architecture,
            metadata=self.keys,
            tensors={**self._renamed(path), **self.beside},
            more_tokens=self.more_tokens,
            hidden=96,
            **options,
        )

    def _renamed(self, path: Path) -> dict[str, np.ndarray | None]:
        if not self.renamed:
            return {}
        plain = GgufFile.open(self.write_plain(path.with_suffix(".plain")))
        again = {own: plain.values(name) for own, name in self.renamed.items()}
        return {**again, **dict.fromkeys(self.renamed.values())}

    def write_plain(self, path: Path) -> Path:
        return write_tiny_gguf(path, architecture=self.architecture, metadata=self.read_as, hidden=96)


EPSILON = "gemma3.attention.layer_norm_rms_epsilon"
YARN = {
    f"mistral3.rope.scaling.{name}": None for name in ("yarn_beta_fast", "yarn_beta_slow", "yarn_log_multiplier")
} | {"mistral3.attention.temperature_scale": None}
FORMS = {
    "gemma3:1b": Form(
        "gemma3",
        {
            EPSILON: None,
            "gemma3.rope.freq_base": None,
            "gemma3.rope.global.freq_base": 5e5,
            "gemma3.rope.local.freq_base": 500.0,
        },
        {EPSILON: 1e-6, "gemma3.rope.freq_base": 5e5, "gemma3.rope.freq_base_swa": 500.0},
    ),
    "gemma3:4b": Form(
        "gemma3",
        {
            EPSILON: None,
            "gemma3.rope.freq_base": None,
            "gemma3.context_length": 131_072,
            "gemma3.mm.tokens_per_image": 256,
            "gemma3.vision.block_count": 1,
        },
        {
            EPSILON: 1e-6,
            "gemma3.rope.freq_base": 1e6,
            "gemma3.rope.freq_base_swa": 1e4,
            "gemma3.rope.scaling.type": "linear",
            "gemma3.rope.scaling.factor": 8.0,
        },
        more_tokens=1,
        beside=IMAGES,
    ),
    "ministral-3": Form(
        "mistral3",
        YARN
        | {
            "mistral3.rope.scaling.beta_fast": 8.0,
            "mistral3.rope.scaling.beta_slow": 0.5,
            "mistral3.rope.scaling.mscale_all_dim": 1.0,
            "mistral3.rope.scaling_beta": 0.5,
            "mistral3.vision.block_count": 1,
        },
        {
            "mistral3.rope.scaling.yarn_beta_fast": 8.0,
            "mistral3.rope.scaling.yarn_beta_slow": 0.5,
            "mistral3.rope.scaling.yarn_log_multiplier": 1.0,
            "mistral3.attention.temperature_scale": 0.5,
        },
        beside=IMAGES,
    ),
    "qwen3.5:4b": Form(
        "qwen35",
        {
            "qwen35.attention.head_count_kv": [0, 2],
            "qwen35.rope.dimension_sections": [2, 1, 1],
            "qwen35.mrope_sections": [2, 1, 1],
            "qwen35.rope.mrope_section": [2, 1, 1],
            "qwen35.rope.mrope_interleaved": True,
            "qwen35.ssm.v_head_reordered": True,
            "qwen35.image_token_id": 3,
            "qwen35.vision.block_count": 1,
        },
        {},
        beside=AHEAD,
        renamed={"blk.0.ssm_dt": "blk.0.ssm_dt.bias"},
    ),
    "gemma4:e4b": Form(
        "gemma4",
        {"gemma4.vision.block_count": 1, "gemma4.audio.block_count": 1, "gemma4.audio.conv_kernel_size": 5},
        {},
        beside=IMAGES | SOUND,
    ),
}


@pytest.fixture(params=sorted(FORMS))
def form(request: pytest.FixtureRequest) -> Form:
    return FORMS[request.param]


def assert_near(logits: np.ndarray, expected: np.ndarray) -> None:
    assert float(np.sqrt(np.mean((logits - expected) ** 2)) / expected.std()) < BOUND
    np.testing.assert_array_equal(logits.argmax(-1), expected.argmax(-1))


def test_mlx_computes_what_llama_cpp_computes_with_the_keys_written_out(tmp_path: Path, form: Form) -> None:
    ours = mlx_logits(form.write(tmp_path / "ollama.gguf"), IDS)
    assert_near(ours, llama_cpp_logits(form.write_plain(tmp_path / "plain.gguf"), IDS))


@pytest.mark.parametrize("name", [name for name, each in sorted(FORMS.items()) if each.read_as])
def test_the_keys_make_a_difference(tmp_path: Path, name: str) -> None:
    form = FORMS[name]
    path = tmp_path / "usual.gguf"
    usual = llama_cpp_logits(write_tiny_gguf(path, architecture=form.architecture, hidden=96), IDS)
    found = mlx_logits(form.write(tmp_path / "ollama.gguf"), IDS)
    assert float(np.sqrt(np.mean((found - usual) ** 2)) / usual.std()) > 0.1


def test_a_prompt_has_the_ids_of_the_completed_file(tmp_path: Path, form: Form) -> None:
    text = "Longmeadow paid $421 million, 2,500 jobs by 2027."
    files = (form.write(tmp_path / "ollama.gguf"), form.write_plain(tmp_path / "plain.gguf"))
    if form.architecture == "mistral3":  # whose own pre-tokenizer is named in both
        assert "tokenizer.ggml.pre" not in served_metadata(GgufFile.open(files[0]))
    ids, expected = (Tokenizer.open(path).encode_prompt(text) for path in files)
    assert ids == expected


def trained(base: Path, folder: Path) -> Path:
    settings = TrainingSettings(rank=4, alpha=8.0, layers=1)
    model: nn.Module = load_mlx_model(GgufFile.open(base), dtype=mx.float32)
    attach_adapter(model, settings)
    factors = [
        (name, 0.1 * mx.random.normal(value.shape))
        for name, value in tree_flatten(model.trainable_parameters())
        if name.endswith("lora_b")
    ]
    model.load_weights(factors, strict=False)
    folder.mkdir()
    save_adapter(model, settings, folder)
    return folder


def is_matrix_of(index: int, name: str, shape: tuple[int, ...]) -> bool:
    return name.startswith(f"blk.{index}.") and len(shape) > 1


def test_a_merged_file_keeps_what_stands_beside_and_says_what_the_adapter_says(tmp_path: Path, form: Form) -> None:
    base = form.write(tmp_path / "base.gguf")
    adapter = trained(base, tmp_path / "adapter")
    ids = np.random.default_rng(5).integers(20, 500, (8, 40)).tolist()
    examples = MergeExamples([EncodedExample(tuple(each), 1, "record") for each in ids])
    result = merge(base, adapter, tmp_path / "candidate.gguf", examples=examples)
    before, after = GgufFile.open(base), GgufFile.open(result.candidate)
    assert after.metadata_bytes == before.metadata_bytes
    assert list(after.tensors.values()) == list(before.tensors.values())
    changed = {name for name in before.tensors if not np.array_equal(before.raw(name), after.raw(name))}
    block = {name.split(".")[2]: name for name, each in before.tensors.items() if is_matrix_of(1, name, each.shape)}
    assert changed == {name for stem, name in block.items() if stem not in ARCHITECTURES[form.architecture].frozen}
    assert result.tensors.matches

    wanted = mlx_logits(base, IDS, adapter)
    assert_near(mlx_logits(result.candidate, IDS), wanted)
    assert np.abs(wanted - mlx_logits(base, IDS)).max() > 0.1


def test_a_merge_asks_for_the_space_of_the_files_that_it_measures_with(
    tmp_path: Path, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two copies of the language model, where llama.cpp cannot load the whole file."""
    base = form.write(tmp_path / "base.gguf")
    adapter, out = trained(base, tmp_path / "adapter"), tmp_path / "candidate.gguf"
    usage, size = shutil.disk_usage(tmp_path), base.stat().st_size
    bytes_beside = sum(each.size * 4 for each in form.beside.values())
    copies = 2 * (size - bytes_beside) if form.beside else 0
    measured = MergeExamples([], [EncodedExample(tuple(IDS), 1, "record")])

    def left(free: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))

    left(size + SPARE_BYTES + copies)
    assert merge(base, adapter, out, examples=measured).retention is not None
    left(size + SPARE_BYTES + copies - size // 2)
    with pytest.raises(NoSpaceError):
        merge(base, adapter, out, examples=measured)
    left(size + SPARE_BYTES)
    assert merge(base, adapter, out).retention is None


def test_the_language_part_has_nothing_beside_it_and_as_many_tokens_as_embeddings(tmp_path: Path, form: Form) -> None:
    source, path = GgufFile.open(form.write(tmp_path / "ollama.gguf")), tmp_path / "part.gguf"
    write_dequantized(path, source, {})
    part = GgufFile.open(path)
    own = [name for name in source.tensors if name not in form.beside]
    assert list(part.tensors) == [served_name(source, name) for name in own]
    assert [entry.name for entry in language_tensors(source)] == own
    assert all(np.array_equal(part.raw(served_name(source, name)), source.raw(name)) for name in own)
    assert len(part.value("tokenizer.ggml.tokens")) == source.tensors["token_embd.weight"].shape[0]
    assert part.header.fields.keys() == source.header.fields.keys()


@pytest.mark.parametrize("name", [*IMAGES, *AHEAD, *SOUND])
@pytest.mark.parametrize("architecture", ["gemma3", "mistral3", "qwen35", "gemma4"])
def test_each_family_takes_what_ollamas_converter_puts_beside_it_and_nothing_else(
    tmp_path: Path, architecture: str, name: str
) -> None:
    beside = {"qwen35": ("v.", "mm.", "mtp."), "gemma4": ("v.", "mm.", "a.", "model.vision_tower.")}
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture=architecture, tensors={name: np.ones(16)})
    if name.startswith(beside.get(architecture, ("v.", "mm."))):
        check_supported(GgufFile.open(path))
    else:
        with pytest.raises(UnsupportedModelError, match=name):
            check_supported(GgufFile.open(path))


@pytest.mark.parametrize("path", ["model.language_model.layers", "language_model.model.layers"])
def test_an_adapter_on_the_class_that_reads_images_is_taken(tmp_path: Path, form: Form, path: str) -> None:
    """As PEFT and mlx-lm name the blocks of such a class."""
    base = GgufFile.open(form.write(tmp_path / "base.gguf"))
    shape = base.tensors["blk.1.ffn_up.weight"].shape
    folder = save_factors(tmp_path / "adapter", {f"{path}.1.mlp.up_proj": shape})
    (tmp_path / "ours").mkdir()
    imported = import_adapter(folder, base, tmp_path / "ours")
    assert (imported.modules, imported.layers) == (1, 1)
