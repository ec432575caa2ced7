"""Rebuilding a database that is damaged, empty or gone: what versions, runs and tags can tell, and what can still be
read of it.

The new one is made beside the old one and takes its place when it is complete; the old one is kept. Feedback is read
again from the inboxes by whoever takes it in next.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapterd.config import ModelSettings, Settings
from adapterd.deployment.deploy import INIT
from adapterd.deployment.rollback_by_tags import name_of
from adapterd.errors import InputError
from adapterd.evaluation.verdict import Decision
from adapterd.formats.evaluation import EVALUATION
from adapterd.formats.lineage import LINEAGE
from adapterd.formats.run_folder import PLAN, RESULTS
from adapterd.home import Home
from adapterd.housekeeping.backup.contents import REBUILT
from adapterd.housekeeping.salvage import (
    lost_tables,
    note_copies,
    take_budgets,
    take_copies,
    take_records,
    take_tokens,
)
from adapterd.serving.tags import BASE, SEMVER, ModelTags, is_base
from adapterd.store import Store
from adapterd.store.runs import RunState
from adapterd.store.versions import PROMOTE, VersionState

WHY = "rebuilt by `doctor --repair`"
LOST = (
    "records that were posted over HTTP and could not be read any more",
    "the history, pins, labels, pauses, what was released from quarantine, and prompts without answers",
    "what was live before the previous version",
    "which version was challenger, and what fresh cases said of it: the next ones begin anew",
)
"""What files and tags do not tell."""
ENDINGS = ("", "-wal", "-shm")
"""Of the files of a database."""


@dataclass
class RebuiltModel:
    """What is known of a model again."""

    live: str | None = None
    previous: str | None = None
    versions: list[str] = field(default_factory=list)
    runs: int = 0
    records: int = 0
    evaluation_sets: int = 0


@dataclass(frozen=True)
class Rebuilt:
    """A database that was rebuilt: where the old one is now (None if it was gone), the applications whose tokens count
    as before, and what is lost."""

    aside: Path | None
    models: dict[str, RebuiltModel]
    tokens: tuple[str, ...] = ()
    lost: tuple[str, ...] = LOST


def rebuild(home: Home, settings: Settings, present: dict[str, str], prepare: Callable[[Store], object]) -> Rebuilt:
    """Rebuild the database; `present` are the runtime's tags, `prepare` is called with the new one before it is used.

    Belongs where neither the daemon nor a run works on the home.
    """
    made = home.database.with_name(f".{home.database.name}.rebuilt.partial")
    aside = home.database.with_name(f"{home.database.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    old = _left_aside(home.database) if made.exists() else home.database
    _remove(made)
    with Store(made, anew=True) as store:
        models = {
            name: _model(store, home, name, settings.models[name], present, old) for name in sorted(settings.models)
        }
        tokens, lost = take_tokens(store, old), (*LOST, *lost_tables(old))
        take_budgets(store, old)
        take_copies(store, old)
        note_copies(store, (path for path in _asides(home.database) if path != old))
        prepare(store)
        text = f"{home.database} was rebuilt from versions, runs and tags"
        store.events.add(REBUILT, text, detail={"aside": str(aside if old == home.database else old)})
    if old != home.database:  # moved aside already
        kept: Path | None = old
    else:
        kept = aside if old.exists() else None
        move_database(old, aside)
    made.rename(home.database)
    return Rebuilt(kept, models, tokens, lost)


def _left_aside(database: Path) -> Path:
    """The old database where one that was killed has moved it aside already, all of its files; else the database."""
    asides = _asides(database)
    if database.exists() or not asides:
        return database
    move_database(database, asides[-1])
    return asides[-1]


def _asides(database: Path) -> list[Path]:
    """Databases that were kept aside, the oldest first."""
    return sorted(path for path in database.parent.glob(f"{database.name}.damaged-*") if not path.name[-1:].isalpha())


def _remove(database: Path) -> None:
    for ending in ENDINGS:
        database.with_name(database.name + ending).unlink(missing_ok=True)


def move_database(database: Path, aside: Path) -> None:
    """Move a database, with its write-ahead log."""
    for ending in ENDINGS:
        if (old := database.with_name(database.name + ending)).exists():
            old.rename(aside.with_name(aside.name + ending))


def _model(
    store: Store, home: Home, name: str, settings: ModelSettings, present: dict[str, str], old: Path
) -> RebuiltModel:
    with store.transaction():
        records = take_records(store, name, old, WHY)
        versions = list(_versions(store, home, name, settings, present))
        runs = sum(_take_run(store, folder, name, records) for folder in sorted(home.root.glob("runs/*")))
        live, previous = _deploy(store, name, present)
    sets = len(store.evaluation_sets.all(name))
    return RebuiltModel(live, previous, versions, runs, records, sets)


def _versions(
    store: Store, home: Home, model: str, settings: ModelSettings, present: Mapping[str, str]
) -> Iterator[str]:
    """Note every version that has a folder or a tag, oldest number first."""
    folders = (path.name for path in (home.root / "models" / model).glob("*") if path.is_dir())
    labels = (label for name, _, label in (tag.rpartition(":") for tag in present) if name == model)
    names = {each for each in (*folders, *labels) if SEMVER.fullmatch(each)}
    for version in sorted(names, key=lambda each: [int(part) for part in each.split(".")]):
        folder, digest = home.version(model, version), present.get(ModelTags(model).version(version))
        lineage = _read(LINEAGE.read, folder) or {}
        base, run = lineage.get("base"), lineage.get("run")
        base_digest = str((base.get("digest") if isinstance(base, dict) else None) or settings.base_digest)
        store.versions.add(model, version, run_id=str(run or ""), digest=digest or "", base_digest=base_digest)
        evaluation = _read(EVALUATION.read, folder)
        store.versions.set_state(model, version, *_verdict(evaluation, digest is not None))
        yield version


def _verdict(evaluation: dict[str, Any] | None, has_tag: bool) -> tuple[VersionState, str, dict[str, Any]]:
    metrics: dict[str, Any] = {
        name: evaluation[name]
        for name in ("scores", "baselines", "findings", "evaluation_hash")
        if evaluation and name in evaluation
    }
    if not has_tag:
        return VersionState.COLLECTED, f"its tag is gone ({WHY})", metrics
    if evaluation is None:
        return VersionState.HELD, f"how it was judged is not known ({WHY})", metrics
    promoted = evaluation["decision"] == Decision.PROMOTE
    return VersionState.PROMOTED if promoted else VersionState.HELD, f"{evaluation['reason']} ({WHY})", metrics


def _read(read: Callable[[Path], dict[str, Any] | None], folder: Path) -> dict[str, Any] | None:
    try:
        return read(folder)
    except InputError:  # damaged
        return None


def _take_run(store: Store, folder: Path, model: str, records: int) -> bool:
    """Note a run by its plan and the results of its stages; False for one of another model, or that cannot be read."""
    try:
        plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        if plan["model"] != model:
            return False
        results = json.loads((folder / RESULTS).read_text(encoding="utf-8")) if (folder / RESULTS).is_file() else {}
        with store.transaction():
            _note_run(store, folder.name, plan, results, bool(records))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    return True


def _note_run(store: Store, run: str, plan: dict[str, Any], results: dict[str, Any], with_records: bool) -> None:
    """Note a run that is over. Without the records of then, none of those of now is known to it."""
    model, last_id = plan["model"], int(plan.get("last_feedback_id") or 0)
    store.runs.start(run, model, reason=WHY, fingerprint="", last_feedback_id=last_id if with_records else 0)
    store.runs.set_version(run, plan["version"])
    for name, result in results.items():
        store.runs.start_stage(run, name, "")
        store.runs.finish_stage(run, name, result=result)
    _freeze(store, model, results.get("dataset") or {}, by_hand=bool(plan.get("set_by_hand")))
    version = store.versions.get(model, plan["version"])
    if version is None or version.run_id != run:
        store.runs.set_state(run, RunState.ABANDONED, error=WHY)
    else:
        promoted = version.state is VersionState.PROMOTED
        store.runs.set_state(run, RunState.PROMOTED if promoted else RunState.HELD)


def _freeze(store: Store, model: str, dataset: Mapping[str, Any], *, by_hand: bool) -> None:
    """Freeze the set that a run was judged by, so that it is not trained on."""
    cases, digest = dataset.get("evaluation_cases"), dataset.get("evaluation_hash")
    if cases and digest and digest not in {each.content_hash for each in store.evaluation_sets.all(model)}:
        store.evaluation_sets.freeze(model, digest, cases, by_hand=by_hand, grown=bool(dataset.get("grown")))


def _deploy(store: Store, model: str, present: dict[str, str]) -> tuple[str | None, str | None]:
    """Note what the tags say is live, and what was before."""
    tags = ModelTags(model)
    base, live_digest, previous_digest = (present.get(tag) for tag in (tags.base, tags.live, tags.previous))
    if live_digest is None and base is None:
        return None, None
    live, previous = name_of(model, present, live_digest), name_of(model, present, previous_digest)
    store.versions.deploy(model, INIT, live=BASE, live_digest=base or "")
    known = [each for each in (previous, live) if SEMVER.fullmatch(each) or (is_base(each) and each != BASE)]
    before, before_digest = BASE, base
    for version in dict.fromkeys(known):
        digest = present[tags.version(version)]
        store.versions.deploy(
            model, PROMOTE, live=version, live_digest=digest, previous=before, previous_digest=before_digest
        )
        before, before_digest = version, digest
        store.versions.set_state(model, version, VersionState.PROMOTED, f"it was live ({WHY})")
    deployment = store.versions.deployment(model)
    if live == BASE and deployment and deployment.live != BASE and base:
        store.versions.deploy(model, "rollback", live=BASE, live_digest=base)
    deployment = store.versions.deployment(model)
    return (deployment.live, deployment.previous) if deployment else (None, None)
