"""`init`: a model that applications can use by its name from now on, and that can be made better."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from adapterd import config
from adapterd.base.model import BaseModel
from adapterd.base_proof.proof import save_proof
from adapterd.config import MODEL_NAME, FeedbackSettings, ModelSettings, RuntimeKind, Settings, Task, Think
from adapterd.config.toml_edit import with_value
from adapterd.deployment.checked_base import (
    GivenBase,
    found_base,
    mark,
    name_of,
    prove_base,
    register_base,
    require_another_model,
)
from adapterd.deployment.config_file import add_model, change_config
from adapterd.deployment.deploy import Deployer
from adapterd.errors import AdapterdError, InputError
from adapterd.home import Home, make_private
from adapterd.scheduling.schedule import cron_times
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import runtime_for
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.database import require_not_lost
from adapterd.system.files import named_path, read_given
from adapterd.system.locks import tags_lock

MOST_TEMPLATE_BYTES = 1 << 20


@dataclass(frozen=True)
class NewModel:
    """What a person says of a model at init; `template` and `system` only matter for a .gguf base."""

    name: str
    base: str
    task: Task = Task.GENERATION
    feedback: Path | None = None
    schema: Path | None = None
    template: str | None = None
    system: str | None = None
    changes: tuple[str, ...] = ()

    @property
    def given(self) -> GivenBase:
        """What it is to be made of."""
        return GivenBase(self.name, self.base, self.template, self.system)


@dataclass(frozen=True)
class _Init:
    """What is made, where, and who is told; `present` are the tags that were there before."""

    home: Home
    settings: Settings
    new: NewModel
    runtime: Runtime
    present: Mapping[str, str]
    report: Callable[[float], object]
    notify: Callable[[str], object]

    @property
    def tags(self) -> ModelTags:
        """The tags of the new model."""
        return ModelTags(self.new.name)


def general_settings(settings: Settings, home: Home, *, host: str | None, runtime: str | None) -> Settings:
    """The settings with a first configuration's choices; raises InputError if they contradict an existing one."""
    wanted = replace(
        settings,
        runtime=RuntimeKind(runtime) if runtime else settings.runtime,
        ollama=replace(settings.ollama, host=host or settings.ollama.host),
    )
    if home.config_file.is_file() and wanted != settings:
        raise InputError(
            f"{home.config_file} says otherwise",
            hint="`adapterctl config set runtime …` or `… ollama.host …` changes it",
        )
    return wanted


def create_model(
    home: Home,
    settings: Settings,
    new: NewModel,
    *,
    report: Callable[[float], object] = lambda _: None,
    notify: Callable[[str], object] = lambda _: None,
) -> ModelSettings:
    """Check the base, register `NAME:base`, prove it, register `NAME:latest`, and write the configuration.

    Giving the command again for a model that is configured puts missing tags back. `notify` gets sentences on what
    versions will do without. Raises InputError, UnsupportedModelError, NotFoundError, RuntimeRefusedError or
    RuntimeUnavailableError; nothing stays behind then, and the configuration is only written at the end.
    """
    if not MODEL_NAME.fullmatch(new.name):
        raise InputError(
            f"{new.name!r} cannot be a model's name", hint="lower-case letters, digits, '.', '_' and '-', at most 64"
        )
    home.create()
    _require_sound_store(home)
    runtime, before = runtime_for(settings, home), mark(new.given)
    init = _Init(home, settings, new, runtime, runtime.tags(), report, notify)
    with found_base(home, runtime, new.given, init.present, notify) as base:
        return _create_of(init, base, before)


