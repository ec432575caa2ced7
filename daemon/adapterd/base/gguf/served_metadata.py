"""What of a file's metadata is read otherwise when it is served, so that training makes the ids that serving makes.

Ollama's llama-server completes the metadata of published files in memory (llama/compat in Ollama's sources). Of the
architectures that are trained here this concerns Llama 3 files from before there were names for pre-tokenizers, and
files of Ollama's own converter: those of Gemma 3 and Mistral 3 have keys of their own, those of Gemma 4 name the
tokenizer of earlier Gemmas.
"""

from adapterd.base.gguf.beside import has_more_than_language
from adapterd.base.gguf.gguf_file import GgufFile, Metadata
from adapterd.errors import InputError

_PRE, _EOS, _EOT = (f"tokenizer.ggml.{name}" for name in ("pre", "eos_token_id", "eot_token_id"))
_MODEL = "tokenizer.ggml.model"
_LLAMA3_PRE, _END_OF_TEXT, _END_OF_TURN, _START_OF_HEADER = "llama-bpe", 128_001, 128_009, 128_006
_MARKS = ("<|start_header_id|>", "<|eot_id|>")
_EPSILON = "gemma3.attention.layer_norm_rms_epsilon"
_BASE, _LOCAL_BASE = "gemma3.rope.freq_base", "gemma3.rope.freq_base_swa"
_SCALING, _FACTOR = "gemma3.rope.scaling.type", "gemma3.rope.scaling.factor"
_GEMMA3_KEYS = (
    "gemma3.rope.global.freq_base",
    "gemma3.rope.local.freq_base",
    "gemma3.mm.tokens_per_image",
    "tokenizer.ggml.add_padding_token",
    "tokenizer.ggml.add_unknown_token",
)
"""By these, by tensors that read images, or by the lack of a norm epsilon, Ollama's loader knows its own files."""
_SCALED_GEMMA3_CONTEXT = 131_072
_MISTRAL3_KEYS = {
    "mistral3.rope.scaling.beta_fast": "mistral3.rope.scaling.yarn_beta_fast",
    "mistral3.rope.scaling.beta_slow": "mistral3.rope.scaling.yarn_beta_slow",
    "mistral3.rope.scaling.mscale_all_dim": "mistral3.rope.scaling.yarn_log_multiplier",
    "mistral3.rope.scaling_beta": "mistral3.attention.temperature_scale",
}


def served_metadata(gguf: GgufFile) -> dict[str, Metadata]:
    """The values that take the place of the file's own, or of what it lacks, by their keys.

    Raises InputError for a key of Ollama's converter that is no number.
    """
    if gguf.architecture == "gemma3":
        return _gemma3(gguf)
    if gguf.architecture == "gemma4":
        return {_MODEL: "gemma4"} if gguf.value(_MODEL) == "llama" else {}
    if gguf.architecture == "mistral3":
        return _mistral3(gguf)
    if not _is_llama3(gguf):
        return {}
    without_pre = gguf.value(_PRE, "") in ("", "default")
    if not without_pre and gguf.value(_EOS) != _END_OF_TEXT:
        return {}
    ends: dict[str, Metadata] = {
        key: _END_OF_TURN for key in (_EOS, _EOT) if gguf.value(key, _END_OF_TEXT) == _END_OF_TEXT
    }
    return ({_PRE: _LLAMA3_PRE} if without_pre else {}) | ends


def _gemma3(gguf: GgufFile) -> dict[str, Metadata]:
    """What Ollama's converter calls by other names or leaves out; nothing for files by llama.cpp's."""
    ollamas = has_more_than_language(gguf) or any(gguf.value(key) is not None for key in _GEMMA3_KEYS)
    if not ollamas and gguf.value(_EPSILON) is not None:
        return {}
    values: dict[str, Metadata] = {
        _EPSILON: 1e-6,
        _BASE: _real(gguf, "gemma3.rope.global.freq_base", 1_000_000.0),
        _LOCAL_BASE: _real(gguf, "gemma3.rope.local.freq_base", 10_000.0),
    }
    context = gguf.value("gemma3.context_length")
    if isinstance(context, int) and context >= _SCALED_GEMMA3_CONTEXT:  # all but the smallest have it
        values |= {_SCALING: "linear", _FACTOR: 8.0}
    return {key: value for key, value in values.items() if gguf.value(key) is None}


def _mistral3(gguf: GgufFile) -> dict[str, Metadata]:
    own = [key for key in _MISTRAL3_KEYS if gguf.value(key) is not None]
    if not has_more_than_language(gguf) and not own:
        return {}
    values: dict[str, Metadata] = {
        _MISTRAL3_KEYS[key]: _real(gguf, key, 0.0) for key in own if gguf.value(_MISTRAL3_KEYS[key]) is None
    }
    return values | ({_PRE: "tekken"} if gguf.value(_PRE, "") in ("", "default") else {})


def _real(gguf: GgufFile, key: str, default: float) -> float:
    """A number; raises InputError for anything else under the key."""
    value = gguf.value(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{gguf.path} has no number as {key}")
    return float(value)


def _is_llama3(gguf: GgufFile) -> bool:
    if gguf.architecture != "llama" or gguf.text_at("tokenizer.ggml.tokens", _END_OF_TURN) != "<|eot_id|>":
        return False
    template = gguf.value("tokenizer.chat_template", "")
    in_template = isinstance(template, str) and any(mark in template for mark in _MARKS)
    return in_template or gguf.text_at("tokenizer.ggml.tokens", _START_OF_HEADER) == "<|start_header_id|>"
