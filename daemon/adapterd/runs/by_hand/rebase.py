"""Another base for the same model: proven as at `init`, and judged by what the model's feedback has frozen.

What is live stays live, and is what the next version has to be better than; only where that is the base itself, the new
base is live. Everything is checked before anything is written, and written in one step (`deployment/base_change.py`).
"""

import shlex
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from adapterd import config
from adapterd.base.model import BaseModel
from adapterd.base_proof.proof import Proof, save_proof
from adapterd.chat import Message, Role
from adapterd.config import ModelSettings, Settings, Start
from adapterd.config.keys import join_key, split_key
from adapterd.config.toml_edit import with_value
from adapterd.deployment.base_change import NewBase
from adapterd.deployment.checked_base import (
    GivenBase,
    found_base,
    mark,
    name_of,
    prove_base,
    register_base,
    require_another_model,
)
from adapterd.deployment.deploy import Deployer
from adapterd.deployment.live_tag import require_our_store
from adapterd.errors import AdapterdError, ConfigError, InputError, RuntimeRefusedError, UnsupportedModelError
from adapterd.home import Home
from adapterd.housekeeping.reconcile import reconcile
from adapterd.runs import training_jobs
from adapterd.runs.version_numbers import next_version, taken_numbers
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import fingerprint, runtime_for, served_base
from adapterd.serving.tags import BASE, ModelTags, full_name
from adapterd.store import Store
from adapterd.store.runs import Run, RunState
from adapterd.store.versions import REBASE
from adapterd.system.host.wakeup import wake_up
from adapterd.system.locks import LOCK_TIMEOUT_S, exclusive, tags_lock

Notify = Callable[[str], object]
NUM_CTX = "evaluation.num_ctx"
PLAIN = (Message(Role.USER, "Yes?"),)
ONE_LINE = 60
"""As many characters of a text of the base are shown."""


