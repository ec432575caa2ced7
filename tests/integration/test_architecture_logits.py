"""Every supported architecture: MLX computes what llama.cpp computes, before an adapter and after it is merged."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

from adapterd.base.architectures import ARCHITECTURES
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.llama_model import Asked, LlamaModel
from adapterd.base.mlx.model import load_mlx_model
from adapterd.config import TrainingSettings
from adapterd.formats.encoded import EncodedExample
from adapterd.merging.examples import MergeExamples
from adapterd.merging.merge import MergeResult, merge
from adapterd.training.adapter_layers import attach_adapter, save_adapter
from tests.support.ggml_gelu import use_ggml_gelu
from tests.support.tiny_gguf import llama_cpp_logits, mlx_logits, write_tiny_gguf

EXACT = 1e-5
"""Root mean square of the difference of logits, in standard deviations of the logits. Both compute in fp32."""
ROUNDED_GELU = 1e-4
"""Gemma: where a value lies next to a step of ggml's table, it may fall to either side."""
DEEP = 1e-3
"""The same, through tens of blocks."""
EIGHT_BITS = 0.1
"""llama.cpp rounds each matmul's input to 8 bits with a scale for each 32."""

IDS = np.random.default_rng(1).integers(20, 500, size=40).tolist()
EXAMPLES = np.random.default_rng(5).integers(20, 500, (8, 40)).tolist()
SAMPLES = MergeExamples([EncodedExample(tuple(ids), 1, "record") for ids in EXAMPLES])
HEADS = [
    (name, tied)
    for name, entry in ARCHITECTURES.items()
    for tied in (True, False)
    if (not entry.needs_head if tied else entry.has_head)
]
GEMMA_ROOT = {"hidden": 96}
"""√96 is no bfloat16, to which mlx-lm's gemma3 rounds it."""


@pytest.fixture(autouse=True)
def _ggml_gelu(monkeypatch: pytest.MonkeyPatch) -> None:
    use_ggml_gelu(monkeypatch)


def tiny(folder: Path, architecture: str, **options: Any) -> Path:
    sizes = GEMMA_ROOT if architecture.startswith("gemma") else {}
    return write_tiny_gguf(folder / "tiny.gguf", architecture=architecture, **(sizes | options))


def difference(logits: np.ndarray, expected: np.ndarray) -> float:
    return float(np.sqrt(np.mean((logits - expected) ** 2)) / expected.std())


def tolerance(architecture: str) -> float:
    return ROUNDED_GELU if architecture.startswith("gemma") else EXACT


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_several_prompts_are_answered_at_a_time_as_one_is(tmp_path: Path, architecture: str) -> None:
    path = tiny(tmp_path, architecture, tied=not ARCHITECTURES[architecture].needs_head)
    asked = [Asked(IDS[:30], 5), Asked(IDS[:3], 9), Asked(IDS[7:20], 6), Asked(IDS[:1], 7)]
    found = []
    for sequences in (1, 3):
        with LlamaModel.open(path, context_tokens=40, sequences=sequences) as model:
            found.append(model.answers(asked, set()))
    assert found[0] == found[1]


@pytest.mark.parametrize("length", [1, 7, 40])
@pytest.mark.parametrize(("architecture", "tied"), HEADS)
def test_mlx_computes_what_llama_cpp_computes(tmp_path: Path, architecture: str, tied: bool, length: int) -> None:
    """At 40 tokens, Gemma's windows of 8 have been left by most, and Phi's has to make no difference."""
    path = tiny(tmp_path, architecture, tied=tied)
    ours, expected = mlx_logits(path, IDS[:length]), llama_cpp_logits(path, IDS[:length])
    assert difference(ours, expected) < tolerance(architecture)
    np.testing.assert_array_equal(ours.argmax(-1), expected.argmax(-1))


def scaling(architecture: str, **values: Any) -> dict[str, Any]:
    return {f"{architecture}.rope.scaling.{key}": value for key, value in values.items()}


