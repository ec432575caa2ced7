"""The configuration file as `init` writes it."""

import re
from dataclasses import replace

from adapterd import config
from adapterd.config import ModelSettings, RuntimeKind, Settings
from adapterd.home import Home
from adapterd.system.files import write_atomic

COMMENTS = {
    "runtime": "ollama, or embedded (llama.cpp in process, for trying things out)",
    "host": "where Ollama answers",
    "base": "an Ollama tag or a .gguf file",
    "base_digest": "the very file that was there at init; a base pulled anew is reported, not used",
    "feedback": "applications put JSON or JSON Lines files here",
    "task": "json | classification | generation | grounded_qa",
    "rank": "LoRA rank; more learns more and forgets more",
    "alpha": "updates are scaled by alpha / rank",
    "layers": "how many blocks are adapted, counted from the top",
    "cron": "when to train: minute hour day month weekday",
    "min_new_records": "and only if so many records are new",
}
QUIET = ("dataset", "merging", "evaluation", "versions")
"""Sections that are only written if something in them was chosen."""


def add_model(home: Home, settings: Settings, name: str, model: ModelSettings) -> None:
    """Append the model to the configuration file, which keeps what a person wrote there."""
    before = home.config_file.read_text(encoding="utf-8") if home.config_file.is_file() else _general(settings)
    table = config.to_table(model)
    defaults = config.to_table(ModelSettings(base="", base_digest=""))
    shown = {key: value for key, value in table.items() if key not in QUIET or value != defaults[key]}
    text = f"{before.rstrip()}\n\n{_toml({'models': {name: shown}})}"
    config.parse(text, source=str(home.config_file))
    write_atomic(home.config_file, text)


def _general(settings: Settings) -> str:
    table = config.to_table(replace(settings, models={}))
    if settings.runtime is not RuntimeKind.OLLAMA:
        del table["ollama"]
    table.get("ollama", {}).pop("timeout_s", None)
    return "# adapterd: what is not set here has a sane default (adapterctl doctor shows problems)\n" + _toml(
        {key: value for key, value in table.items() if key != "models"}
    )


def _toml(table: dict[str, object]) -> str:
    import tomli_w

    return "".join(_commented(line) + "\n" for line in tomli_w.dumps(table).split("\n"))


def _commented(line: str) -> str:
    key = re.match(r"(\w+) = ", line)
    comment = COMMENTS.get(key.group(1)) if key else None
    return f"{line:<40}  # {comment}" if comment else line