def _create_of(init: _Init, base: BaseModel, before: tuple[int, ...] | None) -> ModelSettings:
    """`create_model` once the base is found, whose file was in the state `before` then."""
    home, new, present, tags = init.home, init.new, init.present, init.tags
    known = init.settings.models.get(new.name)
    if not known:
        require_another_model(new.given, base)
        _require_free(present, tags)
    if known and known.base_digest != base.digest:
        raise InputError(
            f"{new.name} is configured with another base ({known.base}, {known.base_digest[:19]}…)",
            hint=f"choose another name; `adapterctl rebase {new.name} --base {shlex.quote(new.base)}` changes its base",
        )
    chosen = known or _settings_of(home, new, base)
    if not known or tags.base not in present:
        with _undone_if_refused(home, init.runtime, tags.base, present):
            register_base(home, init.runtime, tags.base, base, init.report)
            if mark(new.given) != before:
                raise InputError(f"{new.base} changed while it was read", hint="give the command again")
            if not known:
                chosen = _with_served_context(init, base, chosen)
                _prove(init, base, chosen.think)
    with Store(home.database) as store:
        deployer = Deployer(store, home, init.runtime)
        if store.versions.deployment(new.name) is None:
            deployer.start_with_base(new.name)
        elif tags.live not in present:
            _serve_again(deployer, new.name)
    make_private(chosen.feedback.folder or home.inbox(new.name))
    if not known:
        add_model(home, init.settings, new.name, chosen)
        return chosen
    return _named_anew(home, new, base, known)


def _serve_again(deployer: Deployer, model: str) -> None:
    """Put the live tag back; in a store that has not what was live, serve what was live before, or the base."""
    deployer.restore(model)
    recorded = deployer.store.versions.deployment(model)
    if recorded and ModelTags(model).live not in deployer.runtime.tags():
        deployer.fall_back(model, recorded.live)


def _named_anew(home: Home, new: NewModel, base: BaseModel, known: ModelSettings) -> ModelSettings:
    """The settings of a model whose base, the same one, was given by another name: a file in the place of a tag that
    cannot be read, say."""
    name = name_of(new.given, base)
    if name == known.base:
        return known
    change_config(home, lambda text: with_value(text, ("models", new.name, "base"), name))
    return replace(known, base=name)


def read_template(path: Path) -> str:
    """The text of a chat template that a person gives; raises InputError."""
    try:
        return read_given(path, MOST_TEMPLATE_BYTES).decode()
    except UnicodeDecodeError as exc:
        raise InputError(f"{path} is not UTF-8: {exc.reason} at byte {exc.start}") from exc


def _require_sound_store(home: Home) -> None:
    """Raise StoreError for a database that cannot be used, before anything is changed."""
    require_not_lost(home.database)
    if home.database.exists():
        Store(home.database).close()


def _require_free(present: Mapping[str, str], tags: ModelTags) -> None:
    """Refuse a name whose tags are somebody else's: ours are there together, and `latest` was once the base."""
    for tag in (tags.live, tags.candidate):
        if tag in present and tags.base not in present:
            raise InputError(
                f"{tag} is already there and was not made by adapterd", hint="choose another name for the model"
            )


@contextmanager
def _undone_if_refused(home: Home, runtime: Runtime, tag: str, present: Mapping[str, str]) -> Iterator[None]:
    """Take `NAME:base` away again if what comes after it is refused, unless it was there before."""
    try:
        yield
    except BaseException:
        if tag not in present:
            with suppress(AdapterdError), tags_lock(home):
                runtime.delete(tag)
        raise


def _prove(init: _Init, base: BaseModel, think: Think) -> None:
    proof = prove_base(init.home, init.settings, init.runtime, init.tags.base, init.new.given, base, think, init.notify)
    save_proof(init.home, init.new.name, proof)


def _with_served_context(init: _Init, base: BaseModel, settings: ModelSettings) -> ModelSettings:
    """The settings with the context in which the base is served, where that decides what it computes."""
    from adapterd.base_proof.served_context import SETTING, settled_context

    chosen = any(change.partition("=")[0].strip() == SETTING for change in init.new.changes)
    return settled_context(init.runtime, init.tags.base, base.gguf, settings, chosen=chosen, notify=init.notify)


def _settings_of(home: Home, new: NewModel, base: BaseModel) -> ModelSettings:
    if new.schema:
        from adapterd.evaluation.metrics.json_answers.schema import read_schema

        read_schema(named_path(new.schema))
    chosen = ModelSettings(
        base=name_of(new.given, base),
        base_digest=base.digest,
        feedback=FeedbackSettings(named_path(new.feedback or home.inbox(new.name))),
        task=new.task,
        schema=named_path(new.schema) if new.schema else None,
    )
    changed = config.with_changes(chosen, new.changes) if new.changes else chosen
    cron_times(new.name, changed.schedule.cron)
    return changed
