"""Every change of the configuration file: one process at a time, checked before it is written, in one step.

What a person wrote stays: comments, order, line ends, the file's mode and a link to it.
"""

import os
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapterd import config
from adapterd.config import ModelSettings, RuntimeKind, Settings
from adapterd.config.addresses.ollama_address import OllamaAddress
from adapterd.config.effective import require_setting
from adapterd.config.keys import read_value
from adapterd.config.parsing import read_table
from adapterd.config.reference import setting_at
from adapterd.config.toml_edit import with_tables, with_value, without_value
from adapterd.errors import BusyError, ConfigError, InputError, reason
from adapterd.feedback.formats import reading_options
from adapterd.home import Home
from adapterd.scheduling.schedule import cron_times
from adapterd.system.files import PRIVATE_FILE, atomic_path, read_given
from adapterd.system.locks import exclusive

TIMEOUT_S = 20.0
MOST_BYTES = 4 << 20
HEAD = "# adapterd: what is not set here has a default (`adapterctl config show --docs` lists all settings)\n"
DRAFT_PREFIX, DRAFT_SUFFIX = "config-edit-", ".toml"
"""The name of a copy for an editor; between them stands a random text."""
QUIET = ("dataset", "merging", "evaluation", "versions")
"""Sections that are only written if something in them was chosen."""


def read_config(home: Home) -> str:
    """The text of the configuration, empty where there is none; raises ConfigError where it cannot be read."""
    try:
        return home.config_file.read_bytes().decode() if home.config_file.is_file() else ""
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{home.config_file} cannot be read: {reason(exc)}") from exc


def written_settings(home: Home) -> dict[str, Any]:
    """What the configuration file itself sets, as plain tables; raises ConfigError where it is no TOML."""
    try:
        return tomllib.loads(read_config(home))
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{home.config_file} is not valid TOML: {exc}") from exc


def find_faults(text: str) -> list[str]:
    """Everything that is wrong with a configuration: a sentence each, beginning with the key."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # also numbers and tables that Python does not take
        return [f"not valid TOML: {exc}"]
    settings, faults = read_table(table)
    return faults + _address_faults(settings) + _cron_faults(settings) + _reading_faults(settings)


def faults_of_file(file: Path, root: Path | None = None) -> list[str]:
    """The same of a file; one that is not there has none. With `root`, the folder that relative paths in it are meant
    from, also what is wrong with the files of schemas."""
    if not os.path.lexists(file):
        return []
    try:
        text = read_given(file, MOST_BYTES).decode()
    except (InputError, UnicodeDecodeError) as exc:
        return [f"cannot be read: {exc}"]
    return find_faults(text) or (_schema_faults(text, root) if root else [])


def _address_faults(settings: Settings | None) -> list[str]:
    try:
        OllamaAddress.parse(settings.ollama.host if settings else "")
    except ConfigError as exc:
        return [f"ollama.host: {exc}"]
    return []


def _schema_faults(text: str, root: Path) -> list[str]:
    from adapterd.evaluation.metrics.json_answers.schema import read_schema

    faults = []
    for name, model in config.parse(text).models.items():
        try:
            if model.schema:
                read_schema(root / model.schema)
        except InputError as exc:
            faults.append(f"models.{name}.schema: {exc}")
    return faults


def _cron_faults(settings: Settings | None) -> list[str]:
    faults = []
    for name, model in settings.models.items() if settings else ():
        try:
            cron_times(name, model.schedule.cron)
        except ConfigError as exc:
            faults.append(str(exc))
    return faults


def _reading_faults(settings: Settings | None) -> list[str]:
    faults = []
    for name, model in settings.models.items() if settings else ():
        try:
            reading_options(model.feedback)
        except InputError as exc:
            faults.append(f"models.{name}.feedback: {exc}")
    return faults


def require_valid(text: str, source: object) -> None:
    """Raises ConfigError naming every fault."""
    if faults := find_faults(text):
        raise ConfigError(f"{source}:\n  " + "\n  ".join(faults), hint="correct these lines; nothing was changed")


def change_config(home: Home, edit: Callable[[str], str]) -> bool:
    """Replace the configuration by what `edit` makes of its text; returns whether that is another one.

    Raises ConfigError if the result has faults, BusyError if another process is changing it; it stays as it was then.
    """
    home.create()
    with _locked(home):
        before = read_config(home)
        after = edit(before)
        if after == before:
            return False
        require_valid(after, home.config_file)
        _write(home, after.encode(), expected=before.encode())
    return True


def set_setting(home: Home, path: Sequence[str], text: str) -> bool:
    """Change one setting to a value as a person gives it; returns whether it was another one before.

    Raises NotFoundError for a key that names no setting, ConfigError for a value that cannot be.
    """
    setting = require_setting(path, written_settings(home))
    value = read_value(text)
    value = text if setting.kind in ("string", "path") and not isinstance(value, str) else value
    return change_config(home, lambda before: with_value(_with_section(before, path), path, value))


def _with_section(text: str, path: Sequence[str]) -> str:
    """The text with a section where earlier releases had one value: `feedback = "FOLDER"`."""
    old = tomllib.loads(text).get("models", {}).get(path[1], {}).get("feedback") if path[0] == "models" else None
    if not isinstance(old, str) or path[2] != "feedback":
        return text
    section = (*path[:2], "feedback")
    return with_value(without_value(text, section), (*section, "folder"), old)


def unset_setting(home: Home, path: Sequence[str]) -> bool:
    """Go back to the default of one setting; raises NotFoundError where the file does not set it."""
    require_setting(path, written_settings(home))
    return change_config(home, lambda before: without_value(before, path))


def add_model(home: Home, settings: Settings, name: str, model: ModelSettings) -> None:
    """Append the model to the configuration file, which keeps what a person wrote there."""
    table = config.to_table(model)
    defaults = config.to_table(ModelSettings(base="", base_digest=""))
    shown = {key: value for key, value in table.items() if key not in QUIET or value != defaults[key]}
    shown["feedback"] = {k: v for k, v in table["feedback"].items() if v != defaults["feedback"].get(k)}
    change_config(home, lambda before: with_tables(before or _general(settings), {"models": {name: shown}}, _comment))


def remove_model(home: Home, name: str) -> bool:
    """Take the model's section out of the configuration file; returns whether it was there."""

    def without(text: str) -> str:
        models = tomllib.loads(text).get("models", {})
        if name not in models:
            return text
        return without_value(text, ("models", name) if len(models) > 1 else ("models",))

    return change_config(home, without)


