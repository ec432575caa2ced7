"""Adapters made elsewhere: what fits becomes one of ours, what does not is refused by a sentence."""

import json
import math
import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_lm.models import llama
from mlx_lm.tuner.utils import linear_to_lora_layers, load_adapters

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.model import load_mlx_model
from adapterd.base.mlx.weights import put_weights, trained_weights
from adapterd.config import TrainingSettings
from adapterd.errors import AdapterdError, InputError, NotFoundError, StageError
from adapterd.formats import adapter_files
from adapterd.formats.adapter_files import AdapterFormat, find_adapter
from adapterd.merging.exchange import peft
from adapterd.merging.exchange.import_adapter import ImportedAdapter, import_adapter
from adapterd.merging.updates import read_adapter
from adapterd.training.adapter_layers import attach_adapter, save_adapter
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tolerances import assert_close, assert_same_product, through_blocks

HEADS, KV_HEADS, HEAD = 4, 2, 16
SHAPES = {  # (in, out)
    "self_attn.q_proj": (64, 64), "self_attn.k_proj": (64, 32), "self_attn.v_proj": (64, 32),
    "self_attn.o_proj": (64, 64), "mlp.gate_proj": (64, 96), "mlp.up_proj": (64, 96), "mlp.down_proj": (96, 64),
}  # fmt: skip
Q, V, DOWN = (f"model.layers.1.{name}" for name in ("self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"))
IDS = mx.array([[5, 17, 300, 41, 8, 260, 33, 9, 120, 7]])
LOGITS = through_blocks(2, positions=10) + 64
"""Terms on the way to a logit."""
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def base_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("base") / "llama.gguf")


@pytest.fixture
def base(base_path: Path) -> GgufFile:
    return GgufFile.open(base_path)


@dataclass(frozen=True)
class Elsewhere:
    """A folder in which somebody else's tool leaves an adapter."""

    folder: Path

    def write(self, name: str, config: Mapping[str, Any], tensors: Mapping[str, Any]) -> Path:
        self.folder.mkdir(exist_ok=True)
        arrays = {key: value if isinstance(value, mx.array) else mx.array(value) for key, value in tensors.items()}
        mx.save_safetensors(str(self.folder / name), arrays)
        (self.folder / "adapter_config.json").write_text(json.dumps(config))
        return self.folder

    def mlx_lm(self, tensors: Mapping[str, Any], **changes: Any) -> Path:
        """`changes` replace settings; those that are None are left out."""
        config = {
            "fine_tune_type": "lora", "num_layers": 2, "lora_parameters": {"rank": 4, "scale": 2.0, "dropout": 0.1},
        }  # fmt: skip
        return self.write("adapters.safetensors", _without_none(config | changes), tensors)

    def peft(self, tensors: Mapping[str, Any], **changes: Any) -> Path:
        """`changes` replace settings; those that are None are left out."""
        config = {
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "lora_dropout": 0.05,
            "target_modules": ["q_proj"], "bias": "none", "use_dora": False, "use_rslora": False,
            "modules_to_save": None, "fan_in_fan_out": False, "rank_pattern": {}, "alpha_pattern": {},
            "layers_to_transform": None, "init_lora_weights": True,
        }  # fmt: skip
        return self.write("adapter_model.safetensors", config | changes, tensors)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path / "elsewhere")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


def _without_none(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if value is not None}


def factors(*modules: str, rank: int = 4, seed: int = 1) -> dict[str, Array]:
    """Random factors in mlx-lm's names and shapes: (in, rank) and (rank, out)."""
    random = np.random.default_rng(seed)
    made = {}
    for module in modules:
        columns, rows = SHAPES[module.split(".", 3)[3]]
        made[f"{module}.lora_a"] = random.standard_normal((columns, rank)).astype(np.float32)
        made[f"{module}.lora_b"] = random.standard_normal((rank, rows)).astype(np.float32)
    return made


