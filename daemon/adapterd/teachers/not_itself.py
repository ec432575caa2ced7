"""That a model's teacher is another one: what it writes itself has its own mistakes, which a training would deepen."""

from collections.abc import Collection, Mapping

from adapterd.config import RemoteModel, RuntimeKind, Settings
from adapterd.config.addresses.ollama_address import OllamaAddress
from adapterd.config.addresses.this_machine import is_this_machine
from adapterd.errors import AdapterdError, ConfigError
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.tags import ModelTags, full_name, is_base, listed_name, short_name
from adapterd.store import Store
from adapterd.teachers.request import Kind

ITS_OWN = frozenset((Kind.WORSE,))
"""Kinds that a model may write for itself: of the bad answers of a pair, its own are the ones to unlearn."""


def require_another(store: Store, settings: Settings, model: str, teacher: str, kinds: Collection[Kind]) -> None:
    """Raise ConfigError where the teacher is the model itself, by its name or by the digest of its tag, and is to make
    these kinds. Where Ollama does not answer, the name alone is looked at."""
    if ITS_OWN.issuperset(kinds):
        return
    if same := _itself(store, settings, model, settings.teachers[teacher]):
        raise ConfigError(
            f"the teacher {teacher} is {model} itself ({same}): its answers have the mistakes of {model}, and a "
            "training on them teaches these anew",
            hint=f"name another model, `adapterctl config set teachers.{teacher}.model TAG`; only worse answers may be "
            "its own: `adapterctl teach --kind worse --limit 50`",
        )


def _itself(store: Store, settings: Settings, model: str, teacher: RemoteModel) -> str:
    """The tag by which the teacher is the model; empty where it is another one."""
    if settings.runtime is RuntimeKind.EMBEDDED or not _is_at_ollama(teacher, settings):
        return ""
    name = full_name(short_name(teacher.model)).lower()
    if _is_tag_of(model, name):
        return name
    try:
        present = OllamaRuntime(settings.ollama.host, settings.ollama.timeout_s).tags()
    except AdapterdError:
        return ""
    return _same_digest(store, model, present, listed_name(teacher.model, present))


def _same_digest(store: Store, model: str, present: Mapping[str, str], tag: str | None) -> str:
    own = {digest: other for other, digest in sorted(present.items()) if _is_tag_of(model, other)}
    if live := store.versions.deployment(model):
        own[live.live_digest] = ModelTags(model).live
    same = own.get(present[tag]) if tag else None
    return f"{tag} is {same}" if same else ""


def _is_tag_of(model: str, tag: str) -> bool:
    """Whether a tag is one of the model's, but for its bases, which are other weights once a version is live."""
    name, _, label = tag.rpartition(":")
    return name == model and not is_base(label) and tag != ModelTags(model).next_base


def _is_at_ollama(teacher: RemoteModel, settings: Settings) -> bool:
    if teacher.base_url is None:
        return True
    theirs, ours = OllamaAddress.parse(teacher.base_url), OllamaAddress.parse(settings.ollama.host)
    is_one_host = theirs.host == ours.host or (is_this_machine(theirs.host) and is_this_machine(ours.host))
    return is_one_host and theirs.port == ours.port
