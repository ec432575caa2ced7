"""Folders of adapters, in PEFT's and in mlx-lm's form: headers, names, shapes and settings that lie."""

import json
import os
import shutil
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.formats.adapter_files import find_adapter
from adapterd.merging.exchange import peft
from adapterd.merging.exchange.import_adapter import import_adapter
from tests.support.tiny_gguf import write_tiny_gguf
from tests.torture.strangers.odd_values import NAMES, NUMBERS, mutated, odd

_PATTERNS = (
    r"([\w.]+)*#",
    r"(\w|\.|\w\w|\w\w\w|\w\.)+[^\w.]",
    "(a|aa)+$",
    "[",
    "(?P<x>",
    "q_proj",
    ".*" * 50,
    "a{9999999}",
    "x" * 2_000,
    "(?:" * 500 + ")" * 500,
    r"\1",
    "(?i:Q_PROJ)",
)
_PEFT: dict[str, Any] = {
    "peft_type": "LORA",
    "r": 4,
    "lora_alpha": 8,
    "target_modules": ["q_proj"],
    "bias": "none",
    "use_rslora": False,
    "rank_pattern": {},
    "alpha_pattern": {},
    "layers_pattern": None,
    "modules_to_save": None,
    "init_lora_weights": True,
}
_MLX: dict[str, Any] = {"fine_tune_type": "lora", "num_layers": 2, "lora_parameters": {"rank": 4, "scale": 2.0}}


class Adapters:
    """Makes a folder, and does with each what `register` does until it is one of ours."""

    def __init__(self, folder: Path, canary: str) -> None:
        peft.PATTERNS_S = 0.05
        self._folder, self._out, self._copy = folder / "adapter", folder / "out", folder / "copy"
        self._base = GgufFile.open(write_tiny_gguf(folder / "base.gguf", layers=1, vocab=300))
        self._canary = canary

    def try_one(self, random: Random) -> None:
        """Make a folder and import it; raises AdapterdError for what is refused."""
        for each in (self._folder, self._out, self._copy):
            shutil.rmtree(each, ignore_errors=True)
            each.mkdir()
        self._make(random)
        files = find_adapter(self._folder)
        files.digest()
        files.copy_to(self._copy)
        import_adapter(self._copy, self._base, self._out)

    def _make(self, random: Random) -> None:
        is_peft = random.random() < 0.6
        config = json.loads(json.dumps(_PEFT if is_peft else _MLX))
        for _ in range(random.choice((0, 0, 1, 3))):
            config[random.choice((*config, "row_order", "use_dora", *NAMES[:4]))] = odd(random, self._canary)
        if random.random() < 0.3:
            config[random.choice(("rank_pattern", "alpha_pattern", "layers_pattern", "target_modules"))] = {
                random.choice(_PATTERNS): random.choice((4, 8, *NUMBERS)) for _ in range(random.choice((1, 3, 50)))
            }
        text = json.dumps(config).encode()
        if random.random() < 0.1:
            text = mutated(random, text, within=len(text))
        (self._folder / "adapter_config.json").write_bytes(text)
        weights = self._weights(random, is_peft=is_peft)
        (self._folder / ("adapter_model.safetensors" if is_peft else "adapters.safetensors")).write_bytes(weights)
        self._more(random)

    def _weights(self, random: Random, *, is_peft: bool) -> bytes:
        tensors = dict[str, np.ndarray]()
        for module in ("self_attn.q_proj", "self_attn.o_proj", random.choice(("mlp.up_proj", *NAMES))):
            rank, size = random.choice((4, 4, 4, 1, 500)), random.choice((64, 64, 64, 96))
            a, b = np.ones((64, rank), np.float32), np.ones((rank, size), np.float32)
            if random.random() < 0.05:
                b[0, 0] = random.choice((np.nan, np.inf, 1e38))
            name = f"model.layers.{random.choice((0, 0, 0, 7, 1 << 70))}.{module}"
            if is_peft:
                tensors |= {
                    f"base_model.model.{name}.lora_A.weight": a.T,
                    f"base_model.model.{name}.lora_B.weight": b.T,
                }
            else:
                tensors |= {f"{name}.lora_a": a, f"{name}.lora_b": b}
        header, at = dict[str, Any](), 0
        for name, value in tensors.items():
            header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
            at += value.nbytes
        for _ in range(random.choice((0, 0, 1, 2))):
            entry = header[random.choice(list(header))]
            entry[random.choice(list(entry))] = random.choice(
                (odd(random, self._canary), "BF16", [64, 64], [0, at], [at, 0])
            )
        if random.random() < 0.1:
            header[random.choice(("__metadata__", *NAMES))] = odd(random, self._canary)
        text = json.dumps(header).encode()
        lies = random.random() < 0.1
        length = random.choice([each for each in NUMBERS if isinstance(each, int)]) % (1 << 64) if lies else len(text)
        data = (
            length.to_bytes(8, "little") + text + b"".join(np.ascontiguousarray(v).tobytes() for v in tensors.values())
        )
        return mutated(random, data, within=len(text)) if random.random() < 0.3 else data

    def _more(self, random: Random) -> None:
        """Other things that may lie there: links to elsewhere, a pipe, a pickle, code."""
        if random.random() < 0.1:
            name = random.choice(
                ("tokenizer.json", "adapter_config.json", "adapters.safetensors", "adapter_model.bin", "json.py")
            )
            path = self._folder / name
            path.unlink(missing_ok=True)
            random.choice(
                (
                    os.mkfifo,
                    Path.mkdir,
                    lambda p: p.symlink_to("/dev/zero"),
                    lambda p: p.symlink_to(p.name),
                    lambda p: p.symlink_to("/nowhere"),
                    Path.touch,
                )
            )(path)
