"""Adapters as llama.cpp has them, a GGUF: what fits becomes one of ours, what does not is refused by a sentence."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from adapterd.base.gguf.ggml import quantize
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.lora_gguf import write_lora
from adapterd.errors import AdapterdError, InputError
from adapterd.formats.adapter_files import AdapterFormat, find_adapter
from adapterd.merging.exchange.import_adapter import ImportedAdapter, import_adapter
from adapterd.merging.updates import read_adapter
from adapterd.runs.plan import GivenAdapter
from adapterd.runs.version_numbers import Increment
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tolerances import assert_same_product

Array = np.ndarray[Any, Any]
Q, DOWN = "blk.1.attn_q.weight", "blk.0.ffn_down.weight"
SHAPES = {Q: (64, 64), DOWN: (64, 96)}
"""(out, in)"""
RANK, ALPHA = 4, 8.0


@pytest.fixture(scope="module")
def base_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("base") / "llama.gguf")


@pytest.fixture
def base(base_path: Path) -> GgufFile:
    return GgufFile.open(base_path)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


def factors(*tensors: str, rank: int = RANK) -> dict[str, Array]:
    """Random factors under llama.cpp's names: (rank, in) and (out, rank)."""
    random, made = np.random.default_rng(1), {}
    for tensor in tensors:
        rows, columns = SHAPES.get(tensor, (64, 64))
        made[f"{tensor}.lora_a"] = random.standard_normal((rank, columns)).astype(np.float32)
        made[f"{tensor}.lora_b"] = random.standard_normal((rows, rank)).astype(np.float32)
    return made


