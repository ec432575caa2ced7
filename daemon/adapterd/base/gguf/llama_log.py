"""What llama.cpp and ggml log: kept out of stderr, and its last error remembered for the sentence a person reads."""

import ctypes
from functools import cache
from typing import Any

import llama_cpp

_GGML_LOG_LEVEL_ERROR = 4
_last_error: list[str] = []


@cache
def silence() -> None:
    """Stop llama.cpp from writing to stderr, from now on and in the whole process."""
    llama_cpp.llama_log_set(_remember_errors, ctypes.c_void_p(0))


def take_error() -> str:
    """The last error since the last call, empty if there was none."""
    text = _last_error[-1] if _last_error else ""
    _last_error.clear()
    return text


def _remember(level: int, text: bytes, _: Any) -> None:
    if level == _GGML_LOG_LEVEL_ERROR:
        _last_error[:] = [text.decode("utf-8", "replace").strip()]


_remember_errors = llama_cpp.llama_log_callback(_remember)
