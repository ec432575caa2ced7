"""Tuning what the format leaves continuous: nearer to base + adapter, and nothing else is touched."""

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
from adapterd.base.gguf.grids import rescale
from adapterd.base.mlx.model import BlockwiseModel, hidden_states, load_mlx_model, project
from adapterd.merging import distil as distilling
from adapterd.merging.blockwise_merge import calibrate
from adapterd.merging.distil import Distillation, Gain, GridLinear, distil, divergence
from adapterd.merging.draft import Draft
from adapterd.merging.examples import batches
from adapterd.merging.hessian import Calibration
from adapterd.merging.updates import read_adapter
from tests.support.tiny_adapter import few_words, touched_tensors, write_adapter
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tolerances import assert_close, rounding, through_blocks

LEARNED, WATCHED = few_words(8), few_words(3, seed=6)
DOWN = "blk.1.ffn_down.weight"


@dataclass(frozen=True)
class Merge:
    """An adapter on the top block of a tiny model, and the base as the draft: the codes are not the matter here."""

    draft: Draft
    adapter: Path

    @classmethod
    def begin(cls, folder: Path, **options: Any) -> "Merge":
        folder.mkdir(exist_ok=True)
        base = write_tiny_gguf(folder / "base.gguf", **({"type_name": "Q4_1"} | options))
        shutil.copyfile(base, folder / "draft.gguf")
        return cls(Draft(GgufFile.open(base), folder / "draft.gguf"), write_adapter(folder / "adapter", base))

    def distil(self, steps: int = 12, report: Any = lambda _: None) -> Distillation:
        learned, watched = (list(batches(each, tokens=64)) for each in (LEARNED, WATCHED))
        base = self.draft.base
        calibration = Calibration(
            BlockwiseModel(base, dtype=mx.float32), base, read_adapter(self.adapter, base), [*learned, *watched]
        )
        for _ in calibration.moments():
            pass
        return distil(self.draft, architecture_of(base), calibration, len(watched), steps=steps, report=report)

    @property
    def norms(self) -> dict[str, str]:
        return dict(architecture_of(self.draft.base).norms(1))

    @property
    def touched(self) -> list[str]:
        return touched_tensors(self.draft.base.path, [1])


@pytest.fixture
def merge(tmp_path: Path) -> Merge:
    return Merge.begin(tmp_path)


def distance(merge: Merge, file: Path) -> float:
    """KL(base + adapter ‖ file) over the watched completions, with mlx-lm's whole models."""
    from mlx_lm.tuner.utils import load_adapters

    adapted = load_adapters(load_mlx_model(merge.draft.base, dtype=mx.float32), str(merge.adapter))
    adapted.eval()
    found = load_mlx_model(GgufFile.open(file), dtype=mx.float32)
    (batch,) = batches(WATCHED, tokens=10_000)
    logits = [project(model, batch.of_completion(hidden_states(model, batch.ids))) for model in (adapted, found)]
    wanted, found_logits = (np.array(each - mx.logsumexp(each, axis=-1, keepdims=True), np.float64) for each in logits)
    return float((np.exp(wanted) * (wanted - found_logits)).sum(-1).mean())


def test_the_candidate_comes_nearer_to_base_and_adapter(merge: Merge) -> None:
    before = distance(merge, merge.draft.path)
    outcome = merge.distil()
    assert outcome.curve[0][0] == 0
    assert outcome.curve[0][1] == pytest.approx(before, rel=1e-3)
    assert outcome.kept_step > 0
    assert dict(outcome.curve)[outcome.kept_step] < 0.98 * before


def test_the_file_says_what_the_student_said(merge: Merge) -> None:
    """But for what float16 rounds away."""
    outcome = merge.distil()
    said = dict(outcome.curve)[outcome.kept_step]
    assert distance(merge, merge.draft.path) == pytest.approx(said, rel=0.05)


