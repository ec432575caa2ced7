"""Distillation: scales, minimums and norm weights come nearer to base + adapter, and nothing else changes."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

from adapterd.base.architectures import architecture_of
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.quants import rescale
from adapterd.base.mlx.model import BlockwiseModel, hidden_states, load_mlx_model, project
from adapterd.merging import distil as distilling
from adapterd.merging.blockwise_merge import gptq_then_distil
from adapterd.merging.candidate_file import CandidateFile
from adapterd.merging.distil import Distillation, TunableNorm, TunableScalesLinear, distil, kl_of_states
from adapterd.merging.examples import batches
from adapterd.merging.hessian import Calibration
from adapterd.merging.updates import read_adapter
from tests.support.tiny_adapter import few_words, touched_tensors, write_adapter
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tolerances import assert_close, rounding, through_blocks

TRAIN, VALIDATION = few_words(8), few_words(3, seed=6)
DOWN = "blk.1.ffn_down.weight"


@dataclass(frozen=True)
class Merge:
    """An adapter on the top block of a tiny model, whose candidate file has the base's quants."""

    candidate: CandidateFile
    adapter: Path

    @classmethod
    def begin(cls, folder: Path, **options: Any) -> "Merge":
        folder.mkdir(exist_ok=True)
        base = write_tiny_gguf(folder / "base.gguf", **({"type_name": "Q4_1"} | options))
        shutil.copyfile(base, folder / "candidate.gguf")
        return cls(
            CandidateFile(GgufFile.open(base), folder / "candidate.gguf"), write_adapter(folder / "adapter", base)
        )

    def distil(self, steps: int = 12, report: Any = lambda _: None) -> Distillation:
        train, validation = (list(batches(each, tokens=64)) for each in (TRAIN, VALIDATION))
        base = self.candidate.base
        calibration = Calibration(
            BlockwiseModel(base, dtype=mx.float32), base, read_adapter(self.adapter, base), [*train, *validation]
        )
        for _ in calibration.run():
            pass
        return distil(self.candidate, architecture_of(base), calibration, len(validation), steps=steps, report=report)

    @property
    def norms(self) -> dict[str, str]:
        return dict(architecture_of(self.candidate.base).norms(1))

    @property
    def touched(self) -> list[str]:
        return touched_tensors(self.candidate.base.path, [1])


@pytest.fixture
def merge(tmp_path: Path) -> Merge:
    return Merge.begin(tmp_path)


def distance(merge: Merge, file: Path) -> float:
    """KL(base + adapter ‖ file) over the validation completions, with mlx-lm's whole models."""
    from mlx_lm.tuner.utils import load_adapters

    adapted = load_adapters(load_mlx_model(merge.candidate.base, dtype=mx.float32), str(merge.adapter))
    adapted.eval()
    found = load_mlx_model(GgufFile.open(file), dtype=mx.float32)
    (batch,) = batches(VALIDATION, tokens=10_000)
    logits = [project(model, batch.of_completion(hidden_states(model, batch.ids))) for model in (adapted, found)]
    wanted, found_logits = (np.array(each - mx.logsumexp(each, axis=-1, keepdims=True), np.float64) for each in logits)
    return float((np.exp(wanted) * (wanted - found_logits)).sum(-1).mean())


def test_distillation_lowers_the_kl_divergence_from_base_and_adapter(merge: Merge) -> None:
    before = distance(merge, merge.candidate.path)
    outcome = merge.distil()
    assert outcome.curve[0][0] == 0
    assert outcome.curve[0][1] == pytest.approx(before, rel=1e-3)
    assert outcome.best_step > 0
    assert dict(outcome.curve)[outcome.best_step] < 0.98 * before


