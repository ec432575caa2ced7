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
from adapterd.config.addresses.ollama_host import HostSource, NamedHost, named_host
from adapterd.deployment.base_drift import drifted_to
from adapterd.deployment.history import other_base
from adapterd.deployment.live_tag import look_at_live, promoting, require_our_store, returned
from adapterd.deployment.version_tags import VersionTags
from adapterd.errors import AdapterdError, StoreError, reason
from adapterd.home import Home
from adapterd.insight.capture.state import capture_checks
from adapterd.insight.http_status import http_checks
from adapterd.insight.season.checks import season_checks
from adapterd.providers.registry import described
from adapterd.scheduling.schedule import cron_times
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import pinned_base, runtime_for
from adapterd.serving.tags import SEMVER
from adapterd.store import Store
from adapterd.store.database import WITHOUT_DATABASE
from adapterd.system import blas
from adapterd.system.host.supported import described as described_machine
from adapterd.system.host.supported import this_machine, unsupported
from adapterd.system.locks import is_held
from adapterd.system.permissions.home import look_at_home, look_at_inbox
from adapterd.system.release.running import of_another_release, running_release
from adapterd.system.service import why_not_running

LIBRARIES = ("mlx", "mlx-lm", "llama-cpp-python", "gguf", "ollama", "watchdog", "apscheduler")
TIGHT_BYTES = 5 << 30
SLOW_S = 0.5
TESTED_OLLAMA = (0, 24)
SELF = "adapterctl doctor looks closer"
"""The hint of other commands."""


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
    runtime, reachable = _reached(home, settings)
    checks += [*reachable, _daemon(home), *_http(home, settings), *_capture(home, settings)]
    for name, model in settings.models.items():
        checks += _model(home, runtime, name, model)
    return checks


