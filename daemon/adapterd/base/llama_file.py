"""Opening a GGUF with llama.cpp: quietly, and with its reason where it cannot."""

from pathlib import Path
from typing import Any

import llama_cpp

from adapterd.base import llama_log
from adapterd.errors import InputError


def open_model(path: Path, fault: str, **parameters: Any) -> Any:
    """A model's handle, to be freed by the caller, with these of llama.cpp's parameters instead of its defaults.

    Raises InputError, saying that the path `fault` and why, if llama.cpp cannot open it.
    """
    llama_log.silence()
    llama_cpp.llama_backend_init()
    chosen = llama_cpp.llama_model_default_params()
    for name, value in parameters.items():
        setattr(chosen, name, value)
    llama_log.take_error()
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), chosen)
    if model is None:
        raise InputError(f"{path} {fault}: {llama_log.take_error()}")
    return model
