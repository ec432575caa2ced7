"""Distillation after GPTQ: train the candidate's scales, minimums and norm weights, with the quants fixed.

GPTQ minimises the error of each layer by itself; the errors of several layers together show only in the logits. So the
scales and minimums of the touched tensors (float16 in the file) and the norm weights of the touched blocks (float32)
are trained for a few dozen steps to bring the candidate's predictions (the student's) nearer to those of base + adapter
(the teacher's; Hinton et al. 2015, arXiv:1503.02531). What is trained are relative changes, as the values themselves
differ by orders of magnitude.
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

from adapterd.base.architectures import block_of_module
from adapterd.base.families.architecture import Architecture
from adapterd.base.mlx.blocks import Blocks
from adapterd.base.mlx.model import project
from adapterd.base.mlx.weights import put_weights, trained_weights
from adapterd.merging.candidate_file import CandidateFile
from adapterd.merging.hessian import Calibration, replace_modules

SCALE_RATE = 3e-4
NORM_RATE = 1e-5
VALIDATE_EVERY = 16
PATIENCE = 4
CONVERGED_NATS = 2e-4
"""A smaller KL divergence is not worth a step: llama.cpp rounds activations to 8 bits on a CPU, which is 1e-3 off."""
SEED = 0
SMALLEST_SUPER_BLOCK = 32
"""The fewest weights that share a float16 scale in any type."""
TINY = 1e-12
NORM_TYPE = "F32"
CHECKPOINTING_BYTES = 2 << 30
"""Touched weights in fp32 beyond which gradient checkpointing is used."""

Report = Callable[[float], object]


@dataclass
class Distillation:
    """The result: `curve` has (step, KL(base + adapter ‖ candidate) over the validation batches) from step 0 on.

    It is computed by MLX in fp32 and used for early stopping only; the retention of a merge is measured by llama.cpp.
    """

    curve: list[tuple[int, float]]
    best_step: int = 0
    misses: int = 0

    def add(self, step: int, kl: float) -> bool:
        """Add the KL divergence after a step to the curve; returns whether it is the least so far."""
        least = min(value for _, value in self.curve)
        self.curve.append((step, kl))
        self.best_step, self.misses = (step, 0) if kl < least else (self.best_step, self.misses + 1)
        return kl < least

    @property
    def has_converged(self) -> bool:
        """Whether the divergence is so small that more steps would make no visible difference."""
        return min(value for _, value in self.curve) < CONVERGED_NATS

    @property
    def has_stalled(self) -> bool:
        """Whether the divergence did not fall for `PATIENCE` validations."""
        return self.misses >= PATIENCE


def distil(
    candidate: CandidateFile,
    architecture: Architecture,
    calibration: Calibration,
    validation_batches: int,
    *,
    steps: int,
    report: Report = lambda _: None,
) -> Distillation:
    """Train the candidate's scales, minimums and norm weights, and write them; `report` gets the share done, 0…1.

    The last `validation_batches` batches of the calibration are not trained on, but used for early stopping. The same
    arguments give the same file on a CPU.
    """
    student = _Student(candidate, architecture, calibration, validation_batches)
    with student.installed() as blocks:
        outcome = _train(student, blocks, steps, report)
    student.write(candidate)
    return outcome


class TunableScalesLinear(nn.Module):  # type: ignore[misc]
    """A linear layer with fixed quants and trainable relative changes of its scales and minimums.

    `scale` and `minimum` are these changes, (rows, super-blocks, 1, 1), one for each float16 number of the file. They
    are multiplied by a unit, so that a change of 1 changes the weights by their own size: in types with minimums, scale
    · quant and minimum are both far larger than the weight, which is their difference. Adam moves all parameters by
    about the same per step, so the unit is larger where one number is shared by 256 weights instead of 32. The layer
    replaces `plain`, whose bias it uses.
    """

    def __init__(self, candidate: CandidateFile, tensor: str, plain: nn.Module) -> None:
        super().__init__()
        scales, quants = candidate.unpack(tensor)
        rows, blocks = scales.scale.shape
        super_blocks = candidate.super_blocks_per_row(tensor)
        shape = (rows, super_blocks, -1)
        self._shape = quants.shape
        self._plain = plain
        self._quants = mx.array(quants.astype(np.int8)).reshape(*shape[:2], blocks // super_blocks, scales.block_size)
        self._scale = mx.array(scales.scale).reshape(*shape, 1)
        self.scale = mx.zeros((*shape[:2], 1, 1))
        scaled = self._scale * self._quants.astype(mx.float32)
        reach = math.sqrt(self._shape[1] / super_blocks / SMALLEST_SUPER_BLOCK)
        self._units = {"scale": reach}
        if candidate.has_minimums(tensor):
            self._minimum = mx.array(scales.minimum).reshape(*shape, 1)
            self.minimum = mx.zeros((*shape[:2], 1, 1))
            size = _rms(scaled + self._minimum)
            self._units = {"scale": reach * size / _rms(scaled), "minimum": reach * size / _rms(self._minimum)}

    def weight(self) -> mx.array:
        """The values of the tensor, (rows, columns) fp32."""
        values = self._scale * self._factor("scale") * self._quants.astype(mx.float32)
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
        """The factors for the file's float16 numbers, (rows, super-blocks): for the scales, then for the minimums."""
        return [np.array(self._factor(name)[..., 0, 0]) for name in self._units]


def _rms(values: mx.array) -> float:
    """Root mean square, at least `TINY`."""
    return max(float(mx.sqrt(mx.square(values).mean())), TINY)


