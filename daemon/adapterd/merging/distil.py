"""The second step of a merge: tune what the format leaves continuous, codes fixed, towards base + adapter.

Error feedback makes each layer's output right for itself; what errors do together shows only at the top. So the scales
and minimums of the touched tensors (float16 in the file) and the norm gains of the touched blocks (float32) are trained
for a few dozen steps to bring what the candidate says nearer to what base + adapter says (Hinton et al. 2015,
arXiv:1503.02531). They are trained relative to themselves, as their sizes differ by orders of magnitude.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np

from adapterd.base.architectures import Architecture
from adapterd.base.mlx.blocks import Blocks
from adapterd.base.mlx.model import project
from adapterd.base.mlx.weights import put_weights, trained_weights
from adapterd.merging.draft import Draft
from adapterd.merging.hessian import Calibration, block_of, put

SCALE_RATE = 3e-4
GAIN_RATE = 1e-5
JUDGE_EVERY = 16
PATIENCE = 2
ENOUGH_NATS = 2e-4
"""Nearer is not worth a step: llama.cpp on a CPU, where activations are rounded to 8 bits, is off by 1e-3 itself."""
SEED = 0
FINEST_BLOCK = 32
"""Values for which a type has one float16 at the most."""
TINY = 1e-12
GAIN_TYPE = "F32"
SPARING_BYTES = 2 << 30
"""Of weights as fp32: beyond, blocks are computed again for the gradients instead of keeping what they computed."""

Report = Callable[[float], object]


@dataclass
class Distillation:
    """How it went: `curve` has (step, KL(base + adapter ‖ candidate) over the watched batches) from step 0 on.

    This is MLX's, in fp32, and serves to stop in time; what a merge is judged by is llama.cpp's.
    """

    curve: list[tuple[int, float]]
    kept_step: int = 0
    misses: int = 0

    def judge(self, step: int, distance: float) -> bool:
        """Note the distance after a step; whether it is the least so far."""
        least = min(value for _, value in self.curve)
        self.curve.append((step, distance))
        self.kept_step, self.misses = (step, 0) if distance < least else (self.kept_step, self.misses + 1)
        return distance < least

    @property
    def near_enough(self) -> bool:
        """Whether more would not show."""
        return min(value for _, value in self.curve) < ENOUGH_NATS

    @property
    def hopeless(self) -> bool:
        """Whether it did not get nearer for so long that it will not."""
        return self.misses >= PATIENCE


def distil(
    draft: Draft,
    architecture: Architecture,
    calibration: Calibration,
    watched: int,
    *,
    steps: int,
    report: Report = lambda _: None,
) -> Distillation:
    """Tune the draft's scales, minimums and gains, and write them into it; `report` gets the share done, 0…1.

    The last `watched` batches of the calibration are not learned from: they tell when to stop. The same arguments give
    the same file on a CPU.
    """
    student = _Student(draft, architecture, calibration, watched)
    with student.in_place() as blocks:
        outcome = _train(student, blocks, steps, report)
    student.write(draft)
    return outcome


class GridLinear(nn.Module):  # type: ignore[misc]
    """A linear layer whose codes are fixed and whose scales and minimums may change, each by a share of itself.

    `scale` and `minimum` are these shares, (rows, blocks, 1, 1), one for each float16 of the file. They are counted in
    units that change the weights by as much as they are large: where a group has a minimum, its codes begin at 0, and
    scale and minimum are far larger than the weights, of which they are the difference. Adam moves all of them by about
    the same per step; so units are larger where there are fewer, one for 256 weights and not for 32. It stands in for
    `plain`, of which a bias is used.
    """

    def __init__(self, draft: Draft, tensor: str, plain: nn.Module) -> None:
        super().__init__()
        grid, codes = draft.unpack(tensor)
        rows, groups = grid.scale.shape
        blocks = draft.blocks_in_a_row(tensor)
        shape = (rows, blocks, -1)
        self._shape = codes.shape
        self._plain = plain
        self._codes = mx.array(codes.astype(np.int8)).reshape(*shape[:2], groups // shape[1], grid.group)
        self._scale = mx.array(grid.scale).reshape(*shape, 1)
        self.scale = mx.zeros((*shape[:2], 1, 1))
        scaled = self._scale * self._codes.astype(mx.float32)
        reach = math.sqrt(self._shape[1] / blocks / FINEST_BLOCK)
        self._units = {"scale": reach}
        if draft.has_minimums(tensor):
            self._minimum = mx.array(grid.minimum).reshape(*shape, 1)
            self.minimum = mx.zeros((*shape[:2], 1, 1))
            size = _size(scaled + self._minimum)
            self._units = {"scale": reach * size / _size(scaled), "minimum": reach * size / _size(self._minimum)}

    def weight(self) -> mx.array:
        """The values of the tensor, (rows, columns) fp32."""
        values = self._scale * self._factor("scale") * self._codes.astype(mx.float32)
        if "minimum" in self:
            values = values + self._minimum * self._factor("minimum")
        return values.reshape(self._shape)

    def _factor(self, name: str) -> mx.array:
        factor: mx.array = 1 + self._units[name] * self[name]
        return factor

    def __call__(self, inputs: mx.array) -> mx.array:
        outputs = inputs @ self.weight().astype(inputs.dtype).T
        return outputs + self._plain.bias if "bias" in self._plain else outputs

    @property
    def size(self) -> int:
        """How many values the tensor has."""
        return math.prod(self._shape)

    def factors(self) -> list["np.ndarray[Any, Any]"]:
        """What the file's float16 numbers are to be multiplied by: one (rows, blocks) for scales, one for minimums."""
        return [np.array(self._factor(name)[..., 0, 0]) for name in self._units]