def test_written_file_has_the_divergence_of_the_student(merge: Merge) -> None:
    """But for what float16 rounds away."""
    outcome = merge.distil()
    expected = dict(outcome.curve)[outcome.best_step]
    assert distance(merge, merge.candidate.path) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    "options",
    [
        {"type_name": "Q4_0"}, {"type_name": "Q5_0"}, {"type_name": "Q5_1"}, {"type_name": "Q8_0"},
        {"type_name": "Q4_K", "hidden": 256, "ffn": 256}, {"type_name": "Q6_K", "hidden": 256, "ffn": 256},
        {"type_name": "IQ4_NL"}, {"type_name": "IQ4_XS", "hidden": 256, "ffn": 256},
        {"architecture": "qwen2"}, {"architecture": "qwen3"}, {"architecture": "gemma3"}, {"architecture": "phi3"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)  # fmt: skip
def test_distillation_works_for_every_type_and_architecture(tmp_path: Path, options: dict[str, Any]) -> None:
    merge = Merge.begin(tmp_path, **options)
    outcome = merge.distil(steps=4)
    assert distance(merge, merge.candidate.path) == pytest.approx(dict(outcome.curve)[outcome.best_step], rel=0.05)
    assert outcome.curve[-1][1] < outcome.curve[0][1]


def test_distillation_keeps_quants_and_moves_scales_minimums_and_norms_a_little(merge: Merge) -> None:
    before = {tensor: merge.candidate.unpack(tensor) for tensor in merge.touched}
    merge.distil()
    assert merge.candidate.changed == {*merge.touched, *merge.norms}
    for tensor, (scales, quants) in before.items():
        after, same = merge.candidate.unpack(tensor)
        np.testing.assert_array_equal(same, quants)
        for found, was in ((after.scale, scales.scale), (after.minimum, scales.minimum)):
            assert (found != was).any()
            np.testing.assert_allclose(found, was, rtol=0.05)
    written = GgufFile.open(merge.candidate.path)
    for norm in merge.norms:
        assert (written.values(norm) != merge.candidate.base.values(norm)).any()
        np.testing.assert_allclose(written.values(norm), merge.candidate.base.values(norm), rtol=0.01)


def test_distillation_is_deterministic(tmp_path: Path) -> None:
    files = []
    for name in ("one", "other"):
        merge = Merge.begin(tmp_path / name)
        merge.distil(steps=4)
        files.append(merge.candidate.path.read_bytes())
    assert files[0] == files[1]


def test_gradient_checkpointing_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curves = []
    for limit in (1 << 40, 0):
        monkeypatch.setattr(distilling, "CHECKPOINTING_BYTES", limit)
        curves.append(Merge.begin(tmp_path / str(limit)).distil(steps=4).curve)
    for plain, checkpointed in zip(*curves, strict=True):
        assert plain[0] == checkpointed[0]
        # In nats, of logits of this size; steps along slightly other gradients add nothing of the kind.
        assert checkpointed[1] == pytest.approx(plain[1], rel=0, abs=rounding(4 * through_blocks(2)) * 10)


def test_reported_share_rises_to_one(merge: Merge) -> None:
    shares: list[float] = []
    merge.distil(steps=4, report=shares.append)
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_scales_without_distillation_steps_are_those_of_the_base(merge: Merge) -> None:
    updates = read_adapter(merge.adapter, merge.candidate.base)
    assert gptq_then_distil(merge.candidate, updates, TRAIN, steps=0, report=lambda *_, **__: None) is None
    assert merge.candidate.changed == set(merge.touched)
    for tensor in merge.touched:
        np.testing.assert_array_equal(
            merge.candidate.unpack(tensor)[0].scale, merge.candidate.unpack_base(tensor)[0].scale
        )


def test_steps_that_raise_the_divergence_are_discarded(merge: Merge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distilling, "SCALE_RATE", 0.5)
    monkeypatch.setattr(distilling, "VALIDATE_EVERY", 1)
    outcome = merge.distil(steps=8)
    assert (outcome.best_step, outcome.curve[-1][0]) == (0, distilling.PATIENCE)
    assert merge.candidate.path.read_bytes() == merge.candidate.base.path.read_bytes()


def test_interrupted_distillation_leaves_the_model_unchanged(merge: Merge) -> None:
    base = merge.candidate.base
    source = BlockwiseModel(base, dtype=mx.float32)
    before = [(name, type(module)) for name, module in source.model.named_modules()]
    given = list(batches(TRAIN, tokens=10_000))
    calibration = Calibration(source, base, read_adapter(merge.adapter, base), [*given, *given])
    for _ in calibration.run():
        pass

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distil(merge.candidate, architecture_of(base), calibration, 1, steps=4, report=interrupt)
    assert [(name, type(module)) for name, module in source.model.named_modules()] == before
    assert merge.candidate.changed == set()


def tunable_linears(merge: Merge) -> Iterator[tuple[str, TunableScalesLinear]]:
    model = load_mlx_model(merge.candidate.base, dtype=mx.float32)
    named = dict(model.named_modules())
    for tensor in merge.touched:
        yield (
            tensor,
            TunableScalesLinear(merge.candidate, tensor, named[architecture_of(merge.candidate.base).module(tensor)]),
        )


@pytest.mark.parametrize(
    "type_name", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]
)
def test_tunable_linear_has_the_weights_of_the_file(tmp_path: Path, type_name: str) -> None:
    merge = Merge.begin(
        tmp_path, type_name=type_name, **({"hidden": 256, "ffn": 256} if "_K" in type_name or "XS" in type_name else {})
    )
    for tensor, linear in tunable_linears(merge):
        scales, quants = merge.candidate.unpack(tensor)
        size = (
            scales.dequantize(np.abs(quants)).max() + 2 * np.abs(scales.minimum).max()
        )  # of scale · code and minimum each
        assert_close(linear.weight(), merge.candidate.base.values(tensor), 4, size)
        linear.update(
            {name: mx.random.uniform(-0.1, 0.1, linear[name].shape) for name in linear.trainable_parameters()}
        )
        merge.candidate.rescale(tensor, linear.factors())
        found, wanted = GgufFile.open(merge.candidate.path).values(tensor), np.array(linear.weight())
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=2e-3 * np.abs(wanted).max())


