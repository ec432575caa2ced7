"""PEFT's adapters: which of them are plain LoRA on linear projections, what their tensors mean, and their scales."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from adapterd.errors import InputError

PLAIN_ONLY = "only plain LoRA on the linear projections of the blocks can be merged; train it again without this"
_TENSOR = re.compile(r"base_model\.model\.(.+)\.lora_([AB])(?:\.default)?\.weight")
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
        raise InputError(f"the adapter is of PEFT's type {kind!r}, not LORA", hint=PLAIN_ONLY)
    for setting, what in _MORE_THAN_LORA.items():
        if config.get(setting):
            raise InputError(f"the adapter {what} ({setting})", hint=PLAIN_ONLY)
    if config.get("bias", "none") != "none":
        raise InputError(f"the adapter trained biases of its base (bias = {config['bias']!r})", hint=PLAIN_ONLY)
    begun = config.get("init_lora_weights")
    if isinstance(begun, str) and begun.lower().startswith(_CHANGES_THE_BASE):
        raise InputError(
            f"the adapter belongs to changed base weights (init_lora_weights = {begun!r})",
            hint="save it in PEFT with path_initial_model_for_weight_conversion, which makes plain LoRA of it",
        )


def parse_name(tensor: str) -> tuple[str, str] | None:
    """(module, "a" or "b") of a factor's tensor, None for any other.

    `base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight` → `model.layers.3.self_attn.q_proj`, `a`
    """
    match = _TENSOR.fullmatch(tensor)
    return (match[1], match[2].lower()) if match else None


def scale_of(module: str, rank: int, config: Mapping[str, Any]) -> float:
    """What PEFT multiplies a module's update with; raises InputError if the configuration contradicts the tensors.

    `lora_alpha / r`, by the root of `r` with rsLoRA; `rank_pattern` and `alpha_pattern` have the last word.
    """
    configured = _pattern(config, "rank_pattern", module, config.get("r"))
    alpha = _pattern(config, "alpha_pattern", module, config.get("lora_alpha"))
    if configured != rank:
        raise InputError(f"the adapter's {module} has rank {rank}, but its configuration says {configured!r}")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise InputError(f"the adapter's lora_alpha for {module} is {alpha!r}, which is not a number")
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _pattern(config: Mapping[str, Any], setting: str, module: str, default: Any) -> Any:
    """The value of the first pattern that the end of the module's name matches, as PEFT chooses it."""
    patterns = config.get(setting) or {}
    if not isinstance(patterns, Mapping):
        raise InputError(f"the adapter's {setting} is not a table")
    return next((patterns[key] for key in _matching(patterns, setting, module)), default)


def _matching(patterns: Iterable[str], setting: str, module: str) -> Iterable[str]:
    for pattern in patterns:
        try:
            found = re.match(rf"(?:.*\.)?(?:{pattern})$", module)
        except re.error as exc:
            raise InputError(f"the adapter's {setting} has {pattern!r}, which is not a pattern: {exc}") from exc
        if found:
            yield pattern