YARN = {"type": "yarn", "factor": 4.0, "original_context_length": 16}
PARTLY = {"phi3.rope.dimension_count": 12}
LONG_ROPE = PARTLY | scaling("phi3", attn_factor=1.19, original_context_length=256)
FACTORS = {"rope_factors_short.weight": np.linspace(1, 2, 6), "rope_factors_long.weight": np.linspace(2, 9, 6)}
WINDOWS = {
    "olmo2.attention.sliding_window": 8,
    "olmo2.attention.sliding_window_pattern": [True, True, True, False, True],
}
LOCAL = {"olmo2.rope.freq_base_swa": 500.0}


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        pytest.param("qwen3", {"metadata": scaling("qwen3", type="linear", factor=4.0)}, id="qwen3, linear scaling"),
        pytest.param("qwen3", {"metadata": scaling("qwen3", **YARN)}, id="qwen3, yarn"),
        pytest.param(
            "qwen3",
            {"metadata": scaling("qwen3", **YARN, yarn_beta_fast=8.0, yarn_attn_factor=1.3)},
            id="qwen3, yarn with betas, which llama.cpp does not read",
        ),
        pytest.param("gemma2", {"metadata": {"gemma2.attention.sliding_window": None}}, id="gemma2, the usual window"),
        pytest.param(
            "gemma2",
            {"metadata": {"gemma2.attn_logit_softcapping": None, "gemma2.final_logit_softcapping": None}},
            id="gemma2, the usual caps",
        ),
        pytest.param(
            "gemma2",
            {"metadata": {"gemma2.attention.sliding_window_pattern": 3}, "layers": 4},
            id="gemma2, every third layer without a window",
        ),
        pytest.param(
            "gemma3",
            {"metadata": {"gemma3.attention.sliding_window_pattern": None}, "layers": 7},
            id="gemma3, every sixth layer without a window, which no metadata say",
        ),
        pytest.param(
            "gemma3",
            {"metadata": {"gemma3.attention.sliding_window_pattern": [True, True, False, True]}, "layers": 4},
            id="gemma3, layers named one by one",
        ),
        pytest.param("gemma3", {"metadata": {"gemma3.attention.sliding_window": None}}, id="gemma3, no window"),
        pytest.param("gemma3", {"metadata": {"gemma3.rope.freq_base_swa": 500.0}}, id="gemma3, another local base"),
        pytest.param("gemma3", {"metadata": {"gemma3.final_logit_softcapping": 3.0}}, id="gemma3, capped logits"),
        pytest.param("gemma3", {"metadata": scaling("gemma3", type="linear", factor=8.0)}, id="gemma3, linear scaling"),
        pytest.param("gemma3", {"metadata": scaling("gemma3", **YARN)}, id="gemma3, yarn"),
        pytest.param("phi3", {"metadata": PARTLY}, id="phi3, heads that turn in part"),
        pytest.param("phi3", {"metadata": LONG_ROPE, "tensors": FACTORS}, id="phi3, short factors"),
        pytest.param(
            "phi3",
            {"metadata": LONG_ROPE | scaling("phi3", type="longrope"), "tensors": FACTORS},
            id="phi3, short factors, typed",
        ),
        pytest.param(
            "granite",
            {"metadata": {f"granite.{key}": None for key in ("embedding_scale", "attention.scale", "residual_scale")}},
            id="granite, no factors but that of logits",
        ),
        pytest.param("granite", {"metadata": scaling("granite", **YARN)}, id="granite, yarn"),
        pytest.param("smollm3", {"layers": 5}, id="smollm3, a layer without rotary positions"),
        pytest.param("smollm3", {"layers": 4, "metadata": scaling("smollm3", **YARN)}, id="smollm3, yarn"),
        pytest.param("olmo2", {"kv_heads": 4}, id="olmo2, a key for every query"),
        pytest.param("olmo2", {"layers": 5, "metadata": WINDOWS}, id="olmo3, windows"),
        pytest.param(
            "olmo2",
            {"layers": 5, "metadata": WINDOWS | scaling("olmo2", **YARN)},
            id="olmo3, yarn in layers without a window",
        ),
        pytest.param(
            "olmo2",
            {"layers": 5, "metadata": WINDOWS | scaling("olmo2", attn_factor=1.2079441, **YARN)},
            id="olmo3, yarn with an attention factor",
        ),
        pytest.param(
            "olmo2", {"metadata": scaling("olmo2", attn_factor=1.5, **YARN)}, id="olmo2, yarn with an attention factor"
        ),
        pytest.param(
            "olmo2", {"layers": 5, "metadata": WINDOWS | LOCAL}, id="olmo3, a base of windows that is not read"
        ),
        pytest.param(
            "mistral3",
            {
                "metadata": scaling("mistral3", type=None, factor=None, yarn_log_multiplier=None)
                | {"mistral3.attention.temperature_scale": None}
            },
            id="mistral3 as Mistral Small 3, neither scaling nor temperature",
        ),
        pytest.param(
            "mistral3",
            {"metadata": {"mistral3.attention.temperature_scale": None}},
            id="mistral3, yarn without temperature",
        ),
        pytest.param(
            "mistral3",
            {"metadata": {"mistral3.attention.temperature_scale": 2.0}},
            id="mistral3, a temperature that changes much",
        ),
        pytest.param(
            "mistral3",
            {"metadata": scaling("mistral3", yarn_beta_fast=4.0, yarn_beta_slow=0.1)},
            id="mistral3, yarn with betas of its own",
        ),
        pytest.param(
            "mistral3",
            {"metadata": scaling("mistral3", yarn_log_multiplier=None)},
            id="mistral3, yarn that magnifies",
        ),
    ],
)
def test_details_agree(tmp_path: Path, architecture: str, options: dict[str, Any]) -> None:
    path = tiny(tmp_path, architecture, **options)
    assert difference(mlx_logits(path, IDS), llama_cpp_logits(path, IDS)) < tolerance(architecture)


