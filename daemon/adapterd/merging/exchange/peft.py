"""PEFT's adapters: which of them are plain LoRA on linear projections, what their tensors mean, and their scales."""

import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import regex

from adapterd.errors import InputError
from adapterd.formats import patterns
from adapterd.merging.exchange.module_names import without_wrappers

PLAIN_ONLY = "only plain LoRA on the linear projections of the blocks can be merged; train it again without this"
PATTERNS, PATTERN_LETTERS, PATTERNS_S = 5_000, 1_000, 5.0
"""Bounds for what an adapter's patterns may be and take: PEFT writes some dozens of letters, matched at once."""
_TENSOR = re.compile(r"(?P<module>.+)\.lora_(?P<factor>[AB])(?:\.(?P<adapter>[^.]+))?\.weight")
_MORE_THAN_LORA = {
    "use_dora": "was trained with DoRA",
    "use_qalora": "was trained with QALoRA",
    "lora_bias": "has biases of its own",
    "modules_to_save": "holds whole modules besides",
    "trainable_token_indices": "holds rows of the embedding besides",
    "target_parameters": "changes parameters that are no linear projections",
    "layer_replication": "repeats blocks of its base",
    "alora_invocation_tokens": "works only after certain tokens",
    "fan_in_fan_out": "is for layers that keep their weights the other way round",
}
"""Settings of PEFT that ask for something else if they are set."""
_CHANGES_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


def require_plain_lora(config: Mapping[str, Any]) -> None:
    """Raise InputError, naming the setting at fault, for an adapter that is more than LoRA."""
    kind = config.get("peft_type")
    if kind != "LORA":
        raise InputError(f"the adapter is of PEFT's type {kind!r:.80}, not LORA", hint=PLAIN_ONLY)
    for setting, what in _MORE_THAN_LORA.items():
        if config.get(setting):
            raise InputError(f"the adapter {what} ({setting})", hint=PLAIN_ONLY)
    if config.get("bias", "none") != "none":
        raise InputError(f"the adapter trained biases of its base (bias = {config['bias']!r:.80})", hint=PLAIN_ONLY)
    begun = config.get("init_lora_weights")
    if isinstance(begun, str) and begun.lower().startswith(_CHANGES_THE_BASE):
        raise InputError(
            f"the adapter belongs to changed base weights (init_lora_weights = {begun!r:.80})",
            hint="save it in PEFT with path_initial_model_for_weight_conversion, which makes plain LoRA of it",
        )


def parse_name(tensor: str) -> tuple[str, str] | None:
    """(module, "a" or "b") of a factor's tensor, None for any other.

    `base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight` → `model.layers.3.self_attn.q_proj`, `a`
    """
    match = _TENSOR.fullmatch(tensor)
    return (match["module"].removeprefix("base_model.model."), match["factor"].lower()) if match else None


def require_one_adapter(tensors: Iterable[str]) -> None:
    """Raise InputError for factors of several adapters, which PEFT tells apart by a name in the tensors' names."""
    found = {match["adapter"] for tensor in tensors if (match := _TENSOR.fullmatch(tensor)) and match["adapter"]}
    if len(found) > 1:
        raise InputError(
            f"the file holds several adapters: {', '.join(sorted(found))}",
            hint="save the one that is wanted: model.save_pretrained(FOLDER, selected_adapters=[NAME])",
        )


class Scales:
    """What PEFT multiplies the updates with, by an adapter's configuration.

    The patterns in it are a stranger's regular expressions: they are matched for a limited time altogether.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._end_s = time.monotonic() + PATTERNS_S
        self._patterns = {setting: self._compiled(setting) for setting in ("rank_pattern", "alpha_pattern")}

    def of(self, module: str, in_base: str, rank: int) -> float:
        """Of a module by its name where it was trained, and in the base; raises InputError if the configuration
        contradicts the tensors, or its patterns take too long.

        `lora_alpha / r`, by the root of `r` with rsLoRA; `rank_pattern` and `alpha_pattern` have the last word.
        """
        names = list(dict.fromkeys((module, without_wrappers(module), in_base)))
        configured = self._chosen("rank_pattern", names, self._config.get("r"))
        alpha = self._chosen("alpha_pattern", names, self._config.get("lora_alpha"))
        if configured != rank:
            raise InputError(f"the adapter's {in_base} has rank {rank}, but its configuration says {configured!r:.80}")
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
            raise InputError(f"the adapter's lora_alpha for {in_base} is {alpha!r:.80}, which is not a number")
        return float(alpha) / (math.sqrt(rank) if self._config.get("use_rslora") else rank)

    def _compiled(self, setting: str) -> "list[tuple[regex.Pattern[str], Any]]":
        table = self._config.get(setting) or {}
        if not isinstance(table, Mapping):
            raise InputError(f"the adapter's {setting} is not a table")
        if len(table) > PATTERNS:
            raise InputError(f"the adapter's {setting} has {len(table)} patterns, and {PATTERNS} are the most")
        return [(_compiled(setting, pattern), value) for pattern, value in table.items()]

    def _chosen(self, setting: str, names: Sequence[str], default: Any) -> Any:
        """The value of the first pattern that the end of a name matches, as PEFT chooses it."""
        for pattern, value in self._patterns[setting]:
            if any(self._matches(setting, pattern, name) for name in names):
                return value
        return default

    def _matches(self, setting: str, pattern: "regex.Pattern[str]", name: str) -> bool:
        left_s = self._end_s - time.monotonic()
        try:
            return pattern.match(name, timeout=max(left_s, 1e-6)) is not None
        except TimeoutError as exc:
            raise InputError(
                f"the adapter's {setting} has patterns that take longer than {PATTERNS_S:g} s to match"
            ) from exc


def _compiled(setting: str, pattern: str) -> "regex.Pattern[str]":
    try:
        return patterns.compiled(pattern, most_letters=PATTERN_LETTERS, form=r"(?:.*\.)?(?:{})$")
    except ValueError as exc:
        raise InputError(
            f"the adapter's {setting} has {pattern!r:.80}, which is not a pattern that is taken: {exc}"
        ) from exc