def test_tunable_linear_computes_what_the_plain_layer_does(tmp_path: Path) -> None:
    merge = Merge.begin(tmp_path, architecture="qwen2", biases=("attn_q", "attn_k", "attn_v"))
    named = dict(load_mlx_model(merge.candidate.base, dtype=mx.float32).named_modules())
    for tensor, linear in tunable_linears(merge):
        inputs = mx.random.normal((2, 3, merge.candidate.base.tensors[tensor].shape[1]), key=mx.random.key(0))
        plain = named[architecture_of(merge.candidate.base).module(tensor)]
        size = np.abs(np.array(inputs)) @ np.abs(merge.candidate.base.values(tensor)).T
        assert_close(linear(inputs), plain(inputs), inputs.shape[-1] + 4, size + 4)


def test_factors_of_a_tunable_linear_rescale_the_file(merge: Merge) -> None:
    linear = dict(tunable_linears(merge))[DOWN]
    raw = merge.candidate.base.raw(DOWN).reshape(64, -1)
    scales, minimums = linear.factors()
    assert scales.shape == minimums.shape == (64, 3)
    np.testing.assert_array_equal(rescale(raw, [scales, minimums], "Q4_1"), raw)
    linear.scale = linear.scale + 0.25
    assert len(set(linear.factors()[0].flat)) == 1
    assert 1 < linear.factors()[0][0, 0] < 1.25
    np.testing.assert_array_equal(linear.factors()[1], 1.0)


@pytest.mark.parametrize("name", ["scale", "minimum"])
def test_relative_change_is_in_units_of_the_weights_size(merge: Merge, name: str) -> None:
    linear = dict(tunable_linears(merge))[DOWN]
    before = np.array(linear.weight())
    linear[name] = linear[name] + 0.25
    change = np.array(linear.weight()) - before
    assert np.sqrt(np.mean(change**2)) == pytest.approx(0.25 * np.sqrt(np.mean(before**2)), rel=1e-3)


def test_only_relative_changes_are_trainable(merge: Merge) -> None:
    assert set(dict(tunable_linears(merge))[DOWN].trainable_parameters()) == {"scale", "minimum"}
    assert set(TunableNorm(nn.RMSNorm(8)).trainable_parameters()) == {"gain"}


def test_tunable_norm_scales_the_output_of_the_norm() -> None:
    norm, inputs = nn.RMSNorm(8), mx.random.normal((2, 8), key=mx.random.key(0))
    tunable = TunableNorm(norm)
    np.testing.assert_array_equal(np.array(tunable(inputs)), np.array(norm(inputs)))
    tunable.gain = mx.full((8,), 0.5)
    assert_close(tunable(inputs), 1.5 * np.array(norm(inputs)), 4)


def test_kl_of_states_is_the_kullback_leibler_divergence(merge: Merge) -> None:
    model = load_mlx_model(merge.candidate.base, dtype=mx.float32)
    states = [mx.random.normal((5, 64), key=mx.random.key(seed)) for seed in range(2)]
    logits = [np.array(project(model, each), np.float64) for each in states]
    wanted, found = (each - np.log(np.exp(each).sum(-1, keepdims=True)) for each in logits)
    expected = (np.exp(wanted) * (wanted - found)).sum(-1)
    # Logits are sums of 64 terms, and their exponentials are added up over the vocabulary.
    terms, size = 2 * 64 + logits[0].shape[-1], max(float(np.abs(each).max()) for each in logits)
    assert_close(kl_of_states(model, *states), expected, terms, size)
    assert_close(kl_of_states(model, states[0], states[0]), np.zeros(5), terms, size)


def test_least_divergence_is_the_best_step_and_patience_ends() -> None:
    outcome = Distillation([(0, 1.0)])
    assert [outcome.add(step, distance) for step, distance in ((1, 0.5), (2, 0.6), (3, 0.4))] == [True, False, True]
    assert (outcome.best_step, outcome.has_stalled) == (3, False)
    for step in range(4, 4 + distilling.PATIENCE):
        assert not outcome.has_stalled
        assert not outcome.add(step, 0.4)
    assert (outcome.best_step, outcome.has_stalled) == (3, True)


def test_divergence_that_is_nan_is_never_the_best_step() -> None:
    outcome = Distillation([(0, 1.0)])
    assert not outcome.add(1, float("nan"))
    assert outcome.add(2, 0.9)
    assert outcome.best_step == 2
