"""Merging a real file: matched to the base tensor by tensor, and nothing left behind when it fails."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import llama_cpp
import mlx.core as mx
import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import InputError, StageError
from adapterd.formats.encoded import EncodedExample
from adapterd.merging import merge as merging
from adapterd.merging.candidate_file import CandidateFile
from adapterd.merging.examples import MergeExamples
from adapterd.merging.merge import MergeResult, merge
from adapterd.merging.retention import measure_retention
from adapterd.merging.verify import compare_tensors
from tests.support.tiny_adapter import SAMPLES, few_words, save_factors, touched_tensors, write_adapter
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tolerances import rounding

PROJECTIONS, NORMS = 7, 2
"""Of a block of llama's."""
STEPS = 4
Q = "model.layers.1.self_attn.q_proj"
K_QUANTS = {"Q4_K", "Q5_K", "Q6_K", "IQ4_XS"}
"""Types of super-blocks of 256."""


def tiny(folder: Path, type_name: str = "Q4_0", **options: Any) -> Path:
    sizes = {"hidden": 256, "ffn": 256, "layers": 1} if type_name in K_QUANTS else {}
    return write_tiny_gguf(folder / "base.gguf", type_name=type_name, **(sizes | options))


def merged(
    base: Path,
    *,
    examples: MergeExamples | None = SAMPLES,
    steps: int = STEPS,
    name: str = "candidate.gguf",
    more: dict[str, Any] | None = None,
    **adapter: Any,
) -> MergeResult:
    """Merge a random adapter, by default on the top one of two blocks; `more` goes to `merge`."""
    folder = write_adapter(base.parent / "adapter", base, **adapter)
    return merge(base, folder, base.parent / name, examples=examples, steps=steps, **(more or {}))


def kept(result: MergeResult) -> float:
    assert result.retention is not None
    assert result.retention.kept is not None
    return result.retention.kept


def changed(base: Path, candidate: Path) -> set[str]:
    ours, theirs = GgufFile.open(base), GgufFile.open(candidate)
    return {name for name in ours.tensors if ours.raw(name).tobytes() != theirs.raw(name).tobytes()}


def only_the_arguments_are_in(folder: Path) -> bool:
    return {path.name for path in folder.iterdir()} == {"base.gguf", "adapter"}


@pytest.mark.parametrize("type_name", ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", *sorted(K_QUANTS)])
def test_a_file_on_a_grid_is_matched_to_the_base(tmp_path: Path, type_name: str) -> None:
    base = tiny(tmp_path, type_name)
    result = merged(base, blocks=(0,))
    assert result.tensors.matches
    assert (result.touched, result.gptq_tensors) == (PROJECTIONS, PROJECTIONS)
    assert result.tensors.untouched == result.tensors.total - PROJECTIONS - NORMS
    assert changed(base, result.candidate) <= {
        *touched_tensors(base, [0]), "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight",
    }  # fmt: skip
    assert result.distillation is not None
    assert result.attempts == 1
    assert kept(result) > 0


@pytest.mark.parametrize(("type_name", "loss"), [("F32", 1e-4), ("F16", 1e-3), ("BF16", 0.03)])
def test_without_a_grid_nothing_is_distilled_and_nearly_all_is_kept(
    tmp_path: Path, type_name: str, loss: float
) -> None:
    base = tiny(tmp_path, type_name)
    result = merged(base)
    assert result.tensors.matches
    assert changed(base, result.candidate) == set(touched_tensors(base, [1]))
    assert (result.touched, result.gptq_tensors, result.distillation) == (PROJECTIONS, 0, None)
    assert kept(result) == pytest.approx(1, abs=loss)


@pytest.mark.parametrize(("type_name", "bits"), [("F32", 24), ("F16", 11), ("BF16", 8)])
def test_without_a_grid_the_tensors_are_base_plus_update(tmp_path: Path, type_name: str, bits: int) -> None:
    base = tiny(tmp_path, type_name)
    candidate = GgufFile.open(merged(base, examples=None).candidate)
    weights: Any = mx.load(str(tmp_path / "adapter" / "adapters.safetensors"))
    name = "model.layers.1.mlp.down_proj"
    update = 2.0 * (np.array(weights[f"{name}.lora_a"]) @ np.array(weights[f"{name}.lora_b"])).T
    wanted = GgufFile.open(base).values("blk.1.ffn_down.weight") + update
    half_a_step = 2.0**-bits * np.abs(wanted).max()
    bound = half_a_step + rounding(4 + 2) * np.abs(wanted).max()  # of the update, of which the rank is 4
    assert np.abs(candidate.values("blk.1.ffn_down.weight") - wanted).max() <= bound


def test_the_file_is_private_and_as_large_as_the_base(tmp_path: Path) -> None:
    base = tiny(tmp_path)
    result = merged(base)
    assert result.size_bytes == result.candidate.stat().st_size == base.stat().st_size
    assert result.candidate.stat().st_mode & 0o777 == 0o600
    tensors = GgufFile.open(base).tensors
    norms = [tensors[f"blk.1.{name}_norm.weight"] for name in ("attn", "ffn")]
    touched = [tensors[name] for name in touched_tensors(base, [1])]
    assert result.written_bytes == sum(tensor.size_bytes for tensor in [*touched, *norms])
    assert {path.name for path in tmp_path.iterdir()} == {"base.gguf", "adapter", "candidate.gguf"}


def test_retention_rises_from_rounding_to_gptq_to_distillation(tmp_path: Path) -> None:
    base = tiny(tmp_path, "Q4_1")
    examples = MergeExamples(few_words(24), few_words(8, seed=6))
    plain, compensated, distilled = (
        merged(base, examples=given, steps=steps, blocks=(0, 1))
        for given, steps in ((replace(examples, train=()), 0), (examples, 0), (examples, 32))
    )
    assert (plain.gptq_tensors, compensated.gptq_tensors) == (0, 2 * PROJECTIONS)
    assert compensated.distillation is None
    assert kept(compensated) > kept(plain) + 0.2
    assert kept(distilled) > kept(compensated) + 0.02


def test_without_steps_norms_and_scales_are_the_bases(tmp_path: Path) -> None:
    base = tiny(tmp_path)
    result = merged(base, steps=0)
    assert changed(base, result.candidate) == set(touched_tensors(base, [1]))
    ours, theirs = (CandidateFile(GgufFile.open(base), path) for path in (base, result.candidate))
    for tensor in touched_tensors(base, [1]):
        np.testing.assert_array_equal(ours.unpack(tensor)[0].scale, theirs.unpack(tensor)[0].scale)


@pytest.fixture
def kept_by_attempt(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], None]:
    """Have the first and the second attempt keep so much, whatever they do."""

    def say(*kept_each: float) -> None:
        answers = iter(kept_each)
        monkeypatch.setattr(
            merging, "measure_retention", lambda *given: replace(measure_retention(*given), kept=next(answers))
        )

    return say


