"""Opening a GGUF with llama.cpp: quietly, and with its reason where it cannot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import llama_cpp

from adapterd.base.gguf import llama_log
from adapterd.base.gguf.gguf_file import Metadata
from adapterd.errors import InputError

NO_METADATA: Mapping[str, Metadata] = {}


def open_model(path: Path, fault: str, metadata: Mapping[str, Metadata] = NO_METADATA, **parameters: Any) -> Any:
    """A model's handle, to be freed by the caller, with these of llama.cpp's parameters instead of its defaults, and
    with these metadata instead of the file's.

    Raises InputError, saying that the path `fault` and why, if llama.cpp cannot open it.
    """
    llama_log.silence()
    llama_cpp.llama_backend_init()
    chosen = llama_cpp.llama_model_default_params()
    for name, value in parameters.items():
        setattr(chosen, name, value)
    chosen.kv_overrides = _overrides(metadata)
    llama_log.take_error()
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), chosen)
    if model is None:
        raise InputError(f"{path} {fault}: {llama_log.take_error()}")
    return model


def _overrides(metadata: Mapping[str, Metadata]) -> Any:
    """As llama.cpp takes them: an array that ends with an empty key."""
    array = (llama_cpp.llama_model_kv_override * (len(metadata) + 1))()
    for place, (key, value) in zip(array, metadata.items(), strict=False):
        place.key = key.encode()
        if isinstance(value, str):
            place.tag, place.value.val_str = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_STR, value.encode()
        elif isinstance(value, float):
            place.tag, place.value.val_f64 = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_FLOAT, value
        else:
            place.tag, place.value.val_i64 = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_INT, value
    return array
