"""What of a file's metadata is read otherwise when it is served, so that training makes the ids that serving makes.

Ollama's llama-server completes the metadata of published files in memory (llama/compat in Ollama's sources). Of the
architectures that are trained here this concerns Llama 3 files from before there were names for pre-tokenizers, and
Gemma 3 files of Ollama's own converter, which are refused.
"""

from adapterd.base.gguf.gguf_file import GgufFile

_PRE, _EOS, _EOT = (f"tokenizer.ggml.{name}" for name in ("pre", "eos_token_id", "eot_token_id"))
_LLAMA3_PRE, _END_OF_TEXT, _END_OF_TURN, _START_OF_HEADER = "llama-bpe", 128_001, 128_009, 128_006
_MARKS = ("<|start_header_id|>", "<|eot_id|>")


def served_metadata(gguf: GgufFile) -> dict[str, str | int]:
    """The values that take the place of the file's own, or of what it lacks, by their keys."""
    if not _is_llama3(gguf):
        return {}
    without_pre = gguf.value(_PRE, "") in ("", "default")
    if not without_pre and gguf.value(_EOS) != _END_OF_TEXT:
        return {}
    ends = {key: _END_OF_TURN for key in (_EOS, _EOT) if gguf.value(key, _END_OF_TEXT) == _END_OF_TEXT}
    return ({_PRE: _LLAMA3_PRE} if without_pre else {}) | ends


def _is_llama3(gguf: GgufFile) -> bool:
    if gguf.architecture != "llama" or gguf.text_at("tokenizer.ggml.tokens", _END_OF_TURN) != "<|eot_id|>":
        return False
    template = gguf.value("tokenizer.chat_template", "")
    in_template = isinstance(template, str) and any(mark in template for mark in _MARKS)
    return in_template or gguf.text_at("tokenizer.ggml.tokens", _START_OF_HEADER) == "<|start_header_id|>"
