"""The base's own tag may be pulled anew: seen, reported, and followed only where the configuration says so."""

import re

from adapterd.base.model import BaseModel
from adapterd.config import ModelSettings
from adapterd.errors import ConfigError
from adapterd.home import Home
from adapterd.serving import usable_base
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import is_file, served_base
from adapterd.serving.tags import ModelTags, full_name
from adapterd.system.child import call as child
from adapterd.system.files import write_atomic
from adapterd.system.locks import tags_lock


def drifted_to(runtime: Runtime, name: str, model: ModelSettings) -> str | None:
    """The digest that the base's own tag has now, if it is not that of the pinned one; None also if it is gone."""
    if is_file(model.base):
        return None
    tags = runtime.tags()
    own, pinned = tags.get(full_name(model.base)), tags.get(ModelTags(name).base)
    return own if own and pinned and own != pinned else None


def repin(home: Home, runtime: Runtime, name: str, model: ModelSettings) -> str:
    """Pin what the base's own tag names now; returns the digest of its file.

    The configuration is written first: killed in between, the tags still differ, so it is done again. Raises
    UnsupportedModelError if the new base cannot be trained, ConfigError if the old pin cannot be found in the file.
    """
    base = served_base(runtime, full_name(model.base), model.base)
    require_usable(base, model.base)
    if base.digest != model.base_digest:
        text = home.config_file.read_bytes().decode()  # its line ends are kept
        write_atomic(home.config_file, _with_pin(text, name, model.base_digest, base.digest))
    with tags_lock(home):
        runtime.copy(full_name(model.base), ModelTags(name).base)
    return base.digest


def require_usable(base: BaseModel, name: str) -> None:
    """As at `init`, in a process of its own: reading a GGUF takes numpy, which the daemon does without (law 8)."""
    child.call(usable_base.require_usable, base.gguf, base.modelfile, name)


def _with_pin(text: str, name: str, old: str, new: str) -> str:
    """The configuration with another pin for this model; all else stays as a person wrote it."""
    table = re.compile(rf"""\s*\[\s*models\s*\.\s*(["']?){re.escape(name)}\1\s*\]""")
    pin = re.compile(rf"""\s*base_digest\s*=\s*["']{re.escape(old)}["']""")
    lines, inside = text.split("\n"), False
    for number, line in enumerate(lines):
        if line.lstrip().startswith("["):
            inside = table.match(line) is not None
        elif inside and pin.match(line):
            lines[number] = line.replace(old, new, 1)
            return "\n".join(lines)
    raise ConfigError(
        f"the pin of {name} was not found in the configuration", hint=f"set models.{name}.base_digest to {new}"
    )