def test_too_little_kept_is_tried_once_more_with_twice_of_everything(
    tmp_path: Path, kept_by_attempt: Callable[[float, float], None]
) -> None:
    base = tiny(tmp_path)
    kept_by_attempt(0.8, 0.9)
    result = merged(base, more={"min_retention": 1.0})
    assert (result.attempts, kept(result)) == (2, 0.9)
    assert result.distillation is not None
    assert result.distillation.curve[-1][0] == 2 * STEPS
    assert result.tensors.matches


def test_a_second_attempt_begins_with_the_base_again(
    tmp_path: Path, kept_by_attempt: Callable[[float, float], None]
) -> None:
    base = tiny(tmp_path)
    once = merged(base, steps=2 * STEPS, name="once.gguf")
    kept_by_attempt(0.8, 0.9)
    assert merged(base, more={"min_retention": 1.0}).digest == once.digest


def test_the_better_attempt_stays(tmp_path: Path, kept_by_attempt: Callable[[float, float], None]) -> None:
    base = tiny(tmp_path)
    once = merged(base, name="once.gguf")
    kept_by_attempt(0.9, 0.8)
    result = merged(base, more={"min_retention": 1.0})
    assert (result.attempts, kept(result)) == (2, 0.9)
    assert result.digest == once.digest
    assert result.distillation == once.distillation


def test_nothing_is_left_of_the_first_attempt(tmp_path: Path) -> None:
    base = tiny(tmp_path)
    before = set(tmp_path.rglob("*"))
    result = merged(base, more={"min_retention": 1.0})
    assert result.attempts == 2
    assert {path.suffix for path in set(tmp_path.rglob("*")) - before} <= {"", ".gguf", ".json", ".safetensors"}


def test_merge_that_a_second_attempt_could_not_improve_is_tried_once(tmp_path: Path) -> None:
    assert merged(tiny(tmp_path, "F16"), more={"min_retention": 1.0}).attempts == 1


def test_without_held_out_examples_there_is_no_retention(tmp_path: Path) -> None:
    result = merged(tiny(tmp_path), examples=MergeExamples(SAMPLES.train), more={"min_retention": 1.0})
    assert (result.retention, result.attempts) == (None, 1)
    assert result.distillation is not None