def write(
    path: Path, tensors: Mapping[str, Array], changes: Mapping[str, Any] | None = None, *, architecture: str = "llama"
) -> Path:
    """As convert_lora_to_gguf.py does; `changes` replace metadata, None leaves it out."""
    said = {"general.type": "adapter", "adapter.type": "lora", "adapter.lora.alpha": ALPHA} | dict(changes or {})
    with closing(gguf.GGUFWriter(path, architecture)) as writer:
        for key, value in said.items():
            if isinstance(value, str):
                writer.add_string(key, value)
            elif isinstance(value, list):
                writer.add_array(key, value)
            elif value is not None:
                writer.add_float32(key, value)
        for name, value in tensors.items():
            writer.add_tensor(name, value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    return path


def refusal(source: Path, base: GgufFile, out: Path) -> str:
    with pytest.raises(AdapterdError) as caught:
        import_adapter(source, base, out)
    assert not list(out.iterdir()), "nothing is left behind"
    return f"{caught.value} — {caught.value.hint}"


@pytest.mark.parametrize(("alpha", "scale"), [(ALPHA, ALPHA / RANK), (0.0, 1.0), (None, 1.0)])
def test_the_update_is_the_product_of_the_factors_by_their_scale(
    base: GgufFile, tmp_path: Path, out: Path, alpha: float | None, scale: float
) -> None:
    tensors = factors(Q, DOWN)
    path = write(tmp_path / "news.gguf", tensors, {"adapter.lora.alpha": alpha})
    assert import_adapter(path, base, out) == ImportedAdapter("gguf", modules=2, layers=2, rank=RANK, reordered=0)
    made = {update.tensor: update.delta() for update in read_adapter(out, base)}
    assert made.keys() == {Q, DOWN}
    for tensor, delta in made.items():
        assert_same_product(delta, tensors[f"{tensor}.lora_b"], tensors[f"{tensor}.lora_a"], scale)


@pytest.mark.parametrize("architecture", ["qwen3", "gemma3", "phi3", "olmo2"])
def test_tensors_of_every_family_are_found_by_their_names(tmp_path: Path, out: Path, architecture: str) -> None:
    base = GgufFile.open(write_tiny_gguf(tmp_path / "base.gguf", architecture=architecture))
    tensor = "blk.1.attn_output.weight"
    rows, columns = base.tensors[tensor].shape
    a, b = np.ones((RANK, columns), np.float32), np.ones((rows, RANK), np.float32)
    write_lora(tmp_path / "lora.gguf", architecture, [(tensor, a, b)])
    assert import_adapter(tmp_path / "lora.gguf", base, out).modules == 1
    assert [update.tensor for update in read_adapter(out, base)] == [tensor]


@pytest.mark.parametrize("type_name", ["F16", "BF16", "Q8_0"])
def test_factors_of_other_types_are_taken(base: GgufFile, tmp_path: Path, out: Path, type_name: str) -> None:
    """convert_lora_to_gguf.py can write them so, where the rows are whole blocks."""
    tensors = factors(Q, rank=32)
    with closing(gguf.GGUFWriter(tmp_path / "lora.gguf", "llama")) as writer:
        writer.add_string("general.type", "adapter")
        writer.add_string("adapter.type", "lora")
        kind = gguf.GGMLQuantizationType[type_name]
        for name, value in tensors.items():
            writer.add_tensor(name, quantize(value, type_name), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    import_adapter(tmp_path / "lora.gguf", base, out)
    (update,) = read_adapter(out, base)
    wanted = tensors[f"{Q}.lora_b"] @ tensors[f"{Q}.lora_a"]
    assert 0 < np.abs(update.delta() - wanted).max() < 0.02 * np.abs(wanted).max()


def test_it_is_found_in_its_folder_and_copied_under_a_name_of_ours(base: GgufFile, tmp_path: Path, out: Path) -> None:
    folder, copy = tmp_path / "downloads", tmp_path / "copy"
    folder.mkdir()
    path = write(folder / "état --final.gguf", factors(Q))
    found = find_adapter(folder)
    assert (found.format, found.weights, found.config) == (AdapterFormat.GGUF, path, None)
    assert found.digest() == find_adapter(path).digest()
    GivenAdapter(path, found.digest(), Increment.PATCH).copy_to(copy)
    assert [file.name for file in copy.iterdir()] == ["adapter.gguf"]
    assert import_adapter(copy, base, out).modules == 1
    (folder / "another.gguf").write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"has 2 GGUFs: another\.gguf, état --final\.gguf"):
        find_adapter(folder)


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "a model": ("is a GGUF of a whole 'model', not of an adapter", {"general.type": "model"}),
    "no type": ("is a GGUF of a whole 'model', not of an adapter", {"general.type": None}),
    "a projector": ("is a GGUF of a whole 'mmproj', not of an adapter", {"general.type": "mmproj"}),
    "a control vector": ("is of the type 'control_vector'", {"adapter.type": "control_vector"}),
    "no adapter's type": ("is of the type None", {"adapter.type": None}),
    "activated": ("works only after certain tokens", {"adapter.alora.invocation_tokens": [1, 2]}),
    "alpha is text": ("adapter.lora.alpha is '8', which is not a number", {"adapter.lora.alpha": "8"}),
    "alpha is no number": ("adapter.lora.alpha is nan", {"adapter.lora.alpha": float("nan")}),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_not_plain_lora_for_the_base_is_refused(base: GgufFile, tmp_path: Path, out: Path, fault: str) -> None:
    said, changes = REFUSED[fault]
    assert said in refusal(write(tmp_path / "lora.gguf", factors(Q), changes), base, out)


def test_an_adapter_for_another_family_is_refused(base: GgufFile, tmp_path: Path, out: Path) -> None:
    path = write(tmp_path / "lora.gguf", factors(Q), architecture="qwen2")
    assert "is for the architecture 'qwen2', the base's is 'llama'" in refusal(path, base, out)


TENSORS = {
    "of a block that is not there": (factors("blk.7.attn_q.weight"), "changes model.layers.7.self_attn.q_proj, which"),
    "of a tensor that is not there": (factors("blk.0.ffn_moon.weight"), "'blk.0.ffn_moon.weight', and the base has no"),
    "of a bias": (factors("blk.0.attn_q.bias"), "'blk.0.attn_q.bias', and the base has no such matrix"),
    "of the embedding": (factors("token_embd.weight"), "is not a linear projection in a block"),
    "of a norm": (factors("blk.0.attn_norm.weight"), "is not a linear projection in a block"),
    "of another width": ({f"{Q}.lora_a": np.ones((4, 96), "f4"), f"{Q}.lora_b": np.ones((64, 4), "f4")}, "(64, 96)"),
    "alone": ({f"{Q}.lora_a": np.ones((4, 64), "f4")}, "has only one of the two factors"),
    "of different ranks": (
        {f"{Q}.lora_a": np.ones((4, 64), "f4"), f"{Q}.lora_b": np.ones((64, 8), "f4")}, "do not fit each other",
    ),
    "no factor": (factors(Q) | {Q: np.ones((64, 64), "f4")}, f"holds {Q}, which is not a factor of LoRA"),
    "no numbers": (factors(Q) | {f"{Q}.lora_b": np.full((64, 4), np.nan, "f4")}, "not finite"),
    "none": ({}, "holds no weights"),
}  # fmt: skip


@pytest.mark.parametrize("fault", TENSORS)
def test_tensors_that_do_not_fit_are_named(base: GgufFile, tmp_path: Path, out: Path, fault: str) -> None:
    tensors, said = TENSORS[fault]
    assert said in refusal(write(tmp_path / "lora.gguf", tensors), base, out)


def test_a_block_that_only_guesses_ahead_gets_no_adapter(tmp_path: Path, out: Path) -> None:
    base = GgufFile.open(write_tiny_gguf(tmp_path / "base.gguf", architecture="qwen35", ahead=1))
    last = max(int(name.split(".")[1]) for name in base.tensors if name.startswith("blk."))
    tensor = f"blk.{last}.ffn_down.weight"
    rows, columns = base.tensors[tensor].shape
    a, b = np.ones((RANK, columns), np.float32), np.ones((rows, RANK), np.float32)
    write_lora(tmp_path / "lora.gguf", "qwen35", [(tensor, a, b)])
    assert "which the base does not have" in refusal(tmp_path / "lora.gguf", base, out)


def test_types_that_grow_when_they_are_read_are_refused(base: GgufFile, tmp_path: Path, out: Path) -> None:
    kind = gguf.GGMLQuantizationType.Q4_0
    with closing(gguf.GGUFWriter(tmp_path / "lora.gguf", "llama")) as writer:
        writer.add_string("general.type", "adapter")
        writer.add_string("adapter.type", "lora")
        for name, value in factors(Q, rank=32).items():
            writer.add_tensor(name, quantize(value, "Q4_0"), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    assert "is stored as Q4_0 — write it as one of F32" in refusal(tmp_path / "lora.gguf", base, out)


def test_a_file_of_another_program_beside_a_pickle_is_no_adapter(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (tmp_path / "adapter_model.bin").write_bytes(b"x")
    write(tmp_path / "model.gguf", factors(Q), {"general.type": "model"})
    with pytest.raises(InputError, match="is a pickle"):
        find_adapter(tmp_path)


@pytest.mark.parametrize("damage", ["cut short", "no GGUF", "empty", "in its head"])
def test_a_damaged_file_is_told_by_its_name(base: GgufFile, tmp_path: Path, out: Path, damage: str) -> None:
    path = write(tmp_path / "news.gguf", factors(Q))
    whole = path.read_bytes()
    damaged = {"cut short": whole[:-100], "no GGUF": b"x" * 100, "empty": b"", "in its head": whole[:40]}
    path.write_bytes(damaged[damage])
    assert "news.gguf is" in refusal(path, base, out)


def test_a_base_is_no_adapter(base: GgufFile, base_path: Path, out: Path) -> None:
    assert "adapterctl init NAME --base FILE.gguf" in refusal(base_path, base, out)