@dataclass(frozen=True)
class Difference:
    """What the new base has otherwise than the old one, in words; None where one of them has nothing of it."""

    what: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Rebase:
    """What changes, or changed: the base by its name and the digest of its file, what is live and whether the new base
    is live instead, and the number of the next version. `gives_up` is a run that stopped and does not go on;
    `differences` are those of the bases, `settings` those that change with the base. `notes` are for a person."""

    model: str
    base: str
    base_digest: str
    old_base: str
    old_digest: str
    live: str
    live_follows: bool
    next_version: str
    records: int
    prompts: int
    cases: int
    versions: int
    gives_up: str | None
    differences: tuple[Difference, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def rebase(
    store: Store,
    home: Home,
    settings: Settings,
    given: GivenBase,
    changes: Sequence[str] = (),
    *,
    only_look: bool = False,
    report: Callable[[float], object] = lambda _: None,
) -> Rebase:
    """Prove the base that is given, and put it in the place of the model's; returns what changed by that. With
    `only_look` nothing is changed. `changes` are settings as `KEY=VALUE`, written with it.

    Raises BusyError while a run goes on, InputError for the base that the model has or for settings that do not go with
    the new one, and what `init` raises for a base that cannot be used; everything is as before then.
    """
    with exclusive(home.run_lock, timeout_s=LOCK_TIMEOUT_S, busy=_busy(store, given.model)):
        runtime, tags = runtime_for(settings, home), ModelTags(given.model)
        present = runtime.tags()
        notes = reconcile(store, home, settings, runtime, only=given.model)
        require_our_store(store, given.model, runtime)
        before = mark(given)
        with found_base(home, runtime, given, present, notes.append) as base:
            require_another_model(given, base)
            _require_another_base(runtime, given, base, settings.models[given.model])
            with _staged(store, home, runtime, tags, base, report):
                if mark(given) != before:
                    raise InputError(f"{given.base} changed while it was read", hint="give the command again")
                change = _Change(store, home, settings, runtime, given, base, tuple(changes), notes)
                return change.look() if only_look else change.make()


def _busy(store: Store, model: str) -> str:
    if store.runs.any_running():
        return f"a run goes on, and the base of {model} cannot be changed meanwhile; `adapterctl cancel` ends a run"
    return f"another process works on runs, and the base of {model} cannot be changed meanwhile"


def _require_another_base(runtime: Runtime, given: GivenBase, base: BaseModel, settings: ModelSettings) -> None:
    """Raise InputError for the base that the model has; one whose tag and pin differ is put right."""
    if base.digest != settings.base_digest:
        return
    with suppress(AdapterdError):
        if served_base(runtime, ModelTags(given.model).base, settings.base).digest != base.digest:
            return
    hint = f"`adapterctl init {given.model} --base {shlex.quote(given.base)}` puts missing tags of it back"
    if base.tag and base.tag == full_name(settings.base):
        hint += f"; models.{given.model}.schedule.on_base_change = retrain follows changes of its template"
    raise InputError(f"{given.base} is the base of {given.model} already, by its file ({base.digest[:19]}…)", hint=hint)


@contextmanager
def _staged(
    store: Store, home: Home, runtime: Runtime, tags: ModelTags, base: BaseModel, report: Callable[[float], object]
) -> Iterator[None]:
    """Have the base under a tag of its own while it is proven. It is gone afterwards, unless the change was begun and
    could not be finished: who finishes it needs the tag."""
    try:
        register_base(home, runtime, tags.next_base, base, report)
        yield
    finally:
        with suppress(AdapterdError), tags_lock(home):
            if tags.next_base in runtime.tags() and not store.versions.begun_base_changes(tags.name):
                runtime.delete(tags.next_base)


@dataclass(frozen=True)
class _Change:
    """A base that is registered as `NAME:next-base`, and what it takes the place of."""

    store: Store
    home: Home
    config: Settings
    runtime: Runtime
    given: GivenBase
    base: BaseModel
    changes: tuple[str, ...]
    notes: list[str]

    @property
    def model(self) -> str:
        return self.given.model

    @property
    def tags(self) -> ModelTags:
        return ModelTags(self.model)

    @property
    def before(self) -> ModelSettings:
        return self.config.models[self.model]

    def look(self) -> Rebase:
        """Prove the base, and tell what would change."""
        return self._proven()[0]

    def make(self) -> Rebase:
        """Prove the base, and put it in the place of the other."""
        found, proof, after = self._proven()
        run = self._stopped_run()
        new = NewBase(REBASE, self.base.digest, lambda text: self._edited(text, after))
        Deployer(self.store, self.home, self.runtime).change_base(self.model, new)
        save_proof(self.home, self.model, proof)
        if run:
            why = f"{self.model} is made of {after.base} from now on"
            with self.store.transaction():
                self.store.runs.set_state(run.id, RunState.ABANDONED, error=why)
                self.store.events.add("run.abandoned", f"run {run.id} is given up: {why}", model=self.model)
            training_jobs.give_up(self.store, run.id)
        wake_up(self.home.wakeup)
        return found

    def _proven(self) -> tuple[Rebase, Proof, ModelSettings]:
        after = self._settings()
        tag = self.tags.next_base
        proof = prove_base(
            self.home, self.config, self.runtime, tag, self.given, self.base, after.think, self.notes.append
        )
        self._require_askable(after)
        self._note_what_is_new(after)
        return self._told(after), proof, after

    def _settings(self) -> ModelSettings:
        """The settings with the new base; raises InputError or ConfigError where they do not go with it."""
        from adapterd.base_proof.served_context import settled_context

        changed = config.with_changes(self.before, self.changes) if self.changes else self.before
        changed = replace(changed, base=name_of(self.given, self.base), base_digest=self.base.digest)
        chosen = any(change.partition("=")[0].strip() == NUM_CTX for change in self.changes)
        return settled_context(
            self.runtime, self.tags.next_base, self.base.gguf, changed, chosen=chosen, notify=self.notes.append
        )

    def _require_askable(self, after: ModelSettings) -> None:
        """Ask for the prompts of the frozen set, as the next run will; raises StageError where none can be asked."""
        from adapterd.dataset.cases import EvaluationCase
        from adapterd.dataset.left_out import summary
        from adapterd.runs.served_prompts import ServedPrompts

        tag, frozen = self.tags.next_base, self.store.evaluation_sets.newest(self.model)
        cases = [EvaluationCase.from_dict(case) for case in frozen.cases] if frozen else []
        try:
            self.runtime.render(tag, PLAIN, think=after.think.wanted)
            _, left_out = ServedPrompts(self.runtime, after, self.base.gguf, {BASE: tag}).askable(cases)
        except RuntimeRefusedError as exc:
            raise UnsupportedModelError(
                f"{self.given.base} cannot be asked with think = {after.think.value}: {exc}",
                hint="`--set think=…` changes that with the base",
            ) from exc
        if left_out:
            self.notes.append(summary(left_out, f"cases of the frozen set that {self.given.base} cannot be asked"))

    def _note_what_is_new(self, after: ModelSettings) -> None:
        from adapterd.base.gguf.gguf_file import GgufFile
        from adapterd.base_proof.needs import Hardware, Workload, needs, too_large

        hardware = Hardware.here()
        work = Workload(max(1, self.store.feedback.count(self.model)))
        with suppress(AdapterdError):  # what is wrong with the file was found before
            found = needs(GgufFile.open(self.base.gguf), work, None, hardware, after.training, after.evaluation.num_ctx)
            if not found.fits:
                self.notes.append(too_large(self.given.base, found, hardware.memory_bytes))
        if after.training.start is Start.LIVE and self.store.versions.all(self.model):
            self.notes.append("the adapter that is live is of the other base, so the next training begins at the base")

    def _told(self, after: ModelSettings) -> Rebase:
        versions, frozen = self.store.versions.all(self.model), self.store.evaluation_sets.newest(self.model)
        deployment, run = self.store.versions.deployment(self.model), self._stopped_run()
        live = deployment.live if deployment else BASE
        taken = taken_numbers(self.home, self.runtime, self.model)
        return Rebase(
            model=self.model,
            base=after.base,
            base_digest=after.base_digest,
            old_base=self.before.base,
            old_digest=self.before.base_digest,
            live=live,
            live_follows=live == BASE,
            next_version=next_version(versions, after.base_digest, taken=taken),
            records=self.store.feedback.count(self.model),
            prompts=self.store.prompts.counts(self.model).prompts,
            cases=len(frozen.cases) if frozen else 0,
            versions=len(versions),
            gives_up=run.id if run else None,
            differences=tuple(self._differences()),
            settings={join_key(path): value for path, value in self._written(after).items()},
            notes=tuple(self.notes),
        )

    def _stopped_run(self) -> Run | None:
        run = self.store.runs.latest(self.model)
        return run if run and run.state.open else None

    def _differences(self) -> Iterator[Difference]:
        """Of the headers of both files, and of what surrounds them; nothing where the old one cannot be read."""
        try:
            old = served_base(self.runtime, self.tags.base, self.before.base)
            pairs = zip(_described(old), _described(self.base), strict=True)
        except (AdapterdError, OSError):
            return
        for (what, ours), (_, theirs) in pairs:
            if ours != theirs:
                yield Difference(what, ours, theirs)

    def _written(self, after: ModelSettings) -> dict[tuple[str, ...], Any]:
        """The settings that are to be written, by their keys."""
        table = config.to_table(after)
        keys = [tuple(split_key(change.partition("=")[0].strip())) for change in self.changes]
        if after.evaluation.num_ctx != self.before.evaluation.num_ctx:
            keys.append(tuple(NUM_CTX.split(".")))
        found: dict[tuple[str, ...], Any] = {}
        for key in keys:
            place: Any = table
            for part in key:
                place = place.get(part) if isinstance(place, dict) else None
            found[key] = place
        return found

    def _edited(self, text: str, after: ModelSettings) -> str:
        model = tomllib.loads(text).get("models", {}).get(self.model, {})
        if model.get("base_digest") != self.before.base_digest:
            raise ConfigError(f"the base of {self.model} was changed meanwhile", hint="give the command again")
        values = {**self._written(after), ("base",): after.base, ("base_digest",): after.base_digest}
        for path, value in values.items():
            text = with_value(text, ("models", self.model, *path), value)
        return text


def _described(base: BaseModel) -> Iterator[tuple[str, str | None]]:
    """What people know a base by, the same for every base."""
    from adapterd.base.gguf.gguf_file import GgufFile
    from adapterd.base.hyperparameters import number

    file = GgufFile.open(base.gguf)
    yield "architecture", file.architecture
    yield "weights", f"{file.value_count / 1e6:.0f} million, most of them {file.commonest_type}"
    yield "context", f"{number(file, 'context_length', 0)} tokens"
    template = base.modelfile.template or file.value("tokenizer.chat_template")
    yield "chat template", _short(str(template)) if template else None
    yield "system prompt", _short(base.modelfile.system) if base.modelfile.system else None
    yield "renderer", base.modelfile.renderer
    yield "parser", base.modelfile.parser
    parameters = base.modelfile.parameters
    yield (
        "parameters",
        ", ".join(f"{name} = {_short(str(value))}" for name, value in sorted(parameters.items())) or None,
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= ONE_LINE else f"{line[:ONE_LINE]}… ({len(text)} characters, {fingerprint(text)[:6]})"
