"""`init`: a model that applications can use by its name from now on, and that can be made better."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from adapterd import config
from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.chat import Message, Role
from adapterd.config import MODEL_NAME, ModelSettings, RuntimeKind, Settings, Task
from adapterd.errors import AdapterdError, InputError, NotFoundError, RuntimeRefusedError, UnsupportedModelError
from adapterd.home import Home, make_private
from adapterd.lifecycle.deploy import Deployer, tags_lock
from adapterd.lifecycle.runtimes import file_digest, is_file, runtime_for, served_base
from adapterd.lifecycle.schedule import cron_times
from adapterd.serving.runtime import Runtime
from adapterd.serving.tags import ModelTags, full_name
from adapterd.store import Store
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
_PROBE = "What is the capital of France?"


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


def general_settings(settings: Settings, home: Home, *, host: str | None, runtime: str | None) -> Settings:
    """The settings with a first configuration's choices; raises InputError if they contradict an existing one."""
    wanted = replace(
        settings,
        runtime=RuntimeKind(runtime) if runtime else settings.runtime,
        ollama=replace(settings.ollama, host=host or settings.ollama.host),
    )
    if home.config_file.is_file() and wanted != settings:
        raise InputError(f"{home.config_file} says otherwise", hint="change runtime or ollama.host there")
    return wanted


def create_model(
    home: Home,
    settings: Settings,
    new: NewModel,
    *,
    report: Callable[[float], object] = lambda _: None,
    tell: Callable[[str], object] = lambda _: None,
) -> ModelSettings:
    """Check the base, register `NAME:base` and `NAME:latest`, and write the configuration.

    Giving the command again for a model that is configured puts missing tags back. Raises InputError,
    UnsupportedModelError, NotFoundError or RuntimeUnavailableError; the configuration is only written at the end.
    """
    if not MODEL_NAME.fullmatch(new.name):
        raise InputError(
            f"{new.name!r} cannot be a model's name", hint="lower-case letters, digits, '.', '_' and '-', at most 64"
        )
    home.create()
    runtime = runtime_for(settings, home)
    tags = ModelTags(new.name)
    known, present = settings.models.get(new.name), runtime.tags()
    if not known:
        _require_free(present, tags, new)
    base = _find_base(runtime, new)
    if known and known.base_digest != base.digest:
        raise InputError(
            f"{new.name} is configured with another base ({known.base}, {known.base_digest[:19]}…)",
            hint="choose another name, or edit the configuration",
        )
    chosen = known or _settings_of(home, new, base)
    if not known or tags.base not in present:
        _register_base(home, runtime, tags.base, base, report)
    if not known:
        try:
            chosen = _with_served_context(runtime, tags.base, base, chosen, new, tell)
        except AdapterdError:  # nothing stays behind
            with tags_lock(home):
                runtime.delete(tags.base)
            raise
    with Store(home.database) as store:
        deployer = Deployer(store, home, runtime)
        if store.versions.deployment(new.name) is None:
            deployer.start_with_base(new.name)
        elif tags.live not in present:
            deployer.restore(new.name)
    make_private(chosen.feedback or home.inbox(new.name))
    if not known:
        _write(home, settings, new.name, chosen)
    return chosen


def _require_free(present: Mapping[str, str], tags: ModelTags, new: NewModel) -> None:
    """Refuse a name whose tags are somebody else's: ours are there together, and `latest` was once the base."""
    if full_name(new.base).rpartition(":")[0] == tags.name:
        raise InputError(f"{new.base} cannot be the base of a model of the same name", hint="choose another name")
    if tags.live in present and tags.base not in present:
        raise InputError(
            f"{tags.live} is already there and was not made by adapterd", hint="choose another name for the model"
        )


def _find_base(runtime: Runtime, new: NewModel) -> BaseModel:
    """The tag or the file, checked; nothing is changed yet."""
    if is_file(new.base):
        path = Path(new.base).expanduser().absolute()
        if not path.is_file():
            raise NotFoundError(f"{path} does not exist")
        modelfile = Modelfile(template=new.template, system=new.system)
        require_usable(path, modelfile)
        return BaseModel("", path, file_digest(path), modelfile)
    if full_name(new.base) not in runtime.tags():
        raise NotFoundError(f"{runtime.name} has no {new.base}", hint=f"ollama pull {new.base}")
    base = served_base(runtime, full_name(new.base), new.base)
    require_usable(base.gguf, base.modelfile)
    return base


def require_usable(gguf: Path, modelfile: Modelfile) -> None:
    """A base without a chat template would be trained and served on a made-up one (Ollama takes ChatML), and talk
    nonsense."""
    from adapterd.base.architectures import check_supported
    from adapterd.base.gguf_file import GgufFile

    file = GgufFile.open(gguf)
    check_supported(file)
    if not (modelfile.template or modelfile.renderer or file.value("tokenizer.chat_template")):
        raise UnsupportedModelError(
            f"{gguf} has no chat template", hint="give one: --template FILE (as in a Modelfile)"
        )


def _register_base(home: Home, runtime: Runtime, tag: str, base: BaseModel, report: Callable[[float], object]) -> None:
    """Make `NAME:base`, which keeps the base's file in the store whatever happens to its own tag."""
    with tags_lock(home):
        if base.tag:
            runtime.copy(base.tag, tag)
            return
        runtime.create(tag, base.gguf, base.digest, base.modelfile, progress=report)
        try:
            runtime.render(tag, (Message(Role.USER, _PROBE),))
        except RuntimeRefusedError:  # a template that cannot be used
            runtime.delete(tag)
            raise


def _with_served_context(
    runtime: Runtime, tag: str, base: BaseModel, settings: ModelSettings, new: NewModel, tell: Callable[[str], object]
) -> ModelSettings:
    """The settings with the context in which the base is served, where that decides what it computes."""
    from adapterd.lifecycle.served_context import SETTING, settled_context

    chosen = any(change.partition("=")[0].strip() == SETTING for change in new.changes)
    return settled_context(runtime, tag, base.gguf, settings, chosen=chosen, tell=tell)


def _settings_of(home: Home, new: NewModel, base: BaseModel) -> ModelSettings:
    if new.schema:
        from adapterd.evaluation.json_metrics import read_schema

        read_schema(new.schema.expanduser())
    chosen = ModelSettings(
        base=str(Path(new.base).expanduser().absolute()) if is_file(new.base) else full_name(new.base),
        base_digest=base.digest,
        feedback=(new.feedback or home.inbox(new.name)).expanduser().absolute(),
        task=new.task,
        schema=new.schema.expanduser().absolute() if new.schema else None,
    )
    changed = config.with_changes(chosen, new.changes) if new.changes else chosen
    cron_times(new.name, changed.schedule.cron)
    return changed


def _write(home: Home, settings: Settings, name: str, model: ModelSettings) -> None:
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
