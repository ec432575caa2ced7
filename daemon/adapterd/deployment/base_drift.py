"""Detect that the base's own tag was pulled anew, and pin the new base where the configuration says so."""

import tomllib

from adapterd.base.model import BaseModel
from adapterd.config import ModelSettings
from adapterd.config.toml_edit import with_value
from adapterd.deployment.base_change import NewBase
from adapterd.deployment.deploy import Deployer
from adapterd.errors import AdapterdError, ConfigError
from adapterd.home import Home
from adapterd.serving import usable_base
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import is_file, served_base
from adapterd.serving.tags import ModelTags, full_name
from adapterd.store import Store
from adapterd.store.versions import REPIN
from adapterd.system.child import call as child
from adapterd.system.child.call import Stopped, never
from adapterd.system.locks import LOCK_TIMEOUT_S, exclusive, tags_lock


def drifted_to(runtime: Runtime, name: str, model: ModelSettings) -> str | None:
    """The digest that the base's own tag has now, if it is not that of the pinned one; None also if it is gone, and for
    one in several parts, which is not what was pinned: that is one file made of them."""
    if is_file(model.base):
        return None
    tags = runtime.tags()
    own, pinned = tags.get(full_name(model.base)), tags.get(ModelTags(name).base)
    return own if own and pinned and own != pinned and not _is_in_parts(runtime, model.base) else None


def _is_in_parts(runtime: Runtime, tag: str) -> bool:
    try:
        return bool(runtime.show(tag).parts)
    except AdapterdError:
        return False


def repin(store: Store, home: Home, runtime: Runtime, name: str, model: ModelSettings, stopped: Stopped = never) -> str:
    """Pin what the base's own tag names now; returns the digest of its file. What is live stays so.

    Raises UnsupportedModelError if the new base cannot be trained, ConfigError if the file has another pin or faults,
    BusyError if another process is changing it or a run goes on, which asks the base; CancelledError when `stopped`
    says so before anything changed.
    """
    base = served_base(runtime, full_name(model.base), model.base)
    require_usable(base, model.base, stopped)
    deployer = Deployer(store, home, runtime)
    with exclusive(home.run_lock, timeout_s=LOCK_TIMEOUT_S, busy=f"a run goes on, so {name} keeps its base until then"):
        deployer.reconcile(name)
        if not _is_pinned(runtime, name, model, base):
            with tags_lock(home):
                runtime.copy(full_name(model.base), ModelTags(name).next_base)
            new = NewBase(REPIN, base.digest, lambda text: _with_pin(text, name, model.base_digest, base.digest))
            deployer.change_base(name, new)
    return base.digest


def _is_pinned(runtime: Runtime, name: str, model: ModelSettings, base: BaseModel) -> bool:
    tags = runtime.tags()
    return tags.get(full_name(model.base)) == tags.get(ModelTags(name).base) and model.base_digest == base.digest


def require_usable(base: BaseModel, name: str, stopped: Stopped = never) -> None:
    """As at `init`, in a process of its own: reading a GGUF takes numpy, which the daemon does without (law 8)."""
    child.call(usable_base.require_usable, base.gguf, base.modelfile, name, stopped=stopped)


def _with_pin(text: str, name: str, old: str, new: str) -> str:
    """The configuration with another pin for this model; all else stays as a person wrote it."""
    model = tomllib.loads(text).get("models", {}).get(name, {})
    if model.get("base_digest") != old:
        raise ConfigError(
            f"the pin of {name} was not found in the configuration", hint=f"set models.{name}.base_digest to {new}"
        )
    return text if new == old else with_value(text, ("models", name, "base_digest"), new)