class TunableNorm(nn.Module):  # type: ignore[misc]
    """A norm with trainable relative changes of its weights."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self._norm = norm
        self.gain = mx.zeros(norm.weight.shape)

    def __call__(self, inputs: mx.array) -> mx.array:
        # In fp32, where a share of 1e-5 is not rounded away.
        normed: mx.array = self._norm(inputs.astype(mx.float32)) * (1 + self.gain)
        return normed.astype(inputs.dtype)


class _Student:
    """The candidate as a model that is trained from its first touched block on."""

    def __init__(
        self, candidate: CandidateFile, architecture: Architecture, calibration: Calibration, validation: int
    ) -> None:
        self.model = calibration.source.model
        self.calibration = calibration
        own = dict(self.model.named_modules())
        quantized = {module: tensor for module, tensor in calibration.modules.items() if candidate.has_quants(tensor)}
        self.linears = {
            tensor: (module, TunableScalesLinear(candidate, tensor, own[module]))
            for module, tensor in quantized.items()
        }
        touched = sorted(set(map(block_of_module, calibration.modules)))
        norms = [pair for block in touched for pair in architecture.norms(block)]
        self.norms = {
            tensor: (module, TunableNorm(own[module]))
            for tensor, module in norms
            if module in own and candidate.type_of(tensor) == NORM_TYPE
        }
        self._merged = {module: tensor for module, tensor in calibration.modules.items() if module not in quantized}
        self._draft = candidate
        count = len(calibration.batches)
        self.train_batches, self.validation_batches = range(count - validation), range(count - validation, count)

    @contextmanager
    def installed(self) -> Iterator[Blocks]:
        """Put the candidate's layers into the model, where only they can be trained, and run only the upper blocks."""
        own = dict(self.model.named_modules())
        first, end = self.calibration.first, len(self.model.layers)
        layers = dict([*self.linears.values(), *self.norms.values()])
        replaced = {f"{module}.weight" for module, _ in self.linears.values()}
        with self.calibration.source.loaded(first, end, without=replaced):
            for module, tensor in self._merged.items():
                own[module].weight = mx.array(self._draft.values(tensor))
            replace_modules(self.model, layers)
            try:
                checkpointed = self.weight_bytes > CHECKPOINTING_BYTES
                with Blocks.only(self.model, first, gradient_checkpointing=checkpointed) as blocks:
                    yield blocks
            finally:
                replace_modules(self.model, {name: own[name] for name in layers})

    @property
    def weight_bytes(self) -> int:
        """What all touched weights take as fp32."""
        return sum(4 * linear.size for _, linear in self.linears.values())

    def loss(self, blocks: Blocks, batch: int) -> mx.array:
        """Mean KL(base + adapter ‖ candidate) over the completion positions of a batch, in nats."""
        given, calibration = self.calibration.batches[batch], self.calibration
        states = blocks.run(given.ids, calibration.entry_states[batch])
        distances = kl_of_states(self.model, calibration.final_states[batch], given.of_completion(states))
        mean: mx.array = distances.mean()
        return mean

    def validation_loss(self, blocks: Blocks) -> float:
        """The loss over all tokens of the validation batches."""
        sizes = [self.calibration.batches[batch].completion.size for batch in self.validation_batches]
        losses = [float(self.loss(blocks, batch)) for batch in self.validation_batches]
        return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)

    def parameters(self) -> dict[str, mx.array]:
        """A copy of what is trained, by name."""
        return {name: mx.array(value) for name, value in trained_weights(self.model).items()}

    def write(self, candidate: CandidateFile) -> None:
        """Write what was trained into the candidate's file."""
        for tensor, (_, linear) in self.linears.items():
            candidate.rescale(tensor, linear.factors())
        for tensor, (_, gain) in self.norms.items():
            candidate.write(tensor, (candidate.base.values(tensor) * np.array(1 + gain.gain)).astype("<f4").tobytes())


def _train(student: _Student, blocks: Blocks, steps: int, report: Report) -> Distillation:
    """Adam with cosine decay to zero and early stopping; leaves the student as it was at its best step."""
    rates = (optim.cosine_decay(rate, steps) for rate in (NORM_RATE, SCALE_RATE))
    optimizer = optim.MultiOptimizer(
        [optim.Adam(rate, bias_correction=True) for rate in rates], [lambda name, _: name.endswith("gain")]
    )
    step_of = nn.value_and_grad(student.model, lambda _, batch: student.loss(blocks, batch))
    outcome = Distillation([(0, student.validation_loss(blocks))])
    best = student.parameters()
    if outcome.has_converged:
        return outcome
    random = np.random.default_rng(SEED)
    order: list[int] = []
    for step in range(1, steps + 1):
        order = order or random.permutation(student.train_batches).tolist()
        _, gradients = step_of(student.model, order.pop())
        optimizer.update(student.model, gradients)
        mx.eval(student.model.trainable_parameters(), optimizer.state)
        mx.clear_cache()
        if step % VALIDATE_EVERY == 0 or step == steps:
            if outcome.add(step, student.validation_loss(blocks)):
                best = student.parameters()
            if outcome.has_converged or outcome.has_stalled:
                break
        report(step / steps)
    put_weights(student.model, best)
    return outcome


def kl_of_states(model: nn.Module, teacher: mx.array, student: mx.array) -> mx.array:
    """KL(teacher ‖ student) in nats of the predictions of two sets of states (tokens, width) after the final norm:
    (tokens,).

    Written so that few passes go over the vocabulary, with t and s for the logits: Σ p·(t - s) - log Σ eᵗ + log Σ eˢ.
    """
    wanted, found = (project(model, states).astype(mx.float32) for states in (teacher, student))
    crossed = (mx.softmax(wanted, axis=-1) * (wanted - found)).sum(-1)
    divergence: mx.array = crossed - mx.logsumexp(wanted, axis=-1) + mx.logsumexp(found, axis=-1)
    return divergence