def test_without_training_examples_rounding_is_plain_but_measured(tmp_path: Path) -> None:
    result = merged(tiny(tmp_path), examples=MergeExamples(held_out=SAMPLES.held_out))
    assert (result.gptq_tensors, result.distillation) == (0, None)
    assert result.retention is not None
    assert result.retention.tokens == sum(len(example.completion) for example in SAMPLES.held_out)


def test_merging_twice_gives_the_same_file(tmp_path: Path) -> None:
    base = tiny(tmp_path, "Q4_1")
    assert merged(base).digest == merged(base).digest


@pytest.mark.parametrize("min_retention", [0.0, 1.0])
@pytest.mark.parametrize("type_name", ["Q4_0", "F16"])
def test_progress_rises_to_one(tmp_path: Path, type_name: str, min_retention: float) -> None:
    shares, doing = [], []

    def report(share: float, **more: Any) -> None:
        shares.append(share)
        doing.append(more["doing"])

    merged(tiny(tmp_path, type_name), more={"report": report, "min_retention": min_retention})
    assert shares == sorted(shares)
    assert (shares[0] > 0, shares[-1]) == (True, 1.0)
    wanted = {"measuring retention", "checking the file"}
    assert set(doing) == wanted | ({"rounding"} if type_name == "F16" else {"GPTQ", "distilling"})


@pytest.mark.parametrize(
    ("blocks", "only"),
    [
        pytest.param((0,), (), id="the lowest block"),
        pytest.param((2,), (), id="the top block"),
        pytest.param((0, 2), (), id="blocks that are not adjacent"),
        pytest.param((0, 1, 2), (), id="all blocks"),
        pytest.param((1,), ("attn_q",), id="one projection"),
        pytest.param((0, 1), ("attn_v", "ffn_down"), id="projections with inputs of their own"),
    ],
)
def test_an_adapter_may_touch_any_part(tmp_path: Path, blocks: tuple[int, ...], only: tuple[str, ...]) -> None:
    base = tiny(tmp_path, "Q8_0", layers=3)
    result = merged(base, blocks=blocks, only=only)
    touched = touched_tensors(base, blocks, only)
    assert (result.touched, result.gptq_tensors) == (len(touched), len(touched))
    assert result.tensors.untouched == result.tensors.total - len(touched) - NORMS * len(blocks)
    assert result.tensors.matches
    assert kept(result) > 0.5


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "gemma2", "gemma3", "phi3"])
def test_every_architecture_can_be_calibrated_and_distilled(tmp_path: Path, architecture: str) -> None:
    base = tiny(tmp_path, "Q8_0", architecture=architecture)
    result = merged(base)
    assert result.tensors.matches
    assert result.distillation is not None
    assert kept(result) > 0.5
    touched = {*touched_tensors(base, [1]), *(name for name in norms(base) if name.startswith("blk.1."))}
    assert changed(base, result.candidate) <= touched


def norms(base: Path) -> list[str]:
    return [name for name in GgufFile.open(base).tensors if name.endswith("_norm.weight")]


def test_biases_are_part_of_what_is_distilled(tmp_path: Path) -> None:
    """Were they left out, the student would say something else from the start."""
    base = tiny(tmp_path, "Q8_0", architecture="qwen2", biases=("attn_q", "attn_k", "attn_v"))
    distillation = merged(base, steps=1).distillation
    assert distillation is not None
    assert distillation.curve[0][1] < 0.002


def test_tensors_without_a_grid_among_others_are_distilled_as_merged(tmp_path: Path) -> None:
    """Were they the base's, the student would say something else from the start."""
    result = merged(tiny(tmp_path, "Q8_0", types={"attn_v": "F16", "ffn_down": "F16"}), steps=1)
    assert (result.touched, result.gptq_tensors) == (PROJECTIONS, PROJECTIONS - 2)
    assert result.distillation is not None
    assert result.distillation.curve[0][1] < 0.002


@pytest.mark.parametrize(
    "train",
    [
        pytest.param(few_words(1), id="a single example"),
        pytest.param([few_words(1, length=length)[0] for length in (30, 7, 12, 40, 8)], id="differing lengths"),
        pytest.param(few_words(3, prompt_tokens=1), id="a prompt of one token"),
        pytest.param(few_words(3, prompt_tokens=15), id="a completion of one token"),
        pytest.param(few_words(2, length=2, prompt_tokens=1), id="the shortest there are"),
    ],
)
def test_examples_may_have_any_length(tmp_path: Path, train: list[EncodedExample]) -> None:
    result = merged(tiny(tmp_path, "Q8_0"), examples=MergeExamples(train, train))
    assert result.gptq_tensors == PROJECTIONS
    assert kept(result) > 0.5
    assert result.distillation is not None
    assert all(np.isfinite(distance) for _, distance in result.distillation.curve)