@pytest.mark.parametrize(("architecture", "blocks"), [("gemma2", 46), ("gemma3", 62)])
def test_the_largest_gemma_divides_scores_by_another_root(tmp_path: Path, architecture: str, blocks: int) -> None:
    path = tiny(tmp_path, architecture, layers=blocks, heads=2)
    assert difference(mlx_logits(path, IDS), llama_cpp_logits(path, IDS)) < DEEP


def test_a_context_beyond_phis_original_length_takes_other_factors(tmp_path: Path) -> None:
    """So it is the short ones only that training can be said to agree with."""
    path = tiny(tmp_path, "phi3", metadata=LONG_ROPE, tensors=FACTORS)
    assert difference(mlx_logits(path, IDS), llama_cpp_logits(path, IDS, context=512)) > 0.5


@pytest.mark.parametrize("architecture", ["gemma2", "gemma3", "mistral3"])
def test_token_by_token_gives_the_same(tmp_path: Path, architecture: str) -> None:
    from mlx_lm.models.cache import make_prompt_cache

    path = tiny(tmp_path, architecture)
    model = load_mlx_model(GgufFile.open(path), dtype=mx.float32)
    cache = make_prompt_cache(model)
    stepwise = np.array(mx.concatenate([model(mx.array([[token]]), cache=cache)[0] for token in IDS]))
    assert difference(stepwise, mlx_logits(path, IDS)) < ROUNDED_GELU


@pytest.fixture(params=list(ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def trained(base: Path, folder: Path) -> Path:
    """An adapter on the top block, as a training leaves it, but with random second factors."""
    settings = TrainingSettings(rank=4, alpha=8.0, layers=1)
    model = load_mlx_model(GgufFile.open(base), dtype=mx.float32)
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


def merged(tmp_path: Path, architecture: str, type_name: str) -> MergeResult:
    base = tiny(tmp_path, architecture, type_name=type_name)
    return merge(base, trained(base, tmp_path / "adapter"), tmp_path / "candidate.gguf", examples=SAMPLES)


def test_an_adapter_is_on_every_projection_of_the_top_block(tmp_path: Path, architecture: str) -> None:
    base = tiny(tmp_path, architecture)
    weights: Any = mx.load(str(trained(base, tmp_path / "adapter") / "adapters.safetensors"))
    touched = {ARCHITECTURES[architecture].gguf_name(name.rpartition(".")[0]) for name in weights}
    matrices = {info.name for info in GgufFile.open(base).tensors.values() if len(info.shape) > 1}
    frozen = {f"blk.1.{stem}.weight" for stem in ARCHITECTURES[architecture].frozen}
    assert touched == {name for name in matrices if name.startswith("blk.1.")} - frozen


@pytest.mark.parametrize(("type_name", "loss"), [("F32", None), ("Q8_0", EIGHT_BITS)])
def test_the_merged_file_says_what_base_and_adapter_say(
    tmp_path: Path, architecture: str, type_name: str, loss: float | None
) -> None:
    result = merged(tmp_path, architecture, type_name)
    base, adapter = tmp_path / "tiny.gguf", tmp_path / "adapter"
    wanted, served = mlx_logits(base, IDS, adapter), llama_cpp_logits(result.candidate, IDS)
    assert difference(served, wanted) < (loss or tolerance(architecture))
    assert difference(served, wanted) < difference(mlx_logits(base, IDS), wanted) / 3
    assert result.tensors.matches
