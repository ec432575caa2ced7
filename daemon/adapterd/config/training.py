"""The settings of a training and of the merge after it (see schema.py)."""

from dataclasses import dataclass
from typing import Annotated

from adapterd.config.annotations import Doc, Range
from adapterd.config.choices import GradientCheckpointing, Modules, Preferences, Start

Addresses = tuple[str, ...]


@dataclass(frozen=True)
class TrainingSettings:
    """How the LoRA adapter is trained."""

    rank: Annotated[int, Range(1, 1024), Doc("LoRA rank; a higher one learns more and forgets more")] = 16
    alpha: Annotated[float, Range(0.001, 10_000), Doc("LoRA alpha; updates are scaled by alpha / rank")] = 32.0
    dropout: Annotated[float, Range(0.0, 0.9), Doc("share of the adapter's inputs that is dropped in training")] = 0.0
    layers: Annotated[int, Range(1, 1000), Doc("number of blocks that get an adapter, counted from the top")] = 16
    modules: Annotated[Modules, Doc("projections of a block that get an adapter")] = Modules.ALL
    start: Annotated[Start, Doc("what a training begins at: the base, or the adapter that is live")] = Start.BASE
    epochs: Annotated[
        int | None,
        Range(1, 1000),
        Doc("passes over the training set", unset="2 to 8 by the amount of data, about 100 steps", page="training.md"),
    ] = None
    max_hours: Annotated[
        float,
        Range(0.01, 1000),
        Doc("hours of one training; of more feedback, the newest and a sample are learned", page="training.md"),
    ] = 3.0
    batch_size: Annotated[int, Range(1, 1024), Doc("examples per optimiser step")] = 4
    batch_tokens: Annotated[
        int, Range(1, 1_000_000), Doc("tokens, with padding, computed at a time; a larger batch is done in parts")
    ] = 2048
    gradient_checkpointing: Annotated[
        GradientCheckpointing,
        Doc("recompute activations in the backward pass to save memory; auto: where it is short", page="training.md"),
    ] = GradientCheckpointing.AUTO
    learning_rate: Annotated[
        float | None,
        Range(1e-8, 1.0),
        Doc("peak learning rate", unset="by the base, lower for wider models and for pairs", page="training.md"),
    ] = None
    warm_up: Annotated[
        float, Range(0.0, 0.9), Doc("share of the steps in which the rate rises to its peak, before a cosine to zero")
    ] = 0.05
    weight_decay: Annotated[float, Range(0.0, 1.0), Doc("weight decay of AdamW")] = 0.0
    patience: Annotated[int, Range(1, 1000), Doc("validations without a better loss before training stops early")] = 12
    judged_prompts: Annotated[
        int,
        Range(0, 1000),
        Doc("prompts of validation that the best adapters answer, to choose by it; 0: by loss", page="training.md"),
    ] = 12
    correction_rounds: Annotated[
        int,
        Range(0, 20),
        Doc("rounds of a few steps that correct own answers which were cut; 0: none", page="training.md"),
    ] = 3
    cache_gb: Annotated[
        float,
        Range(0.0, 10_000),
        Doc("gigabytes of disk for cached hidden states of the layers below the adapter; 0: none", page="training.md"),
    ] = 8.0
    preferences: Annotated[
        Preferences, Doc("dpo: learn from pairs of a better and a worse answer, too", page="training.md")
    ] = Preferences.OFF
    beta: Annotated[float, Range(0.0001, 100), Doc("DPO's beta; a higher one stays closer to the base")] = 0.1
    length_normalised: Annotated[bool, Doc("divide the log-likelihoods of DPO by the number of tokens")] = False
    sft_weight: Annotated[
        float, Range(0.0, 100), Doc("weight of the loss on better answers as examples beside the loss of DPO")
    ] = 1.0
    seed: Annotated[int, Range(0, 2**31 - 1), Doc("seed of the first weights, the order of batches and dropout")] = 0
    provider: Annotated[
        str | None,
        Doc(
            "training provider: local or mlx-hosts",
            unset="mlx-hosts where there are hosts, else local",
            page="training.md",
        ),
    ] = None
    hosts: Annotated[
        Addresses,
        Doc("IP addresses of machines for a distributed training, this one first", unset="one", page="training.md"),
    ] = ()
    data_may_leave: Annotated[
        bool,
        Doc("allow that a provider elsewhere gets the examples; naming training.hosts is consent for those hosts"),
    ] = False


@dataclass(frozen=True)
class MergingSettings:
    """How the adapter is merged into the base's file."""

    min_retention: Annotated[
        float,
        Range(0.0, 1.0),
        Doc("share of the adapter's effect that the file has to keep, else the version is held"),
    ] = 0.95
    steps: Annotated[
        int, Range(0, 100_000), Doc("steps of distillation after rounding; 0: none, which is quicker and keeps less")
    ] = 128
