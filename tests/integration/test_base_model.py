"""The base model in MLX and in llama.cpp: the same file, the same numbers; and a real training on it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.models.cache import make_prompt_cache

from adapterd.base.gguf.ggml import quantize
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.mlx.model import default_dtype, hidden_states, load_mlx_model, project
from adapterd.errors import InputError, UnsupportedModelError
from adapterd.system.blas import preload_environment
from adapterd.training.checkpoints.checkpoint import CHECKPOINT
from tests.support.tiny_gguf import llama_cpp_logits, mlx_logits, write_tiny_gguf

TOLERANCES = {
    # Both compute in fp32; what is left is the order of the sums.
    "F32": 1e-5,
    # llama.cpp rounds each matmul's input to the weights' 16-bit type: 11 bits, 8 bits.
    "F16": 5e-3,
    "BF16": 3e-2,
    # llama.cpp rounds each matmul's input to 8 bits with a scale for each 32 or 256.
    "Q8_0": 0.1,
    "Q4_1": 0.1,
    "Q4_K": 0.15,
}
"""Root mean square of the difference of logits, in standard deviations of the logits. Random weights of this size
magnify what goes in several times over; a wrong rotary layout or a lost bias shows as 1."""

TEMPLATE = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
IDS = np.random.default_rng(1).integers(20, 500, size=24).tolist()


def difference(path: Path, ids: list[int] = IDS) -> float:
    expected = llama_cpp_logits(path, ids)
    return float(np.sqrt(np.mean((mlx_logits(path, ids) - expected) ** 2)) / expected.std())


@pytest.mark.parametrize("type_name", ["F32", "F16", "BF16", "Q8_0", "Q4_1"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_mlx_computes_what_llama_cpp_computes(tmp_path: Path, architecture: str, tied: bool, type_name: str) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture=architecture, tied=tied, type_name=type_name)
    assert difference(path) < TOLERANCES[type_name]


@pytest.mark.parametrize("type_name", ["Q4_K", "IQ4_NL", "IQ4_XS"])
def test_k_quants_and_iq4_too(tmp_path: Path, type_name: str) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", type_name=type_name, hidden=256, ffn=256, head_size=64)
    assert difference(path) < TOLERANCES["Q4_K"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"head_size": 32}, id="heads that do not divide the width"),
        pytest.param({"biases": ("attn_q", "ffn_up")}, id="some biases"),
        pytest.param({"metadata": {"llama.rope.scaling.factor": 4.0}}, id="linear scaling, untyped"),
        pytest.param(
            {"metadata": {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}}, id="linear scaling"
        ),
        pytest.param(
            {"metadata": {"llama.rope.scaling.type": "none", "llama.rope.scaling.factor": 4.0}}, id="no scaling"
        ),
        pytest.param(
            {
                "metadata": {
                    "llama.rope.scaling.type": "yarn",
                    "llama.rope.scaling.factor": 4.0,
                    "llama.rope.scaling.original_context_length": 16,
                }
            },
            id="yarn",
        ),
        pytest.param({"tensors": {"rope_freqs.weight": np.linspace(1, 8, 8)}}, id="rope factors"),
        pytest.param(
            {
                "tensors": {"rope_freqs.weight": np.linspace(1, 8, 8)},
                "metadata": {"llama.rope.scaling.factor": 2.0},
            },
            id="rope factors, scaled",
        ),
        pytest.param({"metadata": {"llama.attention.sliding_window": 4}}, id="Mistral's window, which is ignored"),
        pytest.param(
            {"architecture": "qwen2", "metadata": {"qwen2.attention.sliding_window": 4}}, id="the same in qwen2"
        ),
    ],
)
def test_details_of_attention_agree(tmp_path: Path, options: dict[str, Any]) -> None:
    assert difference(write_tiny_gguf(tmp_path / "tiny.gguf", **options)) < TOLERANCES["F32"]


TWO_FACTORS: dict[str, Any] = {
    "architecture": "phi3", "layers": 3, "hidden": 96, "heads": 6,
    "metadata": {
        "phi3.rope.dimension_count": 12, "phi3.rope.scaling.attn_factor": 1.19, "phi3.context_length": 4096,
        "phi3.rope.scaling.original_context_length": 512,
    },
    "tensors": {
        "rope_factors_short.weight": np.linspace(1, 1.2, 6), "rope_factors_long.weight": np.linspace(1, 40, 6),
    },
}  # fmt: skip


@pytest.mark.parametrize("context", [256, 512, 513, 1024])
def test_of_two_sets_of_rotary_factors_those_of_the_served_context_are_taken(tmp_path: Path, context: int) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", **TWO_FACTORS)
    expected = llama_cpp_logits(path, IDS, context)
    other = 512 if context > 512 else 1024
    ours, others = (mlx_logits(path, IDS, context=each) for each in (context, other))
    assert np.sqrt(np.mean((ours - expected) ** 2)) / expected.std() < TOLERANCES["F32"]
    assert np.sqrt(np.mean((others - expected) ** 2)) / expected.std() > 0.1


def test_with_one_set_only_the_other_side_turns_plainly(tmp_path: Path) -> None:
    metadata = TWO_FACTORS["metadata"] | {"phi3.rope.scaling.attn_factor": None}
    one = {"rope_factors_short.weight": np.linspace(1, 4, 6)}
    path = write_tiny_gguf(tmp_path / "tiny.gguf", **TWO_FACTORS | {"tensors": one, "metadata": metadata})
    for context in (512, 1024):
        expected = llama_cpp_logits(path, IDS, context)
        ours = mlx_logits(path, IDS, context=context)
        assert np.sqrt(np.mean((ours - expected) ** 2)) / expected.std() < TOLERANCES["F32"]


def test_tensors_that_contradict_the_metadata_are_refused(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", tensors={"rope_freqs.weight": np.ones(5)})
    with pytest.raises(InputError, match="contradicts the metadata"):
        load_mlx_model(GgufFile.open(path), dtype=mx.float32)


def test_an_unsupported_architecture_is_not_loaded(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture="gpt2")
    with pytest.raises(UnsupportedModelError, match="'gpt2'"):
        load_mlx_model(GgufFile.open(path), dtype=mx.float32)


def test_weights_are_fp32_on_a_cpu_and_the_asked_dtype_elsewhere(tmp_path: Path) -> None:
    if mx.default_device().type == mx.cpu:
        assert default_dtype() == mx.float32
    file = GgufFile.open(write_tiny_gguf(tmp_path / "tiny.gguf", architecture="qwen2"))
    model = load_mlx_model(file, dtype=mx.bfloat16)
    assert model.model.layers[0].self_attn.q_proj.bias.dtype == mx.bfloat16
    assert project(model, hidden_states(model, mx.array([IDS]))).dtype == mx.bfloat16


@pytest.fixture(scope="module")
def smollm2(smollm2_path: Path) -> GgufFile:
    return GgufFile.open(smollm2_path)


@pytest.mark.parametrize("name", ["token_embd.weight", "blk.7.ffn_down.weight", "blk.29.attn_q.weight"])
def test_requantising_a_real_tensor_gives_its_bytes(smollm2: GgufFile, name: str) -> None:
    again = quantize(smollm2.values(name), smollm2.tensors[name].type_name)
    np.testing.assert_array_equal(again.reshape(-1), smollm2.raw(name))


def test_smollm2_knows_the_capital_of_france(smollm2: GgufFile) -> None:
    tokenizer = Tokenizer.open(smollm2.path)
    model = load_mlx_model(smollm2, dtype=default_dtype())
    cache, answer = make_prompt_cache(model), list[int]()
    ids = tokenizer.encode_prompt(TEMPLATE.format("What is the capital of France?"))
    while len(answer) < 16 and not (answer and tokenizer.is_end_of_generation(answer[-1])):
        answer.append(model(mx.array([ids]), cache=cache)[0, -1].argmax().item())
        ids = answer[-1:]
    assert "Paris" in tokenizer.text(answer)


def write_dataset(folder: Path, tokenizer: Tokenizer) -> Path:
    cities, companies = ["London", "Tokyo", "Lagos"], ["Acme", "Nimbus", "Orchid", "Vertex", "Quill"]

    def line(number: int) -> str:
        city, company = cities[number % 3], companies[number % 5]
        prompt = tokenizer.encode_prompt(f"<|im_start|>user\n{city}: {company} raises ${number} million.<|im_end|>\n")
        answer = json.dumps({"company": company, "city": city, "amount": number})
        ids = [*prompt, *tokenizer.encode_continuation(answer), tokenizer.end_of_turn_id]
        return json.dumps({"ids": ids, "prompt_tokens": len(prompt), "record": f"record-{number}"}) + "\n"

    (folder / "train.jsonl").write_text("".join(map(line, range(2, 42))))
    (folder / "validation.jsonl").write_text("".join(map(line, range(100, 104))))
    return folder


CHILD = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.config import TrainingSettings
from adapterd.training.train import train

base, dataset, out = map(Path, sys.argv[1:])
settings = TrainingSettings(rank=8, alpha=16.0, layers=2, epochs=1, batch_size=2, learning_rate=1e-3)
result = train(GgufFile.open(base), dataset, settings, out, lambda progress: None)
print(json.dumps(asdict(result)))
"""


def test_a_training_of_twenty_steps_lowers_the_validation_loss(smollm2: GgufFile, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, Tokenizer.open(smollm2.path))
    out = tmp_path / "adapter"
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(smollm2.path), str(dataset), str(out)],
        env=os.environ | preload_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    result = json.loads(child.stdout)
    assert (result["steps"], result["criterion"]) == (20, "validation_loss")
    assert result["best_validation_loss"] < result["first_validation_loss"] / 2
    left = {path.name for path in out.iterdir()} - {CHECKPOINT}  # which there is on a slow machine only
    assert left == {"adapters.safetensors", "adapter_config.json", "metrics.jsonl"}
