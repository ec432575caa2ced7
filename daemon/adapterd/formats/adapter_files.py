"""An adapter's files: their names, and which of them a folder has. Loads nothing heavy."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from adapterd.errors import InputError, NotFoundError, StageError
from adapterd.formats.safetensors_header import require_sound
from adapterd.system.files import clone_open, open_given, read_given

WEIGHTS, CONFIG = "adapters.safetensors", "adapter_config.json"
"""The files of mlx-lm's adapters and of ours."""
PEFT_WEIGHTS = "adapter_model.safetensors"
GGUF_WEIGHTS, GGUF_SUFFIX, GGUF_MAGIC = "adapter.gguf", ".gguf", b"GGUF"
"""An adapter as llama.cpp's convert_lora_to_gguf writes it is one file, of any name; a copy of it has this one."""
ROW_ORDER, GGUF_ORDER = "row_order", "gguf"
"""The mark in an adapter's configuration that its rows are in the order of the GGUF, not of Hugging Face's weights."""
MOST_NAMED = 5
MAX_CONFIG_BYTES = 1 << 20
MAX_WEIGHTS_BYTES = 16 << 30
SPARE_BYTES = 64 << 20
_EXPECTED = (
    "an adapter is a folder with adapter_config.json and adapters.safetensors (mlx-lm) or adapter_model.safetensors "
    "(PEFT), or a GGUF of llama.cpp"
)
_CONVERT = "convert the weights to safetensors: load the adapter where it was made, and save it again from there"

_OTHER_WEIGHTS = (
    ("adapter*.bin", "a pickle, which can run code when it is read", _CONVERT),
    ("adapter*.npz", "an old format", _CONVERT),
    (
        "adapter*-of-*.safetensors",
        "one part of several, and an adapter is read from one file",
        "save it whole: load the adapter where it was made, and save it with max_shard_size='100GB'",
    ),
)
"""Other files that an adapter's weights may be in: pattern, why it is not read, and what to do then."""


class AdapterFormat(StrEnum):
    """The program that wrote the adapter. adapterd writes mlx-lm's files with the mark `row_order`."""

    ADAPTERD = "adapterd"
    MLX_LM = "mlx-lm"
    PEFT = "peft"
    GGUF = "gguf"

    @property
    def weights_name(self) -> str:
        """The name that the file of the weights has, of a GGUF the one that a copy gets."""
        return {AdapterFormat.PEFT: PEFT_WEIGHTS, AdapterFormat.GGUF: GGUF_WEIGHTS}.get(self, WEIGHTS)


@dataclass(frozen=True)
class AdapterFiles:
    """The files of an adapter: a GGUF has its configuration inside."""

    format: AdapterFormat
    weights: Path
    config: Path | None

    def digest(self) -> str:
        """`sha256:<hex>` of the GGUF, else of both files' digests, the configuration's first."""
        weights = _sha256(self.weights, MAX_WEIGHTS_BYTES)
        if self.config is None:
            return f"sha256:{weights}"
        both = f"{_sha256(self.config, MAX_CONFIG_BYTES)} {weights}"
        return f"sha256:{hashlib.sha256(both.encode()).hexdigest()}"

    def copy_to(self, folder: Path) -> None:
        """Copy the files, and what they link to, into a folder; raises StageError for want of disk space, InputError
        for what is no file by now."""
        with open_given(self.weights, MAX_WEIGHTS_BYTES) as weights:
            needed, free = os.fstat(weights.fileno()).st_size + SPARE_BYTES, shutil.disk_usage(folder).free
            if free < needed:
                raise StageError(
                    f"{folder} has {free / 1e9:.1f} GB free and the adapter needs {needed / 1e9:.1f} GB",
                    hint="free some space, then give the command again",
                )
            if self.config is not None:
                with open_given(self.config, MAX_CONFIG_BYTES) as config:
                    clone_open(config, folder / self.config.name)
            clone_open(weights, folder / self.format.weights_name)