def _installation() -> Iterator[Check]:
    yield Check("ok", "python", f"{sys.version.split()[0]} on {sys.platform}")
    yield _machine()
    for name in LIBRARIES:
        try:
            yield Check("ok", name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Check("fault", name, "is not installed", f"pip install {name}")
    if importlib.util.find_spec("mlx") and not importlib.util.find_spec("mlx.core"):
        yield Check("fault", "mlx", "has no back end for this machine", "pip install 'mlx[cpu]' or 'mlx[cuda]'")
    yield _blas()


def _machine() -> Check:
    machine = this_machine()
    wrong = unsupported(machine)
    return Check("fault", "machine", *wrong) if wrong else Check("ok", "machine", described_machine(machine))


def _blas() -> Check:
    if sys.platform == "darwin":
        return Check("ok", "matrix library", "Metal")
    try:
        found = blas.preload_environment()
    except AdapterdError as exc:
        return Check("fault", "matrix library", str(exc), exc.hint)
    if found:
        return Check("ok", "matrix library", blas.describe())
    return Check("warning", "matrix library", blas.describe(), "pip install mkl, or apt install libopenblas0-pthread")


def _home(home: Home) -> Iterator[Check]:
    found = look_at_home(home)
    for finding in found:
        yield Check("fault" if finding.refused else "warning", "permissions", finding.text, finding.hint)
    if any(finding.refused for finding in found):
        return
    try:
        home.create()
        with Store(home.database) as store:
            integrity = store.row("PRAGMA quick_check")
    except AdapterdError as exc:
        yield Check("fault", "home", str(exc), "" if exc.hint == SELF else exc.hint)
        return
    healthy = integrity is not None and integrity[0] == "ok"
    if healthy:
        yield Check("ok", "state database", str(home.database))
    else:
        yield Check("fault", "state database", "is damaged", WITHOUT_DATABASE)
    free = shutil.disk_usage(home.root).free
    level = "ok" if free > TIGHT_BYTES else "warning"
    yield Check(level, "disk", f"{free / 1e9:.0f} GB free at {home.root}", "" if level == "ok" else "make room")
    if home.root.stat().st_mode & 0o077:
        yield Check("warning", "privacy", f"others may read {home.root}", f"chmod 700 {home.root}")


def _reached(home: Home, settings: Settings) -> tuple[Runtime | None, list[Check]]:
    """The runtime, None where it does not answer, and what is to be said of it and its address."""
    host = named_host(home, settings) if settings.runtime is RuntimeKind.OLLAMA else None
    try:
        runtime = runtime_for(settings, home)
        checks = [_runtime(runtime, settings, f" at {host.in_words}" if host else "")]
    except AdapterdError as exc:
        said = f" ({host.shown} is from {host.source})" if host and host.source is HostSource.ENVIRONMENT else ""
        return None, [Check("fault", "runtime", f"{exc}{said}", exc.hint), *_address(host)]
    return runtime, [*checks, *_address(host)]


def _address(host: NamedHost | None) -> Iterator[Check]:
    """What may surprise about where Ollama is looked for."""
    if host and host.note:
        yield Check("warning", "address", host.note, f"unset {HostSource.ENVIRONMENT}, or change ollama.host to it")
    if host and host.source is HostSource.ENVIRONMENT:
        yield Check(
            "warning",
            "address",
            f"{host.shown} is from {host.source}, which a daemon that is a service may not get",
            "adapterctl config set ollama.host ADDRESS makes it the same everywhere",
        )


def _runtime(runtime: Runtime, settings: Settings, where: str) -> Check:
    started = time.perf_counter()
    version = runtime.version()
    runtime.tags()
    took_s = time.perf_counter() - started
    detail = f"{runtime.name} {version}{where} answers in {took_s * 1000:.0f} ms"
    if settings.runtime is RuntimeKind.OLLAMA and _number(version) < TESTED_OLLAMA:
        return Check("warning", "runtime", detail, "this release is older than any that was tested; update Ollama")
    return Check("ok" if took_s < SLOW_S else "warning", "runtime", detail)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _daemon(home: Home) -> Check:
    try:
        held = is_held(home.daemon_lock)
    except OSError as exc:
        return Check("fault", "daemon", f"{home.daemon_lock}: {reason(exc)}", "see permissions above")
    if other := of_another_release(home):
        return Check("warning", "daemon", other, "adapterctl service restart")
    if held:
        return Check("ok", "daemon", f"is running, adapterd {running_release(home) or '0.1.0 or older'}")
    if why := why_not_running(home):
        return Check("fault", "daemon", "is not running, so nothing happens by itself", why)
    return Check("warning", "daemon", "is not running, so nothing happens by itself", "adapterctl service install")


def _http(home: Home, settings: Settings) -> Iterator[Check]:
    try:
        for level, detail, hint in http_checks(home, settings, running=is_held(home.daemon_lock)):
            yield Check(level, "http", detail, hint)
    except (AdapterdError, OSError) as exc:
        yield Check("fault", "http", *((str(exc), exc.hint) if isinstance(exc, AdapterdError) else (reason(exc), "")))


def _capture(home: Home, settings: Settings) -> Iterator[Check]:
    try:
        for level, detail, hint in capture_checks(home, settings):
            yield Check(level, "capture", detail, hint)
    except AdapterdError as exc:
        yield Check("fault", "capture", str(exc), exc.hint)


def _model(home: Home, runtime: Runtime | None, name: str, model: ModelSettings) -> Iterator[Check]:
    try:
        cron_times(name, model.schedule.cron)
    except AdapterdError as exc:
        yield Check("fault", name, str(exc), f"correct it in {home.config_file}")
    inbox = model.feedback.folder or home.inbox(name)
    yield _path(name, "feedback folder", inbox, Path.is_dir, f"mkdir -p '{inbox}'")
    if finding := look_at_inbox(inbox):
        yield Check("warning", name, finding.text, finding.hint)
    yield from _unreadable(home, name)
    yield from _season(home, name, model)
    yield _provider(home, name, model)
    if model.schema:
        yield _path(name, "schema", model.schema, Path.is_file, "correct `schema` in the configuration")
    if runtime is None:
        return
    try:
        with Store(home.database) as store:
            require_our_store(store, name, runtime)
        yield from _live(home, runtime, name, model)
        base = pinned_base(runtime, name, model, home)
        yield Check("ok", name, f"base {base.digest[:19]}… is in place")
        yield from _drift(runtime, name, model)
    except StoreError:
        return  # told of the home
    except AdapterdError as exc:
        yield Check("fault", name, str(exc), exc.hint)


def _unreadable(home: Home, name: str) -> Iterator[Check]:
    """By the daemon's own view: the terminal may have rights that the daemon has not."""
    try:
        with Store(home.database) as store:
            found = store.unreadable.all(name)
    except StoreError:
        return  # told of the home
    for each in found:
        yield Check("fault", name, f"the daemon cannot read {each.path}: {each.reason}", each.hint)


def _season(home: Home, name: str, model: ModelSettings) -> Iterator[Check]:
    try:
        with Store(home.database) as store:
            found = list(season_checks(store, name, model))
    except StoreError:
        return  # told of the home
    for level, detail, hint in found:
        yield Check(level, name, detail, hint)


def _provider(home: Home, name: str, model: ModelSettings) -> Check:
    try:
        return Check("ok", name, described(model.training))
    except AdapterdError as exc:
        return Check("fault", name, str(exc), f"{exc.hint}, in {home.config_file}")


def _path(name: str, what: str, path: Path, good: Callable[[Path], bool], hint: str) -> Check:
    try:
        there = good(path)
    except OSError as exc:
        return Check("fault", name, f"{what} {path} cannot be looked at: {reason(exc)}", hint)
    return Check("ok", name, f"{what} {path}") if there else Check("fault", name, f"{what} {path} is missing", hint)


def _drift(runtime: Runtime, name: str, model: ModelSettings) -> Iterator[Check]:
    """The base's own tag may have been pulled anew since init; the pinned one stays in use."""
    if drifted_to(runtime, name, model):
        yield Check("warning", name, f"{model.base} is not what it was at init; the pinned base stays in use")


def _live(home: Home, runtime: Runtime, name: str, model: ModelSettings) -> Iterator[Check]:
    with Store(home.database) as store:
        live, present = store.versions.deployment(name), runtime.tags()
        if live is None:
            yield Check("fault", name, "nothing was ever live", f"adapterctl init {name} --base TAG")
            return
        found, tags = look_at_live(store, live, present), VersionTags(store, home, runtime, name)
        back = [each for each in returned(store, name, present) if not tags.file_is_lost(each.version)]
        other = other_base(store, home, name, live.live, model.base_digest)
        run = store.runs.latest(name)
        known = {run and run.version, *(version.version for version in store.versions.all(name))}
    if found.is_as_recorded:
        of = f"; it is made of {other}, and the next version of {model.base}" if other else ""
        yield Check("ok", name, f"{live.live} is live as recorded{of}")
    else:
        yield Check("fault", name, found.said, found.hint)
    for version in back:
        yield Check("warning", name, f"{version.version}, withdrawn as lost, is there again", promoting(version))
    labels = (label for each, _, label in (tag.rpartition(":") for tag in sorted(present)) if each == name)
    unknown = [label for label in labels if SEMVER.fullmatch(label) and label not in known]
    if unknown:
        hint = "they stay; versions that are made from now on have numbers above them"
        yield Check("warning", name, f"tags that the database does not know: {', '.join(unknown)}", hint)