def test_the_base_is_not_touched(tmp_path: Path) -> None:
    base = tiny(tmp_path)
    before = base.read_bytes()
    merged(base)
    assert base.read_bytes() == before


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({Q: (96, 64)}, "made for another base"),
        ({"model.layers.1.self_attn.sinks": (64, 64)}, "which the base does not have"),
        ({"model.layers.7.self_attn.q_proj": (64, 64)}, "which the base does not have"),
    ],
)
def test_an_adapter_for_another_base_is_refused(tmp_path: Path, shapes: dict[str, tuple[int, ...]], said: str) -> None:
    base, adapter = tiny(tmp_path), save_factors(tmp_path / "adapter", shapes)
    with pytest.raises(InputError, match=said):
        merge(base, adapter, tmp_path / "candidate.gguf", examples=SAMPLES)
    assert only_the_arguments_are_in(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "not safetensors", "no scale"])
def test_an_unreadable_adapter_is_refused_by_its_folder(tmp_path: Path, damage: str) -> None:
    base = tiny(tmp_path)
    folder = write_adapter(tmp_path / "adapter", base)
    if damage == "missing":
        (folder / "adapters.safetensors").unlink()
    elif damage == "no scale":
        (folder / "adapter_config.json").write_text("{}")
    else:
        (folder / "adapters.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=str(folder)):
        merge(base, folder, tmp_path / "candidate.gguf")


def test_too_little_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "SPARE_BYTES", 1 << 60)
    with pytest.raises(StageError, match="GB free"):
        merged(tiny(tmp_path))
    assert only_the_arguments_are_in(tmp_path)


def disk_full(*_: Any, **__: Any) -> Any:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "full",
    ["adapterd.system.files._copy", "adapterd.merging.candidate_file.CandidateFile.write",
     "adapterd.merging.candidate_file.CandidateFile.rescale", "adapterd.merging.candidate_file.CandidateFile.sync",
     "adapterd.base.gguf.lora_gguf.gguf.GGUFWriter.write_tensors_to_file", "adapterd.merging.merge.compare_tensors"],
)  # fmt: skip
def test_a_disk_that_fills_up_half_way_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    base = tiny(tmp_path)
    monkeypatch.setattr("adapterd.system.files._clone_blocks", lambda *_: False)
    monkeypatch.setattr(full, disk_full)
    with pytest.raises(OSError, match="No space"):
        merged(base)
    assert only_the_arguments_are_in(tmp_path)


@pytest.mark.parametrize(
    ("function", "answer", "error"),
    [
        ("llama_model_load_from_file", None, InputError),
        ("llama_adapter_lora_init", None, InputError),
        ("llama_init_from_model", None, StageError),
        ("llama_set_adapters_lora", 1, StageError),
        ("llama_decode", 1, StageError),
    ],
)
def test_a_failure_of_llama_cpp_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, answer: Any, error: type[Exception]
) -> None:
    base = tiny(tmp_path)
    monkeypatch.setattr(llama_cpp, function, lambda *_: answer)
    with pytest.raises(error, match=r"llama\.cpp"):
        merged(base)
    assert only_the_arguments_are_in(tmp_path)


@pytest.mark.parametrize("when", ["GPTQ", "distilling", "measuring retention", "checking the file"])
def test_an_interruption_leaves_nothing(tmp_path: Path, when: str) -> None:
    def interrupt(_: float, doing: str) -> None:
        if doing == when:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        merged(tiny(tmp_path), more={"report": interrupt})
    assert only_the_arguments_are_in(tmp_path)


def test_files_of_a_killed_merge_are_removed(tmp_path: Path) -> None:
    base = tiny(tmp_path)
    for name in ("candidate.gguf", "candidate.partial", "candidate.lora"):
        (tmp_path / name).write_text("half")
    result = merged(base)
    assert {path.name for path in tmp_path.iterdir()} == {"base.gguf", "adapter", "candidate.gguf"}
    assert result.tensors.matches


@pytest.mark.parametrize("tensor", ["blk.0.attn_q.weight", "blk.0.attn_norm.weight", "output_norm.weight"])
def test_a_changed_byte_outside_the_touched_tensors_is_noticed(tmp_path: Path, tensor: str) -> None:
    base = tiny(tmp_path)
    result, file = merged(base), GgufFile.open(base)
    touched = [*touched_tensors(base, [1]), *(name for name in norms(base) if name.startswith("blk.1."))]
    assert compare_tensors(file, result.candidate, touched).matches
    with result.candidate.open("r+b") as candidate:
        candidate.seek(file.tensors[tensor].offset_bytes)
        candidate.write(b"\xff")
    report = compare_tensors(file, result.candidate, touched)
    assert report.untouched - report.untouched_identical == 1
    assert not report.matches