def own_digest(folder: Path) -> str:
    """The digest of one of our adapters, whatever its files hold."""
    return AdapterFiles(AdapterFormat.ADAPTERD, folder / WEIGHTS, folder / CONFIG).digest()


def find_adapter(place: Path) -> AdapterFiles:
    """The adapter in a folder, or in a GGUF. Links are followed, for a folder of Hugging Face's cache has nothing else.

    Raises NotFoundError if there is no such folder or file, InputError if it holds no adapter that can be read here.
    """
    if not place.exists():
        raise NotFoundError(f"{place} is not there")
    if place.is_file() and place.suffix.lower() == GGUF_SUFFIX:
        return _gguf(place)
    if not place.is_dir():
        raise InputError(f"{place} is a file; an adapter is given by its folder, or as a GGUF", hint=_EXPECTED)
    config = place / CONFIG
    if not config.exists():
        return _gguf_in(place, config)
    _require_file(config)
    found = _format(config)
    weights = place / found.weights_name
    if not weights.exists():
        return _gguf_in(place, weights)
    _require_file(weights)
    with open_given(weights, MAX_WEIGHTS_BYTES) as stream:
        if os.fstat(stream.fileno()).st_size == 0:
            raise InputError(f"{weights} is empty")
        require_sound(stream, str(weights))
    return AdapterFiles(found, weights, config)


def _gguf_in(folder: Path, missing: Path) -> AdapterFiles:
    """The one GGUF in a folder that lacks a file; raises InputError if there is none, or several."""
    _refuse_other_weights(folder)
    found = sorted(each for each in folder.iterdir() if each.suffix.lower() == GGUF_SUFFIX)
    if len(found) == 1:
        return _gguf(found[0])
    if found:
        names = ", ".join(each.name for each in found[:MOST_NAMED])
        raise InputError(f"{folder} has {len(found)} GGUFs: {names}", hint="give the one that is meant")
    raise InputError(f"{folder} has no file {missing.name}", hint=_EXPECTED)


def _gguf(path: Path) -> AdapterFiles:
    with open_given(path, MAX_WEIGHTS_BYTES) as stream:
        begin = stream.read(len(GGUF_MAGIC))
    if begin != GGUF_MAGIC:
        raise InputError(f"{path} {'is not a GGUF file' if begin else 'is empty'}")
    return AdapterFiles(AdapterFormat.GGUF, path, None)


def read_config(path: Path) -> dict[str, Any]:
    """An adapter's configuration; raises InputError unless it is a JSON object."""
    data = read_given(path, MAX_CONFIG_BYTES)
    if not data:
        raise InputError(f"{path} is empty")
    try:
        config = json.loads(data.decode())
    except (ValueError, RecursionError) as exc:
        raise InputError(f"{path} is not JSON: {exc}") from exc
    if not isinstance(config, dict):
        raise InputError(f"{path} is not a JSON object")
    return config


def _format(path: Path) -> AdapterFormat:
    config = read_config(path)
    if "peft_type" in config:
        return AdapterFormat.PEFT
    order = config.get(ROW_ORDER)
    if order not in (None, GGUF_ORDER):
        raise InputError(f"{path} says that its rows are in the order {order!r:.80}, which is not known here")
    if order == GGUF_ORDER:
        return AdapterFormat.ADAPTERD
    if "lora_parameters" in config or "fine_tune_type" in config:
        return AdapterFormat.MLX_LM
    raise InputError(f"{path} is neither mlx-lm's (lora_parameters) nor PEFT's (peft_type)", hint=_EXPECTED)


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path.parent} has no file {path.name}", hint=_EXPECTED)


def _sha256(path: Path, max_bytes: int) -> str:
    with open_given(path, max_bytes) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _refuse_other_weights(folder: Path) -> None:
    """Raise InputError if the weights are there in a form that is not read."""
    for pattern, what, hint in _OTHER_WEIGHTS:
        found = sorted(folder.glob(pattern))
        if found:
            raise InputError(f"{found[0]} is {what}", hint=hint)
