"""`init`: a model that applications can use by its name from now on, and that can be made better."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from adapterd import config
from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.base_proof.proof import prove_registered, save_proof
from adapterd.config import MODEL_NAME, FeedbackSettings, ModelSettings, RuntimeKind, Settings, Task, Think
from adapterd.config.toml_edit import with_value
from adapterd.deployment.checked_base import checked_base, listed_tag, require_parts, require_undamaged_parts
from adapterd.deployment.config_file import add_model, change_config
from adapterd.deployment.deploy import Deployer
from adapterd.deployment.whole_file import is_joined, whole_file
from adapterd.errors import AdapterdError, InputError, UnsupportedModelError
from adapterd.home import Home, make_private
from adapterd.scheduling.schedule import cron_times
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import (
    file_digest,
    given_file,
    is_file,
    require_undamaged,
    runtime_for,
    served_base,
)
from adapterd.serving.tags import ModelTags
from adapterd.serving.unreadable import ways_out, why
from adapterd.serving.usable_base import JOIN_FIRST, require_usable
from adapterd.store import Store
from adapterd.store.database import require_not_lost
from adapterd.system.files import read_given
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
    runtime, before = runtime_for(settings, home), _mark(new)
    init = _Init(home, settings, new, runtime, runtime.tags(), report, notify)
    with _found_base(init) as base:
        return _create_of(init, base, before)


def _create_of(init: _Init, base: BaseModel, before: tuple[int, ...] | None) -> ModelSettings:
    """`create_model` once the base is found, whose file was in the state `before` then."""
    home, new, present, tags = init.home, init.new, init.present, init.tags
    known = init.settings.models.get(new.name)
    if not known:
        _require_free(present, tags, base)
    if known and known.base_digest != base.digest:
        raise InputError(
            f"{new.name} is configured with another base ({known.base}, {known.base_digest[:19]}…)",
            hint="choose another name, or edit the configuration",
        )
    chosen = known or _settings_of(home, new, base)
    if not known or tags.base not in present:
        with _undone_if_refused(home, init.runtime, tags.base, present):
            _register_base(init, base)
            if _mark(new) != before:
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
    name = _name_of(new, base)
    if name == known.base:
        return known
    change_config(home, lambda text: with_value(text, ("models", new.name, "base"), name))
    return replace(known, base=name)


def _name_of(new: NewModel, base: BaseModel) -> str:
    """What the configuration calls the base: the file as it was given, which may be the first of several parts."""
    return str(given_file(new.base)) if is_file(new.base) else base.tag


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


def _require_free(present: Mapping[str, str], tags: ModelTags, base: BaseModel) -> None:
    """Refuse a name whose tags are somebody else's: ours are there together, and `latest` was once the base."""
    if base.tag.rpartition(":")[0] == tags.name:
        raise InputError(f"{base.tag} cannot be the base of a model of the same name", hint="choose another name")
    for tag in (tags.live, tags.candidate):
        if tag in present and tags.base not in present:
            raise InputError(
                f"{tag} is already there and was not made by adapterd", hint="choose another name for the model"
            )


def _mark(new: NewModel) -> tuple[int, ...] | None:
    """Which file the base is and how it was last changed; None for a tag, and for what is not there."""
    try:
        status = Path(new.base).expanduser().stat() if is_file(new.base) else None
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns) if status else None


@contextmanager
def _found_base(init: _Init) -> Iterator[BaseModel]:
    """The tag or the file, checked; nothing is changed yet. Parts of a model are one file for as long as this lasts."""
    home, new, notify = init.home, init.new, init.notify
    if is_file(new.base):
        from adapterd.base.gguf.split_file import parts_of

        path = given_file(new.base)
        modelfile = Modelfile(template=new.template, system=new.system)
        with whole_file(home, parts_of(path), str(path), notify) as whole:
            require_usable(whole, modelfile, str(path))
            yield BaseModel("", whole, file_digest(whole, home), modelfile)
        return
    tag = listed_tag(init.runtime, new.base, init.present)
    served = init.runtime.show(tag)
    if served.parts:
        require_parts(served, new.base)
        require_undamaged_parts(home, served, new.base)
        with whole_file(home, served.parts, new.base, notify) as whole:
            require_usable(whole, served.modelfile, new.base)
            yield BaseModel(tag, whole, file_digest(whole), served.modelfile)
        return
    base = checked_base(served, new.base, home, model=new.name)
    require_undamaged(home, base, new.base)
    yield base


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
    """Compare what a version would be served as with the base, before anything is trained on it."""
    home, runtime, new = init.home, init.runtime, init.new
    served = runtime.show(init.tags.base)
    if served.stored_digest not in (None, base.digest):
        raise UnsupportedModelError(
            f"{runtime.name} {runtime.version()} stored another file than {new.base}: it rewrites what it is given",
            hint="Ollama 0.30.0 to 0.34.0 do that; update it, then give the command again",
        )
    if served.gguf is None and is_joined(base.gguf):
        unreadable = served.unreadable
        where = f"may not be read by this user: {why(unreadable)}" if unreadable else "is not on this machine"
        raise UnsupportedModelError(
            f"{new.base} is stored in parts, and the whole file that {runtime.name} has now {where}",
            hint=ways_out(unreadable, new.name) if unreadable else JOIN_FIRST,
        )
    registered = served_base(runtime, served.tag, str(base.gguf), home)
    proof = prove_registered(home, init.settings, new.name, base.gguf, new.base)
    proof.require_thinking(think, new.base)
    save_proof(home, new.name, proof)
    for sentence in proof.notes(registered, think):
        init.notify(sentence)


def _register_base(init: _Init, base: BaseModel) -> None:
    """Make `NAME:base`, which keeps the base's file in the store whatever happens to its own tag."""
    with tags_lock(init.home):
        if base.tag and not is_joined(base.gguf):
            init.runtime.copy(base.tag, init.tags.base)
            return
        init.runtime.create(init.tags.base, base.gguf, base.digest, base.modelfile, progress=init.report)


def _with_served_context(init: _Init, base: BaseModel, settings: ModelSettings) -> ModelSettings:
    """The settings with the context in which the base is served, where that decides what it computes."""
    from adapterd.base_proof.served_context import SETTING, settled_context

    chosen = any(change.partition("=")[0].strip() == SETTING for change in init.new.changes)
    return settled_context(init.runtime, init.tags.base, base.gguf, settings, chosen=chosen, notify=init.notify)


def _settings_of(home: Home, new: NewModel, base: BaseModel) -> ModelSettings:
    if new.schema:
        from adapterd.evaluation.metrics.json_answers.schema import read_schema

        read_schema(new.schema.expanduser())
    chosen = ModelSettings(
        base=_name_of(new, base),
        base_digest=base.digest,
        feedback=FeedbackSettings((new.feedback or home.inbox(new.name)).expanduser().absolute()),
        task=new.task,
        schema=new.schema.expanduser().absolute() if new.schema else None,
    )
    changed = config.with_changes(chosen, new.changes) if new.changes else chosen
    cron_times(new.name, changed.schedule.cron)
    return changed