def _general(settings: Settings) -> str:
    table = config.to_table(replace(settings, models={}))
    if settings.runtime is not RuntimeKind.OLLAMA:
        del table["ollama"]
    table.get("ollama", {}).pop("timeout_s", None)
    return with_tables(HEAD, {key: value for key, value in table.items() if key != "models"}, _comment)


def _comment(path: Sequence[str]) -> str:
    setting = setting_at(path)
    return setting.doc.sentence if setting else ""


@dataclass(frozen=True)
class Draft:
    """A copy of the configuration for an editor, and what the configuration was when it was made."""

    home: Home
    path: Path
    before: bytes

    @classmethod
    def begin(cls, home: Home) -> "Draft":
        """Copy the configuration, 0600; where there is none, the copy has a first line only."""
        home.create()
        before = home.config_file.read_bytes() if home.config_file.is_file() else b""
        handle, name = tempfile.mkstemp(dir=home.root, prefix=DRAFT_PREFIX, suffix=DRAFT_SUFFIX)
        with open(handle, "wb") as file:  # noqa: PTH123 (a handle, not a path)
            file.write(before or HEAD.encode())
        return cls(home, Path(name), before)

    @property
    def is_changed(self) -> bool:
        """Whether the copy is there, and no longer what it was when it was made."""
        return self.path.is_file() and self.path.read_bytes() != (self.before or HEAD.encode())

    def adopt(self) -> bool:
        """Make it the configuration, and remove it; returns whether anything changed.

        Raises ConfigError naming every fault, and BusyError if the configuration was changed meanwhile. The draft
        stays where it is then, and the hint names it. Raises InputError if the draft is gone.
        """
        if not self.path.is_file():
            raise InputError(f"nothing was changed: the editor removed the copy that it was to edit, {self.path}")
        changed = self.is_changed
        if changed:
            try:
                self._check_and_write()
            except (BusyError, ConfigError) as exc:
                raise type(exc)(str(exc), hint=f"nothing was changed; your text is kept in {self.path}") from exc
        self.path.unlink()
        return changed

    def give_up(self) -> str:
        """Remove the copy if nothing was written into it; else returns the sentence that names it."""
        if self.is_changed:
            return f"your text is kept in {self.path}"
        self.path.unlink(missing_ok=True)
        return ""

    def _check_and_write(self) -> None:
        if faults := faults_of_file(self.path):
            raise ConfigError(f"{self.path}:\n  " + "\n  ".join(faults))
        with _locked(self.home):
            _write(self.home, self.path.read_bytes(), expected=self.before)


def _locked(home: Home) -> Any:
    return exclusive(home.config_lock, timeout_s=TIMEOUT_S, busy="another process is changing the configuration")


def _write(home: Home, data: bytes, *, expected: bytes) -> None:
    """Replace the file in one step, with the mode that it has; raises BusyError if it is no more what was read."""
    target = home.config_file.resolve()
    found = target.read_bytes() if target.is_file() else b""
    if found != expected:
        raise BusyError(f"{home.config_file} was changed meanwhile")
    mode = target.stat().st_mode & 0o777 if target.is_file() else PRIVATE_FILE
    with atomic_path(target) as partial:
        partial.write_bytes(data)
        partial.chmod(mode)
