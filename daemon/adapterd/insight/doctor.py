"""What is installed, reachable, slow or missing, and what to do about it."""

import importlib.metadata
import importlib.util
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from adapterd import config
from adapterd.config import ModelSettings, RuntimeKind, Settings
from adapterd.errors import AdapterdError
from adapterd.home import Home
from adapterd.providers.registry import described
from adapterd.scheduling.schedule import cron_times
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import pinned_base, runtime_for
from adapterd.serving.tags import ModelTags, full_name
from adapterd.store import Store
from adapterd.system import blas
from adapterd.system.locks import is_held

LIBRARIES = ("mlx", "mlx-lm", "llama-cpp-python", "gguf", "ollama", "watchdog", "apscheduler")
TIGHT_BYTES = 5 << 30
SLOW_S = 0.5
TESTED_OLLAMA = (0, 24)


@dataclass(frozen=True)
class Check:
    """The result of one check; `level` is ok, warning or fault."""

    level: str
    what: str
    detail: str
    hint: str = ""


def run_checks(home: Home) -> list[Check]:
    """Check everything; what cannot be checked is a result like any other."""
    checks = list(_installation()) + list(_home(home))
    try:
        settings = config.load(home)
    except AdapterdError as exc:
        return [*checks, Check("fault", "configuration", str(exc), exc.hint)]
    checks.append(Check("ok", "configuration", f"{len(settings.models)} models in {home.config_file}"))
    runtime = runtime_for(settings, home)
    reachable = _runtime(runtime, settings)
    checks.append(reachable)
    checks.append(_daemon(home))
    for name, model in settings.models.items():
        checks += _model(home, runtime, name, model, asked=reachable.level != "fault")
    return checks


def _installation() -> Iterator[Check]:
    yield Check("ok", "python", f"{sys.version.split()[0]} on {sys.platform}")
    for name in LIBRARIES:
        try:
            yield Check("ok", name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Check("fault", name, "is not installed", f"pip install {name}")
    if importlib.util.find_spec("mlx") and not importlib.util.find_spec("mlx.core"):
        yield Check("fault", "mlx", "has no back end for this machine", "pip install 'mlx[cpu]' or 'mlx[cuda]'")
    yield _blas()


def _blas() -> Check:
    if sys.platform == "darwin":
        return Check("ok", "matrix library", "Metal")
    if blas.preload_environment():
        return Check("ok", "matrix library", blas.describe())
    return Check("warning", "matrix library", blas.describe(), "pip install mkl, or apt install libopenblas0-pthread")


def _home(home: Home) -> Iterator[Check]:
    try:
        home.create()
        with Store(home.database) as store:
            integrity = store.row("PRAGMA quick_check")
    except AdapterdError as exc:
        yield Check("fault", "home", str(exc), exc.hint)
        return
    healthy = integrity is not None and integrity[0] == "ok"
    yield Check("ok" if healthy else "fault", "state database", str(home.database) if healthy else "is damaged")
    free = shutil.disk_usage(home.root).free
    level = "ok" if free > TIGHT_BYTES else "warning"
    yield Check(level, "disk", f"{free / 1e9:.0f} GB free at {home.root}", "" if level == "ok" else "make room")
    if home.root.stat().st_mode & 0o077:
        yield Check("warning", "privacy", f"others may read {home.root}", f"chmod 700 {home.root}")


def _runtime(runtime: Runtime, settings: Settings) -> Check:
    started = time.perf_counter()
    try:
        version = runtime.version()
        runtime.tags()
    except AdapterdError as exc:
        return Check("fault", "runtime", str(exc), exc.hint)
    took_s = time.perf_counter() - started
    where = f" at {settings.ollama.host}" if settings.runtime is RuntimeKind.OLLAMA else ""
    detail = f"{runtime.name} {version}{where} answers in {took_s * 1000:.0f} ms"
    if settings.runtime is RuntimeKind.OLLAMA and _number(version) < TESTED_OLLAMA:
        return Check("warning", "runtime", detail, "this release is older than any that was tested; update Ollama")
    return Check("ok" if took_s < SLOW_S else "warning", "runtime", detail)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _daemon(home: Home) -> Check:
    if is_held(home.daemon_lock):
        return Check("ok", "daemon", "is running")
    return Check("warning", "daemon", "is not running, so nothing happens by itself", "adapterctl service install")


def _model(home: Home, runtime: Runtime, name: str, model: ModelSettings, *, asked: bool) -> Iterator[Check]:
    try:
        cron_times(name, model.schedule.cron)
    except AdapterdError as exc:
        yield Check("fault", name, str(exc), f"correct it in {home.config_file}")
    inbox = model.feedback or home.inbox(name)
    yield _path(name, "feedback folder", inbox, Path.is_dir, f"mkdir -p '{inbox}'")
    yield _provider(home, name, model)
    if model.schema:
        yield _path(name, "schema", model.schema, Path.is_file, "correct `schema` in the configuration")
    if not asked:
        return
    try:
        base = pinned_base(runtime, name, model)
        yield Check("ok", name, f"base {base.digest[:19]}… is in place")
        yield from _drift(runtime, name, model)
        yield _live(home, runtime, name)
    except AdapterdError as exc:
        yield Check("fault", name, str(exc), exc.hint)


def _provider(home: Home, name: str, model: ModelSettings) -> Check:
    try:
        return Check("ok", name, described(model.training))
    except AdapterdError as exc:
        return Check("fault", name, str(exc), f"{exc.hint}, in {home.config_file}")


def _path(name: str, what: str, path: Path, good: Callable[[Path], bool], hint: str) -> Check:
    return (
        Check("ok", name, f"{what} {path}") if good(path) else Check("fault", name, f"{what} {path} is missing", hint)
    )


def _drift(runtime: Runtime, name: str, model: ModelSettings) -> Iterator[Check]:
    """The base's own tag may have been pulled anew since init; the pinned one stays in use."""
    tags = runtime.tags()
    own = tags.get(full_name(model.base))
    if own and own != tags.get(ModelTags(name).base):
        yield Check("warning", name, f"{model.base} is not what it was at init; the pinned base stays in use")


def _live(home: Home, runtime: Runtime, name: str) -> Check:
    with Store(home.database) as store:
        live = store.versions.deployment(name)
    if live is None:
        return Check("fault", name, "nothing was ever live", f"adapterctl init {name} --base TAG")
    if runtime.tags().get(ModelTags(name).live) != live.live_digest:
        return Check(
            "fault",
            name,
            f"{ModelTags(name).live} is not {live.live} as recorded",
            f"adapterctl rollback {name} --to {live.live}",
        )
    return Check("ok", name, f"{live.live} is live as recorded")
