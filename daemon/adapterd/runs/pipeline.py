"""One run from feedback to verdict, journalled: an interrupted run goes on at its first unfinished stage (law 7)."""

import contextlib
import errno
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from adapterd.base_proof.proof import proven_base
from adapterd.config import Settings, Start
from adapterd.deployment.deploy import Deployer, Swap
from adapterd.errors import AdapterdError, CancelledError, NotEnoughDataError
from adapterd.evaluation.verdict import Decision
from adapterd.formats.run_folder import CANDIDATE, GIVEN, PLAN, RESULTS
from adapterd.home import Home
from adapterd.housekeeping.reconcile import reconcile
from adapterd.providers.registry import training_provider
from adapterd.runs import training_jobs
from adapterd.runs.plan import GivenAdapter, Plan, new_run_id, open_plan, plan_fingerprint, write_plan
from adapterd.runs.stage_process import Limits, run_stage
from adapterd.runs.stages import STAGES, Stage
from adapterd.runs.version_numbers import Increment, next_version
from adapterd.serialization import dumps
from adapterd.serving.runtimes import fingerprint, pinned_base, runtime_for
from adapterd.serving.tags import BASE, ModelTags
from adapterd.store import Store
from adapterd.store.runs import Run, RunState, StageState
from adapterd.store.versions import Version, VersionState
from adapterd.system.files import write_atomic
from adapterd.system.locks import exclusive, tags_lock