def _size(values: mx.array) -> float:
    """Root mean square, never quite 0."""
    return max(float(mx.sqrt(mx.square(values).mean())), TINY)


class Gain(nn.Module):  # type: ignore[misc]
    """A norm whose gains change, each by a share of itself."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self._norm = norm
        self.gain = mx.zeros(norm.weight.shape)

    def __call__(self, inputs: mx.array) -> mx.array:
        # In fp32, where a share of 1e-5 is not rounded away.
        normed: mx.array = self._norm(inputs.astype(mx.float32)) * (1 + self.gain)
        return normed.astype(inputs.dtype)


class _Student:
    """The candidate as a model that can be trained from its first touched block on."""

    def __init__(self, draft: Draft, architecture: Architecture, calibration: Calibration, watched: int) -> None:
        self.model = calibration.source.model
        self.calibration = calibration
        own = dict(self.model.named_modules())
        grids = {module: tensor for module, tensor in calibration.modules.items() if draft.has_grid(tensor)}
        self.linears = {tensor: (module, GridLinear(draft, tensor, own[module])) for module, tensor in grids.items()}
        touched = sorted(set(map(block_of, calibration.modules)))
        norms = [pair for block in touched for pair in architecture.norms(block)]
        self.gains = {
            tensor: (module, Gain(own[module])) for tensor, module in norms if draft.type_of(tensor) == GAIN_TYPE
        }
        self._merged = {module: tensor for module, tensor in calibration.modules.items() if module not in grids}
        self._draft = draft
        count = len(calibration.batches)
        self.learned, self.watched = range(count - watched), range(count - watched, count)

    @contextmanager
    def in_place(self) -> Iterator[Blocks]:
        """Within, the model has the candidate's layers, only these can be trained, and only the upper blocks run."""
        own = dict(self.model.named_modules())
        first, end = self.calibration.first, len(self.model.layers)
        layers = dict([*self.linears.values(), *self.gains.values()])
        replaced = {f"{module}.weight" for module, _ in self.linears.values()}
        with self.calibration.source.loaded(first, end, without=replaced):
            for module, tensor in self._merged.items():
                own[module].weight = mx.array(self._draft.values(tensor))
            put(self.model, layers)
            try:
                with Blocks.only(self.model, first, gradient_checkpointing=self.weight_bytes > SPARING_BYTES) as blocks:
                    yield blocks
            finally:
                put(self.model, {name: own[name] for name in layers})

    @property
    def weight_bytes(self) -> int:
        """What all touched weights take as fp32."""
        return sum(4 * linear.size for _, linear in self.linears.values())

    def loss(self, blocks: Blocks, batch: int) -> mx.array:
        """Mean KL(base + adapter ‖ candidate) over the completion positions of a batch, in nats."""
        given, calibration = self.calibration.batches[batch], self.calibration
        states = blocks.run(given.ids, calibration.entering[batch])
        distances = divergence(self.model, calibration.said[batch], given.of_completion(states))
        mean: mx.array = distances.mean()
        return mean

    def distance(self, blocks: Blocks) -> float:
        """The loss over all tokens of the watched batches."""
        sizes = [self.calibration.batches[batch].completion.size for batch in self.watched]
        losses = [float(self.loss(blocks, batch)) for batch in self.watched]
        return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)

    def parameters(self) -> dict[str, mx.array]:
        """A copy of what is trained, by name."""
        return {name: mx.array(value) for name, value in trained_weights(self.model).items()}

    def write(self, draft: Draft) -> None:
        """Put what was learned into the draft."""
        for tensor, (_, linear) in self.linears.items():
            draft.rescale(tensor, linear.factors())
        for tensor, (_, gain) in self.gains.items():
            draft.replace(tensor, (draft.base.values(tensor) * np.array(1 + gain.gain)).astype("<f4").tobytes())


def _train(student: _Student, blocks: Blocks, steps: int, report: Report) -> Distillation:
    """Adam with a cosine to zero, judged every few steps; leaves the student as it was at its best."""
    rates = (optim.cosine_decay(rate, steps) for rate in (GAIN_RATE, SCALE_RATE))
    optimizer = optim.MultiOptimizer(
        [optim.Adam(rate, bias_correction=True) for rate in rates], [lambda name, _: name.endswith("gain")]
    )
    step_of = nn.value_and_grad(student.model, lambda _, batch: student.loss(blocks, batch))
    outcome = Distillation([(0, student.distance(blocks))])
    best = student.parameters()
    if outcome.near_enough:
        return outcome
    random = np.random.default_rng(SEED)
    order: list[int] = []
    for step in range(1, steps + 1):
        order = order or random.permutation(student.learned).tolist()
        _, gradients = step_of(student.model, order.pop())
        optimizer.update(student.model, gradients)
        mx.eval(student.model.trainable_parameters(), optimizer.state)
        mx.clear_cache()
        if step % JUDGE_EVERY == 0 or step == steps:
            if outcome.judge(step, student.distance(blocks)):
                best = student.parameters()
            if outcome.near_enough or outcome.hopeless:
                break
        report(step / steps)
    put_weights(student.model, best)
    return outcome


def divergence(model: nn.Module, wanted: mx.array, found: mx.array) -> mx.array:
    """KL(wanted ‖ found) in nats of two sets of states (tokens, width) behind the final norm: (tokens,).

    Written so that few passes go over the vocabulary: Σ p·(wanted - found) - log Σ exp wanted + log Σ exp found.
    """
    wanted, found = (project(model, states).astype(mx.float32) for states in (wanted, found))
    crossed = (mx.softmax(wanted, axis=-1) * (wanted - found)).sum(-1)
    distances: mx.array = crossed - mx.logsumexp(wanted, axis=-1) + mx.logsumexp(found, axis=-1)
    return distances