def in_peft(tensors: Mapping[str, Array], *, adapter: str = "") -> dict[str, Array]:
    """The same factors under PEFT's names, the other way round."""
    return {
        "base_model.model."
        + name.replace(".lora_a", f".lora_A{adapter}.weight").replace(
            ".lora_b", f".lora_B{adapter}.weight"
        ): np.ascontiguousarray(value.T)
        for name, value in tensors.items()
    }


def permuted(rows: Array, heads: int) -> Array:
    """Rows in the order that llama.cpp's converter gives them, written as plainly as can be."""
    size = len(rows) // heads
    order = [head * size + half * size // 2 + i for head in range(heads) for i in range(size // 2) for half in (0, 1)]
    return rows[order]


def deltas(folder: Path, base: GgufFile) -> dict[str, Array]:
    return {update.tensor: update.delta() for update in read_adapter(folder, base)}


def assert_is_product(found: Array, tensors: Mapping[str, Array], module: str, scale: float, heads: int = 0) -> None:
    """That it is scale · (a · b)ᵀ, its rows in the order of the GGUF where there are heads."""
    rows = tensors[f"{module}.lora_b"].T
    assert_same_product(found, permuted(rows, heads) if heads else rows, tensors[f"{module}.lora_a"].T, scale)


# What fits.


def hf_model(base: GgufFile) -> nn.Module:
    """The llama GGUF as Hugging Face has it, halves of heads apart, which is what mlx-lm loads by itself."""
    ours = load_mlx_model(base, dtype=mx.float32)
    model = llama.Model(llama.ModelArgs(**{**vars(ours.args), "rope_traditional": False}))
    weights = dict(tree_flatten(ours.parameters()))
    for name, value in weights.items():
        for projection, heads in (("q_proj", HEADS), ("k_proj", KV_HEADS)):
            if f"{projection}.weight" in name:
                apart = np.argsort(permuted(np.arange(value.shape[0]), heads))
                weights[name] = value[mx.array(apart)]
    model.load_weights(list(weights.items()), strict=True)
    model.freeze()
    return model


@pytest.mark.parametrize("written_by", ["mlx-lm", "peft"])
def test_a_llama_adapter_computes_what_it_computed_where_it_was_trained(
    base: GgufFile, elsewhere: Elsewhere, out: Path, written_by: str
) -> None:
    theirs = hf_model(base)
    ours = load_mlx_model(base, dtype=mx.float32)
    assert_close(theirs(IDS), ours(IDS), LOGITS, name="the two layouts are one model:")
    linear_to_lora_layers(theirs, 2, {"rank": 4, "scale": 2.0, "dropout": 0.0})
    factors = {
        name: mx.random.normal(value.shape, key=mx.random.key(number)) / 8
        for number, (name, value) in enumerate(trained_weights(theirs).items())
    }
    put_weights(theirs, factors)
    tensors = {name: np.array(value) for name, value in factors.items()}
    expected = theirs(IDS)
    assert not mx.allclose(expected, ours(IDS), atol=0.1).item()

    folder = elsewhere.mlx_lm(tensors) if written_by == "mlx-lm" else elsewhere.peft(in_peft(tensors))
    assert import_adapter(folder, base, out) == ImportedAdapter(written_by, modules=14, layers=2, rank=4, reordered=4)
    assert_close(load_adapters(ours, str(out))(IDS), expected, LOGITS)


def test_queries_and_keys_go_into_the_order_of_the_gguf(base: GgufFile, elsewhere: Elsewhere, out: Path) -> None:
    k = "model.layers.0.self_attn.k_proj"
    tensors = factors(Q, k, V)
    import_adapter(elsewhere.mlx_lm(tensors), base, out)
    made = deltas(out, base)
    assert_is_product(made["blk.1.attn_q.weight"], tensors, Q, 2.0, HEADS)
    assert_is_product(made["blk.0.attn_k.weight"], tensors, k, 2.0, KV_HEADS)
    assert_is_product(made["blk.1.attn_v.weight"], tensors, V, 2.0)


def test_other_architectures_keep_their_order(tmp_path: Path, elsewhere: Elsewhere, out: Path) -> None:
    qwen = GgufFile.open(write_tiny_gguf(tmp_path / "qwen.gguf", architecture="qwen2"))
    tensors = factors(Q)
    assert import_adapter(elsewhere.peft(in_peft(tensors)), qwen, out).reordered == 0
    assert_is_product(deltas(out, qwen)["blk.1.attn_q.weight"], tensors, Q, 2.0)


def test_an_adapter_of_ours_is_taken_as_it_is(base: GgufFile, tmp_path: Path, out: Path) -> None:
    settings = TrainingSettings(rank=4, alpha=8.0, layers=1)
    model = load_mlx_model(base, dtype=mx.float32)
    attach_adapter(model, settings)
    model.model.layers[1].self_attn.q_proj.lora_b = mx.random.normal((4, 64))
    folder = tmp_path / "1.0.0"
    folder.mkdir()
    save_adapter(model, settings, folder)
    assert import_adapter(folder, base, out) == ImportedAdapter("adapterd", modules=7, layers=1, rank=4, reordered=0)
    for name, value in deltas(folder, base).items():
        np.testing.assert_array_equal(deltas(out, base)[name], value)


def test_imported_adapter_can_be_imported_again(
    base: GgufFile, elsewhere: Elsewhere, out: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    again.mkdir()
    import_adapter(elsewhere.peft(in_peft(factors(Q, DOWN))), base, out)
    assert import_adapter(out, base, again).format == AdapterFormat.ADAPTERD
    for file in out.iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("adapter", ["", ".default"])
@pytest.mark.parametrize(("rslora", "scale"), [(False, 2.0), (True, 4.0)])
def test_peft_is_read_with_its_scale(
    base: GgufFile, elsewhere: Elsewhere, out: Path, adapter: str, rslora: bool, scale: float
) -> None:
    tensors = factors(DOWN)
    import_adapter(elsewhere.peft(in_peft(tensors, adapter=adapter), use_rslora=rslora), base, out)
    assert_is_product(deltas(out, base)["blk.1.ffn_down.weight"], tensors, DOWN, scale)
    assert json.loads((out / "adapter_config.json").read_text()) == {
        "fine_tune_type": "lora",
        "num_layers": 1,
        "lora_parameters": {"rank": 4, "scale": scale, "dropout": 0.0, "keys": ["mlp.down_proj"]},
        "row_order": "gguf",
    }


@pytest.mark.parametrize("pattern", ["q_proj", "layers.1.self_attn.q_proj", Q, r"layers\.\d+\.self_attn\..*"])
def test_patterns_give_modules_ranks_and_scales_of_their_own(
    base: GgufFile, elsewhere: Elsewhere, out: Path, pattern: str
) -> None:
    tensors = factors(Q, rank=8) | factors(DOWN, rank=4)
    folder = elsewhere.peft(in_peft(tensors), rank_pattern={"up_proj": 2, pattern: 8}, alpha_pattern={pattern: 4})
    imported = import_adapter(folder, base, out)
    assert (imported.rank, imported.modules) == (8, 2)
    made = deltas(out, base)
    assert_is_product(made["blk.1.attn_q.weight"], tensors, Q, 0.5, HEADS)
    assert_is_product(made["blk.1.ffn_down.weight"], tensors, DOWN, 2.0)
    load_adapters(load_mlx_model(base, dtype=mx.float32), str(out))


def test_a_pattern_is_for_whole_names(base: GgufFile, elsewhere: Elsewhere, out: Path) -> None:
    with pytest.raises(InputError, match="has rank 8, but its configuration says 4"):
        import_adapter(elsewhere.peft(in_peft(factors(Q, rank=8)), rank_pattern={"proj": 8}), base, out)


def test_16_bit_weights_are_taken_exactly(base: GgufFile, elsewhere: Elsewhere, out: Path) -> None:
    for dtype in (mx.float16, mx.bfloat16):
        tensors = {name: mx.array(value).astype(dtype) for name, value in factors(DOWN).items()}
        import_adapter(elsewhere.mlx_lm(tensors), base, out)
        stored: Any = mx.load(str(out / "adapters.safetensors"))
        assert all(mx.array_equal(stored[name], value.astype(mx.float32)).item() for name, value in tensors.items())


def test_links_are_followed_as_in_the_cache_of_hugging_face(
    base: GgufFile, elsewhere: Elsewhere, out: Path, tmp_path: Path
) -> None:
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for file in elsewhere.peft(in_peft(factors(Q))).iterdir():
        (snapshot / file.name).symlink_to(file)
    assert import_adapter(snapshot, base, out).modules == 1


# Names of wrapping classes.

WRAPPED = {
    "a vision-language class": "model.language_model.layers",
    "a vision-language class, before transformers 4.52": "language_model.model.layers",
    "mlx-lm's vision-language class": "language_model.model.layers",
    "a text model within": "model.text_model.layers",
    "torch.compile": "_orig_mod.model.layers",
    "DistributedDataParallel": "module.model.layers",
    "FSDP": "_fsdp_wrapped_module.model._fsdp_wrapped_module.layers",
}


def renamed(tensors: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {name.replace("model.layers", prefix, 1): value for name, value in tensors.items()}


@pytest.mark.parametrize("prefix", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("written_by", ["mlx-lm", "peft"])
def test_blocks_are_found_under_the_names_of_wrapping_classes(
    base: GgufFile, elsewhere: Elsewhere, out: Path, tmp_path: Path, prefix: str, written_by: str
) -> None:
    tensors, plain = factors(Q, DOWN), tmp_path / "plain"
    plain.mkdir()

    def written(made: Mapping[str, Array]) -> Path:
        return elsewhere.mlx_lm(made) if written_by == "mlx-lm" else elsewhere.peft(in_peft(made))

    expected = import_adapter(written(tensors), base, plain)
    assert import_adapter(written(renamed(tensors, prefix)), base, out) == expected
    for name, value in deltas(plain, base).items():
        np.testing.assert_array_equal(deltas(out, base)[name], value)


def test_a_wrapper_within_a_block_is_taken_off(base: GgufFile, elsewhere: Elsewhere, out: Path) -> None:
    tensors = {name.replace("layers.1.", "layers.1._checkpoint_wrapped_module."): v for name, v in factors(Q).items()}
    assert import_adapter(elsewhere.peft(in_peft(tensors)), base, out).modules == 1


def test_peft_may_leave_its_own_prefix_out_and_name_an_adapter(base: GgufFile, elsewhere: Elsewhere, out: Path) -> None:
    tensors = in_peft(factors(Q), adapter=".news")
    bare = {name.removeprefix("base_model.model."): value for name, value in tensors.items()}
    assert import_adapter(elsewhere.peft(bare), base, out).modules == 1


def test_patterns_are_of_the_names_where_it_was_trained(base: GgufFile, elsewhere: Elsewhere, out: Path) -> None:
    tensors = renamed(factors(Q, rank=8), "model.language_model.layers")
    pattern = {"language_model.layers.1.self_attn.q_proj": 8}
    assert import_adapter(elsewhere.peft(in_peft(tensors), rank_pattern=pattern), base, out).rank == 8


# What does not.


def refusal(folder: Path, base: GgufFile, out: Path) -> str:
    with pytest.raises(AdapterdError) as caught:
        import_adapter(folder, base, out)
    assert type(caught.value) in (InputError, NotFoundError)
    assert list(out.iterdir()) == []
    return str(caught.value)


PEFT_SETTINGS: dict[str, dict[str, Any]] = {
    "of PEFT's type 'LOHA'": {"peft_type": "LOHA"},
    "trained with DoRA": {"use_dora": True},
    "whole modules besides (modules_to_save)": {"modules_to_save": ["lm_head"]},
    "trained biases of its base (bias = 'all')": {"bias": "all"},
    "biases of its own (lora_bias)": {"lora_bias": True},
    "the other way round (fan_in_fan_out)": {"fan_in_fan_out": True},
    "rows of the embedding besides": {"trainable_token_indices": [1, 2]},
    "no linear projections (target_parameters)": {"target_parameters": ["experts.w"]},
    "repeats blocks of its base": {"layer_replication": [[0, 2], [1, 2]]},
    "only after certain tokens": {"alora_invocation_tokens": [1]},
    "QALoRA": {"use_qalora": True},
    "changed base weights (init_lora_weights = 'pissa_niter_4')": {"init_lora_weights": "pissa_niter_4"},
    "lora_alpha for model.layers.1.self_attn.q_proj is None": {"lora_alpha": None},
    "lora_alpha for model.layers.1.self_attn.q_proj is nan": {"lora_alpha": math.nan},
    "has rank 4, but its configuration says 8": {"r": 8},
    "rank_pattern is not a table": {"rank_pattern": [1]},
    "'(' , which is not a pattern": {"alpha_pattern": {"(": 1}},
}


@pytest.mark.parametrize("said", PEFT_SETTINGS)
def test_peft_adapter_that_is_more_than_lora_is_refused_by_its_setting(
    base: GgufFile, elsewhere: Elsewhere, out: Path, said: str
) -> None:
    folder = elsewhere.peft(in_peft(factors(Q)), **PEFT_SETTINGS[said])
    assert said.replace(" ,", ",") in refusal(folder, base, out)


MLX_SETTINGS: dict[str, dict[str, Any]] = {
    "of mlx-lm's type 'full'": {"fine_tune_type": "full"},
    "of mlx-lm's type 'dora'": {"fine_tune_type": "dora"},
    "type 'dora'": {"use_dora": True},
    "lora_parameters.scale is None": {"lora_parameters": {"alpha": 16}},
    "lora_parameters.scale is inf": {"lora_parameters": {"scale": math.inf}},
    "lora_parameters.scale is 'two'": {"lora_parameters": {"scale": "two"}},
    "scale is None": {"lora_parameters": None},
    "in the order 'interleaved', which is not known here": {"row_order": "interleaved"},
    "neither mlx-lm's (lora_parameters) nor PEFT's (peft_type)": {"lora_parameters": None, "fine_tune_type": None},
}


@pytest.mark.parametrize("said", MLX_SETTINGS)
def test_mlx_lm_adapter_that_is_more_than_lora_is_refused_by_its_setting(
    base: GgufFile, elsewhere: Elsewhere, out: Path, said: str
) -> None:
    assert said in refusal(elsewhere.mlx_lm(factors(Q), **MLX_SETTINGS[said]), base, out)


def changed(**tensors: Any) -> dict[str, Any]:
    """Good factors of `q_proj` and others, by the last part of the name where they are in a block."""
    return factors(Q) | {name.replace("__", "."): value for name, value in tensors.items()}


ONES, TURNED = np.ones((64, 4), np.float32), np.ones((4, 64), np.float32)
TENSORS: dict[str, dict[str, Any]] = {
    f"{Q} is (96, 64), the base's (64, 64): made for another base?": {
        f"{Q}.lora_a": ONES, f"{Q}.lora_b": np.ones((4, 96), np.float32),
    },
    "model.layers.9.self_attn.q_proj, which the base does not have: made for another base?": {
        "model.layers.9.self_attn.q_proj.lora_a": ONES, "model.layers.9.self_attn.q_proj.lora_b": TURNED,
    },
    "model.layers.0.self_attn.qkv_proj, which the base does not have": {
        "model.layers.0.self_attn.qkv_proj.lora_a": ONES, "model.layers.0.self_attn.qkv_proj.lora_b": TURNED,
    },
    "lm_head, which is not a linear projection in a block": {"lm_head.lora_a": ONES, "lm_head.lora_b": TURNED},
    "model.embed_tokens, which is not a linear projection": {
        "model.embed_tokens.lora_a": ONES, "model.embed_tokens.lora_b": TURNED,
    },
    "input_layernorm, which is not a linear projection": {
        "model.layers.0.input_layernorm.lora_a": ONES, "model.layers.0.input_layernorm.lora_b": TURNED,
    },
    "holds model.layers.1.self_attn.q_proj.m, which is not a factor": changed(**{f"{Q}.m": np.ones(64, np.float32)}),
    "holds model.layers.0.mlp.up_proj.weight, which is not a factor": changed(
        model__layers__0__mlp__up_proj__weight=np.ones((96, 64), np.float32)
    ),
    "do not fit each other: (64, 4) and (8, 64)": {f"{Q}.lora_a": ONES, f"{Q}.lora_b": np.ones((8, 64), np.float32)},
    "do not fit each other: (2, 64, 4)": {f"{Q}.lora_a": np.ones((2, 64, 4), np.float32), f"{Q}.lora_b": TURNED},
    "has rank 0": {f"{Q}.lora_a": np.ones((64, 0), np.float32), f"{Q}.lora_b": np.ones((0, 64), np.float32)},
    "only one of the two factors of model.layers.1.self_attn.q_proj": {f"{Q}.lora_a": ONES},
    "weights that are not finite numbers": {f"{Q}.lora_a": ONES * np.float32(np.nan), f"{Q}.lora_b": TURNED},
    "q_proj has weights that are not finite": {f"{Q}.lora_a": ONES, f"{Q}.lora_b": TURNED * np.float32(np.inf)},
    "lora_a is stored as uint32": {f"{Q}.lora_a": np.ones((64, 4), np.uint32), f"{Q}.lora_b": TURNED},
    "holds no weights": {},
}  # fmt: skip


@pytest.mark.parametrize("said", TENSORS)
def test_tensors_that_do_not_fit_are_refused_by_their_name(
    base: GgufFile, elsewhere: Elsewhere, out: Path, said: str
) -> None:
    assert said in refusal(elsewhere.mlx_lm(TENSORS[said]), base, out)


PEFT_TENSORS: dict[str, dict[str, Any]] = {
    "lora_magnitude_vector, which is not a factor": {
        "base_model.model.model.layers.1.self_attn.q_proj.lora_magnitude_vector": np.ones(64, np.float32)
    },
    "lora_embedding_A, which is not a factor": {"base_model.model.model.embed_tokens.lora_embedding_A": TURNED},
    "embed_tokens.weight, which is not a factor": {"base_model.model.model.embed_tokens.weight": ONES},
    "lm_head, which is not a linear projection": {
        "base_model.model.lm_head.lora_A.weight": TURNED, "base_model.model.lm_head.lora_B.weight": ONES,
    },
    "two tensors for factor a of": in_peft(factors(Q), adapter=".default"),
    "model.layers.1.self_attn.k_proj is (64, 64), the base's (32, 64)": {
        "base_model.model.model.layers.1.self_attn.k_proj.lora_A.weight": TURNED,
        "base_model.model.model.layers.1.self_attn.k_proj.lora_B.weight": ONES,
    },
}  # fmt: skip


@pytest.mark.parametrize("said", PEFT_TENSORS)
def test_so_are_those_of_peft(base: GgufFile, elsewhere: Elsewhere, out: Path, said: str) -> None:
    assert said in refusal(elsewhere.peft(in_peft(factors(Q)) | PEFT_TENSORS[said]), base, out)


@pytest.mark.parametrize(
    "module",
    [
        "model.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj", "vision_tower.encoder.layers.1.mlp.fc1",
        "model.visual.blocks.0.attn.qkv", "model.multi_modal_projector.linear_1", "model.audio_tower.layers.0.fc1",
        "model.embed_vision.embedding_projection", "model.embed_audio.embedding_projection",
    ],
)  # fmt: skip
def test_factors_of_what_reads_images_are_refused_by_name(
    base: GgufFile, elsewhere: Elsewhere, out: Path, module: str
) -> None:
    tensors = factors(Q) | {f"{module}.lora_a": ONES, f"{module}.lora_b": TURNED}
    for folder in (elsewhere.mlx_lm(tensors), elsewhere.peft(in_peft(tensors))):
        assert f"the adapter changes {module}, in the part of its model that reads images" in refusal(folder, base, out)


def test_the_same_module_under_two_names_is_refused(base: GgufFile, elsewhere: Elsewhere, out: Path) -> None:
    tensors = factors(Q) | renamed(factors(Q), "language_model.model.layers")
    assert "which are the same module" in refusal(elsewhere.mlx_lm(tensors), base, out)


def test_several_adapters_in_one_file_are_refused(base: GgufFile, elsewhere: Elsewhere, out: Path) -> None:
    tensors = in_peft(factors(Q), adapter=".default") | in_peft(factors(DOWN), adapter=".other")
    assert "several adapters: default, other" in refusal(elsewhere.peft(tensors), base, out)


@pytest.mark.parametrize("setting", ["rank_pattern", "alpha_pattern"])
@pytest.mark.parametrize(
    ("pattern", "said"),
    [(r"(\w|\.|\w\w|\w\w\w|\w\.)+[^\w.]", "take longer than 0.05 s"), ("q" * 2_000, "a pattern of 2000 letters")],
)
def test_patterns_of_a_stranger_are_bounded(
    base: GgufFile, elsewhere: Elsewhere, out: Path, monkeypatch: pytest.MonkeyPatch,
    setting: str, pattern: str, said: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(peft, "PATTERNS_S", 0.05)
    folder = elsewhere.peft(in_peft(factors(Q, DOWN)), **{setting: {pattern: 4}})
    assert said in refusal(folder, base, out)


def test_a_pattern_that_took_exponentially_long_is_matched_at_once(
    base: GgufFile, elsewhere: Elsewhere, out: Path
) -> None:
    folder = elsewhere.peft(in_peft(factors(Q, DOWN)), rank_pattern={r"([\w.]+)*#": 4})
    assert import_adapter(folder, base, out).modules == 2


def test_a_scale_that_makes_weights_infinite_is_refused(base: GgufFile, elsewhere: Elsewhere, out: Path) -> None:
    folder = elsewhere.peft(in_peft(factors(Q, DOWN)), alpha_pattern={"q_proj": 1e300})
    assert "too large with its scale" in refusal(folder, base, out)


def _header(**tensors: Any) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text


def replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "no folder": ("is not there", lambda folder: folder.rename(folder.with_name("moved"))),
    "no configuration": ("has no file adapter_config.json", lambda f: (f / "adapter_config.json").unlink()),
    "no weights": ("has no file adapters.safetensors", lambda f: (f / "adapters.safetensors").unlink()),
    "empty weights": ("adapters.safetensors is empty", lambda f: (f / "adapters.safetensors").write_bytes(b"")),
    "garbage": ("is not a safetensors file", lambda f: (f / "adapters.safetensors").write_bytes(b"nothing like it")),
    "cut short": (
        "cut short", lambda f: (f / "adapters.safetensors").write_bytes((f / "adapters.safetensors").read_bytes()[:-99])
    ),
    "a lying header": (
        "larger than the file",
        lambda f: (f / "adapters.safetensors").write_bytes(
            _header(x={"dtype": "F32", "shape": [1 << 31, 1 << 31, 1 << 2], "data_offsets": [0, 0]})
        ),
    ),
    "a broken configuration": ("is not JSON", lambda f: (f / "adapter_config.json").write_text("{")),
    "a nested configuration": ("is not JSON", lambda f: (f / "adapter_config.json").write_text("[" * 100_000)),
    "a list": ("is not a JSON object", lambda f: (f / "adapter_config.json").write_text("[]")),
    "binary": ("is not JSON", lambda f: (f / "adapter_config.json").write_bytes(bytes(range(256)))),
    "too much": ("are the most that is read", lambda f: (f / "adapter_config.json").write_bytes(b" " * (2 << 20))),
    "a folder in place of a file": (
        "has no file adapters.safetensors",
        lambda f: replace_by_folder(f / "adapters.safetensors"),
    ),
    "an old format": (
        "adapters.npz is an old format", lambda f: (f / "adapters.safetensors").rename(f / "adapters.npz")
    ),
    "another's weights": (
        "has no file adapters.safetensors",
        lambda f: (f / "adapters.safetensors").rename(f / "adapter_model.safetensors"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_by_the_file(base: GgufFile, elsewhere: Elsewhere, out: Path, damage: str) -> None:
    folder = elsewhere.mlx_lm(factors(Q))
    said, do = DAMAGE[damage]
    do(folder)
    assert said in refusal(folder, base, out)


@pytest.mark.parametrize("configured", [True, False])
def test_weights_in_another_form_are_told_by_their_file(
    base: GgufFile, elsewhere: Elsewhere, out: Path, configured: bool
) -> None:
    folder, name = elsewhere.peft(in_peft(factors(Q))), "adapter_model-00001-of-00003.safetensors"
    (folder / "adapter_model.safetensors").rename(folder / name)
    if not configured:
        (folder / "adapter_config.json").unlink()
    assert f"{name} is one part of several" in refusal(folder, base, out)


@pytest.mark.parametrize("configured", [True, False])
def test_weights_that_are_no_gguf_are_told_by_their_file(
    base: GgufFile, elsewhere: Elsewhere, out: Path, configured: bool
) -> None:
    folder = elsewhere.peft(in_peft(factors(Q)))
    (folder / "adapter_model.safetensors").rename(folder / "news-lora.gguf")
    if not configured:
        (folder / "adapter_config.json").unlink()
    assert "news-lora.gguf is not a GGUF file" in refusal(folder, base, out)


def test_a_pickle_is_never_opened(base: GgufFile, elsewhere: Elsewhere, out: Path) -> None:
    folder = elsewhere.peft(in_peft(factors(Q)))
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(InputError, match=r"adapter_model\.bin is a pickle, which can run code") as caught:
        import_adapter(folder, base, out)
    assert "convert" in caught.value.hint
    assert "safetensors" in caught.value.hint


def test_a_file_is_not_a_folder(base: GgufFile, out: Path, elsewhere: Elsewhere) -> None:
    weights = elsewhere.mlx_lm(factors(Q)) / "adapters.safetensors"
    assert "is a file; an adapter is given by its folder" in refusal(weights, base, out)


# Its files.


def test_the_digest_is_of_both_files(elsewhere: Elsewhere) -> None:
    digests = {find_adapter(elsewhere.mlx_lm(factors(Q))).digest()}
    digests.add(find_adapter(elsewhere.mlx_lm(factors(Q, seed=2))).digest())
    digests.add(find_adapter(elsewhere.mlx_lm(factors(Q), num_layers=1)).digest())
    assert len(digests) == 3
    assert find_adapter(elsewhere.mlx_lm(factors(Q))).digest() in digests
    assert all(digest.startswith("sha256:") for digest in digests)


def test_only_the_two_files_are_copied_and_links_become_files(elsewhere: Elsewhere, tmp_path: Path, out: Path) -> None:
    folder = elsewhere.mlx_lm(factors(Q))
    (folder / "README.md").write_text("about")
    (folder / "adapters.safetensors").rename(tmp_path / "blob")
    (folder / "adapters.safetensors").symlink_to(tmp_path / "blob")
    files = find_adapter(folder)
    files.copy_to(out)
    copies = sorted(out.iterdir())
    assert [copy.name for copy in copies] == ["adapter_config.json", "adapters.safetensors"]
    assert [(copy.is_symlink(), copy.stat().st_mode & 0o777) for copy in copies] == [(False, 0o600)] * 2
    assert find_adapter(out).digest() == files.digest()


def test_too_little_disk_is_said_before_copying(
    elsewhere: Elsewhere, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = find_adapter(elsewhere.mlx_lm(factors(Q)))
    monkeypatch.setattr(adapter_files, "SPARE_BYTES", 1 << 60)
    with pytest.raises(StageError, match="GB free"):
        files.copy_to(out)
    assert list(out.iterdir()) == []


def test_ranks_that_would_be_filled_up_to_very_much_are_refused(
    base: GgufFile, elsewhere: Elsewhere, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapterd.merging.exchange.import_adapter.MOST_FILLED_BYTES", 1_000)
    more = {f"model.layers.{block}.{name}": 0 for block in (0, 1) for name in SHAPES}
    tensors = factors(*more, rank=1) | factors(V, rank=200)
    assert "has rank 200, far more than others" in refusal(elsewhere.mlx_lm(tensors), base, out)