LOCK_TIMEOUT_S = 1.0
"""Long enough for one who only looks whether the lock is held."""
RETRY_AFTER_S = (10, 60, 300, 900, 3600)
"""How long the daemon waits after the first, second, … failure that may pass by itself; the last for all later ones."""
ENOUGH_DONE = 0.05
"""Of a stage, to tell from it how long the rest takes."""
Listener = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended: the version it made, whether that went live, the sentence why, and what else to read of it."""

    run_id: str
    version: str
    promoted: bool
    reason: str
    scores: dict[str, Any]
    baselines: dict[str, Any]
    continued: bool
    swap: Swap | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pipeline:
    """Makes versions. `begun` hears the id of the run, `listen` (stage, progress) while it goes on, `tell` a sentence
    that a person should read."""

    store: Store
    home: Home
    settings: Settings
    listen: Listener = lambda _stage, _progress: None
    begun: Callable[[str], None] = lambda _run_id: None
    tell: Callable[[str], object] = lambda _sentence: None

    def run(self, model: str, reason: str, given: GivenAdapter | None = None) -> Outcome:
        """Continue the model's unfinished run, or begin one; returns when its version is live or held.

        With a given adapter, that one is registered, else one is trained; an unfinished run of the other kind is given
        up. Raises BusyError while another run goes on, and what a stage raised; the run can then be continued.
        """
        with exclusive(self.home.run_lock, timeout_s=LOCK_TIMEOUT_S, busy="another run is going on"):
            run, plan, continued = self._open(model, reason, given)
            self.begun(run.id)
            try:
                results = self._carry_out(run, plan)
                outcome = self._decide(run, plan, results["evaluation"], continued)
                outcome = replace(outcome, notes=notes_of(results))
            except BaseException as exc:
                _name_the_command(exc, plan)
                self._fail(run, exc)
                raise
            self._tidy(run)
            return outcome

    def _open(self, model: str, reason: str, given: GivenAdapter | None) -> tuple[Run, Plan, bool]:
        runtime = runtime_for(self.settings, self.home)
        for sentence in reconcile(self.store, self.home, self.settings, runtime, only=model):
            self.tell(sentence)
        settings = self.settings.models[model]
        if given is None:
            training_provider(settings.training)  # raises if it is unknown or not allowed
        pinned = pinned_base(runtime, model, settings)
        base = proven_base(self.home, self.settings, runtime, model, pinned, self.tell)
        wanted = plan_fingerprint(model, settings, base, given)
        last = self.store.runs.latest(model)
        if last and last.state.open:
            outdated = self._outdated(last, wanted, given)
            if not outdated:
                return self._continue(last)
            self._abandon(last, outdated)
        increment = given.increment if given else Increment.MINOR
        version = next_version(self.store.versions.all(model), base.digest, increment)
        deployment = self.store.versions.deployment(model)
        sets = self.store.evaluation_sets.all(model)
        live = self.store.versions.get(model, deployment.live) if deployment else None
        warm = settings.training.start is Start.LIVE and live is not None and live.base_digest == base.digest
        plan = Plan(
            run_id=new_run_id(self.store.clock()), model=model, version=version, base=base, settings=settings,
            general=self.settings, live=deployment.live if deployment else BASE,
            evaluation_cases=sets[-1].cases if sets else [],
            judged=[case["id"] for each in sets for case in each.cases], given=given,
            old_records=self._known_to(live), start=live.version if live and warm else None,
        )  # fmt: skip
        return self._begin(plan, reason, wanted), plan, False

    def _outdated(self, run: Run, wanted: str, given: GivenAdapter | None) -> str:
        """Why an unfinished run cannot be continued; empty if it can."""
        if run.cancelled:
            return run.cancelled
        if run.given and given is None:
            return f"a training was asked for, and not that {run.given} be registered"
        if given and run.given is None:
            return f"{given.source} is registered instead"
        if run.fingerprint != wanted or not (self.home.run(run.id) / PLAN).is_file():
            return f"{'the adapter, ' if given else ''}the settings or the base changed since"
        divided = any(row.name == "dataset" and row.state is StageState.DONE for row in self.store.runs.stages(run.id))
        if not divided and run.last_feedback_id < self.store.feedback.last_id(run.model):
            return "feedback came that it does not know"
        sets = self.store.evaluation_sets.all(run.model)
        if not divided and (sets[-1].cases if sets else []) != open_plan(self.home, run).evaluation_cases:
            return "another evaluation set was frozen since"
        return ""

    def _abandon(self, run: Run, reason: str) -> None:
        text = f"run {run.id} is given up: {reason}"
        with self.store.transaction():
            self.store.runs.set_state(run.id, RunState.ABANDONED, error=reason)
            self.store.events.add("run.abandoned", text, model=run.model)
        self.tell(text)
        training_jobs.give_up(self.store, run.id)
        self._tidy(run)

    def _continue(self, run: Run) -> tuple[Run, Plan, bool]:
        """Take up a run where it stopped; how the runtime is reached and what is live may have changed meanwhile.

        If its own version is live by now (its promotion was interrupted, and finished before), it was judged already,
        against what was live then.
        """
        deployment = self.store.versions.deployment(run.model)
        plan = replace(open_plan(self.home, run), general=self.settings)
        live = deployment.live if deployment else BASE
        if live != plan.version:
            plan = replace(plan, live=live)
        write_atomic(self.home.run(run.id) / PLAN, dumps(plan))
        self.store.runs.set_state(run.id, RunState.RUNNING)
        self.store.events.add("run.continued", f"run {run.id} goes on", model=run.model)
        return run, plan, True

    def _known_to(self, live: Version | None) -> int:
        """How many of the model's records, the first ones, the version was trained on or could have been."""
        run = self.store.runs.get(live.run_id) if live else None
        if live is None or run is None or run.given:
            return 0
        feedback = self.store.feedback
        return feedback.count(live.model) - feedback.count(live.model, after_id=run.last_feedback_id)

    def _begin(self, plan: Plan, reason: str, wanted: str) -> Run:
        last_id = self.store.feedback.last_id(plan.model)
        write_plan(self.home.run(plan.run_id), plan, self.store, last_id)
        with self.store.transaction():
            run = self.store.runs.start(
                plan.run_id, plan.model, reason=reason, fingerprint=wanted, last_feedback_id=last_id,
                given=str(plan.given.source) if plan.given else None,
            )  # fmt: skip
            self.store.runs.set_version(plan.run_id, plan.version)
            text = f"run {plan.run_id} makes {plan.model} {plan.version} ({reason})"
            self.store.events.add("run.started", text, model=plan.model)
        return run

    def _carry_out(self, run: Run, plan: Plan) -> dict[str, dict[str, Any]]:
        """Run every stage that is not done yet; returns all results by stage."""
        finished = {row.name: row for row in self.store.runs.stages(run.id) if row.state is StageState.DONE}
        results: dict[str, dict[str, Any]] = {}
        for stage in (stage for stage in STAGES if stage.only_if(plan)):
            key = fingerprint(dumps([run.fingerprint, stage.name, results, plan.live if stage.against_live else ""]))
            row = finished.get(stage.name)
            kept = stage.artifact is None or (self.home.run(run.id) / stage.artifact).exists()
            if row and row.key == key and row.result is not None and kept:
                results[stage.name] = row.result
                self.listen(stage.name, {"share": 1.0, "reused": True})
            else:
                results[stage.name] = self._carry_out_one(run, plan, stage, key, results)
        return results

    def _carry_out_one(
        self, run: Run, plan: Plan, stage: Stage, key: str, results: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        folder = self.home.run(run.id)
        write_atomic(folder / RESULTS, json.dumps(results))
        training_jobs.hand_to_worker(self.store, run.id, folder, stage.name, key)
        self.store.runs.start_stage(run.id, stage.name, key)
        self.listen(stage.name, {"share": 0.0})

        started = time.monotonic()

        def report(progress: dict[str, Any]) -> None:
            if job_id := progress.pop("job_id", None):
                training_jobs.remember(self.store, run.id, plan.settings.training, job_id)
            progress = with_time_left(progress, time.monotonic() - started)
            self.store.runs.report_stage(run.id, stage.name, progress)
            self.listen(stage.name, progress)

        limits = Limits(
            timeout_s=self.settings.runs.stage_timeout_hours * 3600,
            asked_to_end=lambda: self.store.runs.asked_to_end(run.id),
        )
        try:
            result = run_stage(stage.name, folder, self.home, report=report, limits=limits)
        except AdapterdError as exc:
            self.store.runs.finish_stage(run.id, stage.name, error=str(exc))
            if not exc.passing:
                training_jobs.give_up(self.store, run.id)
            raise
        self._record(run, plan, stage, result)
        self.listen(stage.name, {"share": 1.0})
        return result

    def _record(self, run: Run, plan: Plan, stage: Stage, result: dict[str, Any]) -> None:
        """Write down what a stage gave back, and what follows from it, in one transaction."""
        with self.store.transaction():
            self.store.runs.finish_stage(run.id, stage.name, result=result)
            self.store.runs.forgive(run.id)
            frozen = {each.content_hash for each in self.store.evaluation_sets.all(plan.model)}
            if stage.name == "dataset" and result["evaluation_hash"] not in frozen:
                self._freeze(plan, result)
            if stage.name == "serving":
                self.store.versions.add(
                    plan.model, plan.version, run_id=run.id, digest=result["digest"], base_digest=plan.base.digest
                )
            text = f"{plan.model} {plan.version}: {stage.name} done{_first_of(result.get('notes'))}"
            self.store.events.add("stage.finished", text, model=plan.model, detail={"run": run.id})

    def _freeze(self, plan: Plan, result: dict[str, Any]) -> None:
        frozen = self.store.evaluation_sets.freeze(plan.model, result["evaluation_hash"], result["evaluation_cases"])
        text = f"{plan.model}: evaluation set {frozen.number} frozen with {len(frozen.cases)} cases"
        self.store.events.add("evaluation.frozen", text, model=plan.model, detail={"hash": frozen.content_hash})

    def _decide(self, run: Run, plan: Plan, judged: dict[str, Any], continued: bool) -> Outcome:
        """Promote or hold, as the evaluation says."""
        outcome = Outcome(
            run.id, plan.version, judged["decision"] == Decision.PROMOTE, judged["reason"], judged["scores"],
            judged["baselines"], continued=continued,
        )  # fmt: skip
        metrics = {name: judged[name] for name in ("scores", "baselines", "findings", "evaluation_hash")}
        candidate = self.store.versions.get(plan.model, plan.version)
        state = candidate.state if candidate else VersionState.CANDIDATE
        if outcome.promoted and state is VersionState.CANDIDATE:  # else it was, and may have been taken back since
            deployer = Deployer(self.store, self.home, runtime_for(self.settings, self.home))
            outcome = replace(outcome, swap=deployer.promote(plan.model, plan.version, outcome.reason))
            state = VersionState.PROMOTED
        with self.store.transaction():
            state = state if outcome.promoted else VersionState.HELD
            self.store.versions.set_state(plan.model, plan.version, state, outcome.reason, metrics)
            self.store.runs.set_state(run.id, RunState.PROMOTED if outcome.promoted else RunState.HELD)
            if not outcome.promoted:
                text = f"{plan.model} {plan.version} {outcome.reason}"
                self.store.events.add("version.held", text, model=plan.model)
        return outcome

    def _fail(self, run: Run, exc: BaseException) -> None:
        if isinstance(exc, CancelledError):
            self._abandon(run, str(exc))
            return
        hint = exc.hint if isinstance(exc, AdapterdError) else ""
        message = str(exc) or ("interrupted" if isinstance(exc, KeyboardInterrupt) else type(exc).__name__)
        with self.store.transaction():
            self.store.runs.set_state(run.id, RunState.FAILED, error=message, hint=hint)
            kind = "run.waiting" if isinstance(exc, NotEnoughDataError) else "run.failed"
            self.store.events.add(kind, f"run {run.id} stopped: {message}", model=run.model)
            if _may_pass(exc):
                self._try_again_later(run)

    def _try_again_later(self, run: Run) -> None:
        attempts = self.store.runs.get(run.id).attempts
        if attempts < self.settings.runs.retries:
            wait_s = RETRY_AFTER_S[min(attempts, len(RETRY_AFTER_S) - 1)]
            self.store.runs.retry_later(run.id, self.store.clock() + timedelta(seconds=wait_s))

    def _tidy(self, run: Run) -> None:
        """A version is in the runtime's store by now; a run that is over needs no large file of its own."""
        (self.home.run(run.id) / CANDIDATE).unlink(missing_ok=True)
        for folder in ("dataset", GIVEN):
            shutil.rmtree(self.home.run(run.id) / folder, ignore_errors=True)
        with contextlib.suppress(AdapterdError), tags_lock(self.home):  # no longer under test
            runtime_for(self.settings, self.home).delete(ModelTags(run.model).candidate)


def _may_pass(exc: BaseException) -> bool:
    """Whether trying again later makes sense."""
    if isinstance(exc, AdapterdError):
        return exc.passing
    return isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT)