@pytest.mark.parametrize(
    "options",
    [
        {"type_name": "Q4_0"}, {"type_name": "Q5_0"}, {"type_name": "Q5_1"}, {"type_name": "Q8_0"},
        {"type_name": "Q4_K", "hidden": 256, "ffn": 256}, {"type_name": "Q6_K", "hidden": 256, "ffn": 256},
        {"architecture": "qwen2"}, {"architecture": "qwen3"}, {"architecture": "gemma3"}, {"architecture": "phi3"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)  # fmt: skip
def test_of_every_type_and_architecture_too(tmp_path: Path, options: dict[str, Any]) -> None:
    merge = Merge.begin(tmp_path, **options)
    outcome = merge.distil(steps=4)
    assert distance(merge, merge.draft.path) == pytest.approx(dict(outcome.curve)[outcome.kept_step], rel=0.05)
    assert outcome.curve[-1][1] < outcome.curve[0][1]


def test_codes_stay_and_scales_minimums_and_gains_move_a_little(merge: Merge) -> None:
    before = {tensor: merge.draft.unpack(tensor) for tensor in merge.touched}
    merge.distil()
    assert merge.draft.changed == {*merge.touched, *merge.norms}
    for tensor, (grid, codes) in before.items():
        after, same = merge.draft.unpack(tensor)
        np.testing.assert_array_equal(same, codes)
        for found, was in ((after.scale, grid.scale), (after.minimum, grid.minimum)):
            assert (found != was).any()
            np.testing.assert_allclose(found, was, rtol=0.05)
    gains = GgufFile.open(merge.draft.path)
    for norm in merge.norms:
        assert (gains.values(norm) != merge.draft.base.values(norm)).any()
        np.testing.assert_allclose(gains.values(norm), merge.draft.base.values(norm), rtol=0.01)


def test_the_same_arguments_give_the_same_file(tmp_path: Path) -> None:
    files = []
    for name in ("one", "other"):
        merge = Merge.begin(tmp_path / name)
        merge.distil(steps=4)
        files.append(merge.draft.path.read_bytes())
    assert files[0] == files[1]


def test_computing_blocks_again_for_gradients_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curves = []
    for sparing_bytes in (1 << 40, 0):
        monkeypatch.setattr(distilling, "SPARING_BYTES", sparing_bytes)
        curves.append(Merge.begin(tmp_path / str(sparing_bytes)).distil(steps=4).curve)
    for plain, sparing in zip(*curves, strict=True):
        assert plain[0] == sparing[0]
        # In nats, of logits of this size; steps along slightly other gradients add nothing of the kind.
        assert sparing[1] == pytest.approx(plain[1], rel=0, abs=rounding(4 * through_blocks(2)) * 10)


def test_the_share_done_rises_to_one(merge: Merge) -> None:
    shares: list[float] = []
    merge.distil(steps=4, report=shares.append)
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_without_steps_the_grid_is_the_bases(merge: Merge) -> None:
    updates = read_adapter(merge.adapter, merge.draft.base)
    assert calibrate(merge.draft, updates, LEARNED, steps=0, report=lambda *_, **__: None) is None
    assert merge.draft.changed == set(merge.touched)
    for tensor in merge.touched:
        np.testing.assert_array_equal(merge.draft.unpack(tensor)[0].scale, merge.draft.base_grid(tensor)[0].scale)


def test_steps_that_lead_away_are_not_kept(merge: Merge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distilling, "SCALE_RATE", 0.5)
    monkeypatch.setattr(distilling, "JUDGE_EVERY", 1)
    outcome = merge.distil(steps=8)
    assert (outcome.kept_step, outcome.curve[-1][0]) == (0, distilling.PATIENCE)
    assert merge.draft.path.read_bytes() == merge.draft.base.path.read_bytes()


def test_an_interruption_leaves_the_model_as_it_was(merge: Merge) -> None:
    base = merge.draft.base
    source = BlockwiseModel(base, dtype=mx.float32)
    before = [(name, type(module)) for name, module in source.model.named_modules()]
    given = list(batches(LEARNED, tokens=10_000))
    calibration = Calibration(source, base, read_adapter(merge.adapter, base), [*given, *given])
    for _ in calibration.moments():
        pass

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distil(merge.draft, architecture_of(base), calibration, 1, steps=4, report=interrupt)
    assert [(name, type(module)) for name, module in source.model.named_modules()] == before
    assert merge.draft.changed == set()


def grid_linears(merge: Merge) -> Iterator[tuple[str, GridLinear]]:
    model = load_mlx_model(merge.draft.base, dtype=mx.float32)
    named = dict(model.named_modules())
    for tensor in merge.touched:
        yield tensor, GridLinear(merge.draft, tensor, named[architecture_of(merge.draft.base).module(tensor)])


@pytest.mark.parametrize("type_name", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"])
def test_a_layer_on_a_grid_has_the_values_of_the_file(tmp_path: Path, type_name: str) -> None:
    merge = Merge.begin(tmp_path, type_name=type_name, **({"hidden": 256, "ffn": 256} if "K" in type_name else {}))
    for tensor, linear in grid_linears(merge):
        grid, codes = merge.draft.unpack(tensor)
        size = grid.values(np.abs(codes)).max() + 2 * np.abs(grid.minimum).max()  # of scale · code and minimum each
        assert_close(linear.weight(), merge.draft.base.values(tensor), 4, size)
        linear.update(
            {name: mx.random.uniform(-0.1, 0.1, linear[name].shape) for name in linear.trainable_parameters()}
        )
        merge.draft.rescale(tensor, linear.factors())
        found, wanted = GgufFile.open(merge.draft.path).values(tensor), np.array(linear.weight())
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=2e-3 * np.abs(wanted).max())


def test_a_layer_on_a_grid_computes_what_the_plain_one_does(tmp_path: Path) -> None:
    merge = Merge.begin(tmp_path, architecture="qwen2", biases=("attn_q", "attn_k", "attn_v"))
    named = dict(load_mlx_model(merge.draft.base, dtype=mx.float32).named_modules())
    for tensor, linear in grid_linears(merge):
        inputs = mx.random.normal((2, 3, merge.draft.base.tensors[tensor].shape[1]), key=mx.random.key(0))
        plain = named[architecture_of(merge.draft.base).module(tensor)]
        size = np.abs(np.array(inputs)) @ np.abs(merge.draft.base.values(tensor)).T
        assert_close(linear(inputs), plain(inputs), inputs.shape[-1] + 4, size + 4)


def test_factors_are_what_the_file_has_to_be_multiplied_with(merge: Merge) -> None:
    linear = dict(grid_linears(merge))[DOWN]
    raw = merge.draft.base.raw(DOWN).reshape(64, -1)
    scales, minimums = linear.factors()
    assert scales.shape == minimums.shape == (64, 3)
    np.testing.assert_array_equal(rescale(raw, [scales, minimums], "Q4_1"), raw)
    linear.scale = linear.scale + 0.25
    assert len(set(linear.factors()[0].flat)) == 1
    assert 1 < linear.factors()[0][0, 0] < 1.25
    np.testing.assert_array_equal(linear.factors()[1], 1.0)


@pytest.mark.parametrize("name", ["scale", "minimum"])
def test_a_share_is_counted_in_the_size_of_the_weights(merge: Merge, name: str) -> None:
    linear = dict(grid_linears(merge))[DOWN]
    before = np.array(linear.weight())
    linear[name] = linear[name] + 0.25
    change = np.array(linear.weight()) - before
    assert np.sqrt(np.mean(change**2)) == pytest.approx(0.25 * np.sqrt(np.mean(before**2)), rel=1e-3)


def test_only_shares_are_trained(merge: Merge) -> None:
    assert set(dict(grid_linears(merge))[DOWN].trainable_parameters()) == {"scale", "minimum"}
    assert set(Gain(nn.RMSNorm(8)).trainable_parameters()) == {"gain"}


def test_a_gain_multiplies_what_the_norm_gives() -> None:
    norm, inputs = nn.RMSNorm(8), mx.random.normal((2, 8), key=mx.random.key(0))
    gain = Gain(norm)
    np.testing.assert_array_equal(np.array(gain(inputs)), np.array(norm(inputs)))
    gain.gain = mx.full((8,), 0.5)
    assert_close(gain(inputs), 1.5 * np.array(norm(inputs)), 4)


def test_divergence_is_kullbacks_and_leiblers(merge: Merge) -> None:
    model = load_mlx_model(merge.draft.base, dtype=mx.float32)
    states = [mx.random.normal((5, 64), key=mx.random.key(seed)) for seed in range(2)]
    logits = [np.array(project(model, each), np.float64) for each in states]
    wanted, found = (each - np.log(np.exp(each).sum(-1, keepdims=True)) for each in logits)
    expected = (np.exp(wanted) * (wanted - found)).sum(-1)
    # Logits are sums of 64 terms, and their exponentials are added up over the vocabulary.
    terms, size = 2 * 64 + logits[0].shape[-1], max(float(np.abs(each).max()) for each in logits)
    assert_close(divergence(model, *states), expected, terms, size)
    assert_close(divergence(model, states[0], states[0]), np.zeros(5), terms, size)


def test_the_least_distance_is_kept_and_patience_ends() -> None:
    outcome = Distillation([(0, 1.0)])
    assert [outcome.judge(step, distance) for step, distance in ((1, 0.5), (2, 0.6), (3, 0.4))] == [True, False, True]
    assert (outcome.kept_step, outcome.hopeless) == (3, False)
    for step in range(4, 4 + distilling.PATIENCE):
        assert not outcome.hopeless
        assert not outcome.judge(step, 0.4)
    assert (outcome.kept_step, outcome.hopeless) == (3, True)


def test_a_distance_that_is_no_number_is_never_kept() -> None:
    outcome = Distillation([(0, 1.0)])
    assert not outcome.judge(1, float("nan"))
    assert outcome.judge(2, 0.9)
    assert outcome.kept_step == 2