def with_time_left(progress: dict[str, Any], elapsed_s: float) -> dict[str, Any]:
    """The progress with `remaining_s`, in proportion, where the stage has no better estimate and there is a base."""
    share = float(progress.get("share") or 0.0)
    if "remaining_s" in progress or not ENOUGH_DONE <= share < 1:
        return progress
    return {**progress, "remaining_s": elapsed_s * (1 - share) / share}


def notes_of(results: Mapping[str, Mapping[str, Any] | None]) -> tuple[str, ...]:
    """What the stages of a run want a person to read: how much was learned, and what was left out and why."""
    from adapterd.dataset.left_out import LeftOut, summary

    notes = (results.get("dataset") or {}).get("notes") or ()
    left_out = [LeftOut(**each) for each in (results.get("evaluation") or {}).get("left_out") or ()]
    return (*notes, *([summary(left_out, "left out of the comparison")] if left_out else []))


def _first_of(notes: Sequence[str] | None) -> str:
    return f": {notes[0]}" if notes else ""


def _name_the_command(exc: BaseException, plan: Plan) -> None:
    """Stages say that `adapterctl retrain` goes on; a run that registers an adapter goes on by another command."""
    if plan.given and isinstance(exc, AdapterdError):
        exc.hint = exc.hint.replace("adapterctl retrain", plan.given.command(plan.model))
