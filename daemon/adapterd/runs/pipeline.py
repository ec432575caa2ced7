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

from adapterd.base.model import BaseModel
from adapterd.base_proof.proof import proven_base
from adapterd.config import ModelSettings, Settings
from adapterd.deployment.deploy import Deployer, Swap
from adapterd.errors import AdapterdError, CancelledError, NotEnoughDataError
from adapterd.evaluation.verdict import Decision
from adapterd.formats.run_folder import CANDIDATE, GIVEN, RESULTS
from adapterd.home import Home
from adapterd.housekeeping.reconcile import reconcile
from adapterd.providers.registry import training_provider
from adapterd.runs import training_jobs
from adapterd.runs.plan import (
    GivenAdapter,
    RunPlan,
    change_plan,
    new_run_id,
    open_plan,
    plan_fingerprint,
    readable_plan,
    same_base,
    write_plan,
)
from adapterd.runs.reuse import (
    TRAINING,
    decide_reuse,
    finished_stage,
    former_key,
    plan_reuse,
    plan_training,
    take_over,
)
from adapterd.runs.stage import Result, Stage, changed_settings
from adapterd.runs.stage_process import Limits, run_stage
from adapterd.runs.stages import CONTENT_READS, LIMITS_READ, STAGES
from adapterd.serving.runtimes import pinned_base, runtime_for
from adapterd.serving.tags import BASE, ModelTags
from adapterd.store import Store
from adapterd.store.evaluation_sets import EvaluationSet
from adapterd.store.runs import Run, RunState, StageState
from adapterd.store.versions import VersionState
from adapterd.system.files import write_atomic
from adapterd.system.locks import exclusive, tags_lock

LOCK_TIMEOUT_S = 1.0
"""Long enough for a process that only checks whether the lock is held."""
RETRY_AFTER_S = (10, 60, 300, 900, 3600)
"""How long the daemon waits after the first, second, … transient failure; the last for all later ones."""
ENOUGH_DONE = 0.05
"""The share of a stage from which its remaining time can be estimated."""
Listener = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True)
class RunOutcome:
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
    """Makes versions. `begun` gets the id of the run, `listen` (stage, progress) while it goes on, `notify` sentences
    that a person should read."""

    store: Store
    home: Home
    settings: Settings
    listen: Listener = lambda _stage, _progress: None
    begun: Callable[[str], None] = lambda _run_id: None
    notify: Callable[[str], object] = lambda _sentence: None

    def run(self, model: str, reason: str, given: GivenAdapter | None = None) -> RunOutcome:
        """Continue the model's unfinished run, or begin one; returns when its version is live or held.

        With a given adapter, that one is registered, else one is trained; an unfinished run of the other kind is given
        up. Raises BusyError while another run goes on, and what a stage raised; the run can then be continued.
        """
        with exclusive(self.home.run_lock, timeout_s=LOCK_TIMEOUT_S, busy="another run is going on"):
            run, plan, continued = self._open(model, reason, given)
            self.begun(run.id)
            try:
                plan, results = self._run_stages(run, plan)
                outcome = self._decide(run, plan, results[STAGES[-1].name], continued)
                outcome = replace(outcome, notes=notes_of(results))
            except BaseException as exc:
                _name_the_command(exc, plan)
                self._fail(run, exc)
                raise
            self._tidy(run)
            return outcome

    def _open(self, model: str, reason: str, given: GivenAdapter | None) -> tuple[Run, RunPlan, bool]:
        runtime = runtime_for(self.settings, self.home)
        for sentence in reconcile(self.store, self.home, self.settings, runtime, only=model):
            self.notify(sentence)
        settings = self.settings.models[model]
        if given is None:
            training_provider(settings.training)  # raises if it is unknown or not allowed
        pinned = pinned_base(runtime, model, settings)
        base = proven_base(self.home, self.settings, runtime, model, pinned, self.notify)
        wanted = plan_fingerprint(model, settings, base, given)
        last = self.store.runs.latest(model)
        if last and last.state.open:
            outdated = self._outdated(last, settings, base, given)
            if not outdated:
                return self._continue(last, settings)
            self._abandon(last, outdated)
        deployment = self.store.versions.deployment(model)
        sets = self.store.evaluation_sets.all(model)
        plan = RunPlan(
            run_id=new_run_id(self.store.clock()), model=model, version="", base=base, settings=settings,
            general=self.settings, live=deployment.live if deployment else BASE,
            evaluation_cases=sets[-1].cases if sets else [],
            judged=_prompt_hashes(sets), given=given,
            last_feedback_id=self.store.feedback.last_id(model),
        )  # fmt: skip
        plan = plan_reuse(self.store, self.home, plan) or plan_training(self.store, plan)
        return self._begin(plan, reason, wanted), plan, False

    def _outdated(self, run: Run, settings: ModelSettings, base: BaseModel, given: GivenAdapter | None) -> str:
        """Why an unfinished run cannot be continued; empty if it can."""
        if run.cancelled:
            return run.cancelled
        if run.adapter_source and given is None:
            return f"a training was asked for, and not that {run.adapter_source} be registered"
        if given and run.adapter_source is None:
            return f"{given.source} is registered instead"
        plan = readable_plan(self.home, run)
        if plan is None:
            return "its plan is gone, or this release cannot read it"
        if base.prompting and not plan.base.prompting:
            return "it is of an earlier release, which did not prove how its base is prompted"
        if self._makes_another(plan, settings, base, given):
            return f"{'the adapter, ' if given else ''}the settings or the base changed since"
        if self._has_taken_feedback(run):
            return ""
        if run.last_feedback_id < self.store.feedback.last_id(run.model):
            return "feedback came that it does not know"
        newest = self.store.evaluation_sets.newest(run.model)
        if (newest.cases if newest else []) != plan.evaluation_cases:
            return "another evaluation set was frozen since"
        return ""

    @staticmethod
    def _makes_another(plan: RunPlan, settings: ModelSettings, base: BaseModel, given: GivenAdapter | None) -> bool:
        """Whether another file would be made now than is planned. How it is judged may change while a run goes on."""
        same_adapter = [(each.digest, each.increment) if each else None for each in (plan.given, given)]
        changed = changed_settings(plan.settings, settings, CONTENT_READS)
        return bool(changed) or not same_base(plan.base, base) or same_adapter[0] != same_adapter[1]

    def _has_taken_feedback(self, run: Run) -> bool:
        takes = {stage.name for stage in STAGES if stage.takes_feedback}
        return any(row.name in takes and row.state is StageState.DONE for row in self.store.runs.stages(run.id))

    def _abandon(self, run: Run, reason: str) -> None:
        text = f"run {run.id} is given up: {reason}"
        with self.store.transaction():
            self.store.runs.set_state(run.id, RunState.ABANDONED, error=reason)
            self.store.events.add("run.abandoned", text, model=run.model)
        self.notify(text)
        training_jobs.give_up(self.store, run.id)
        self._tidy(run)

    def _continue(self, run: Run, settings: ModelSettings) -> tuple[Run, RunPlan, bool]:
        """Take up a run where it stopped; how the runtime is reached, how a candidate is judged and what is live may
        have changed meanwhile.

        If its own version is live by now (its promotion was interrupted, and finished before), it was judged already,
        against what was live then.
        """
        deployment = self.store.versions.deployment(run.model)
        plan = replace(open_plan(self.home, run), general=self.settings)
        live = deployment.live if deployment else BASE
        if live != plan.version:
            plan = self._judged_by(replace(plan, live=live), run, settings)
        change_plan(self.home, plan, self.store)
        self.store.runs.set_state(run.id, RunState.RUNNING)
        self.store.events.add("run.continued", f"run {run.id} goes on", model=run.model)
        return run, plan, True

    def _judged_by(self, plan: RunPlan, run: Run, settings: ModelSettings) -> RunPlan:
        """The plan with these settings. Where they change limits of the evaluation set, the set that the run has frozen
        stays in force: otherwise other cases would be chosen, and other examples would be left for the training."""
        limits_changed = changed_settings(plan.settings, settings, LIMITS_READ)
        if limits_changed and self._has_taken_feedback(run):
            sets = self.store.evaluation_sets.all(run.model)
            plan = replace(
                plan,
                evaluation_cases=sets[-1].cases,
                judged=_prompt_hashes(sets),
                last_feedback_id=run.last_feedback_id,
            )
        return replace(plan, settings=settings)

    def _begin(self, plan: RunPlan, reason: str, wanted: str) -> Run:
        write_plan(self.home.run(plan.run_id), plan, self.store)
        with self.store.transaction():
            run = self.store.runs.start(
                plan.run_id, plan.model, reason=reason, fingerprint=wanted,
                last_feedback_id=plan.last_feedback_id,
                adapter_source=str(plan.given.source) if plan.given else None,
            )  # fmt: skip
            self.store.runs.set_version(plan.run_id, plan.version)
            text = f"run {plan.run_id} makes {plan.model} {plan.version} ({reason})"
            self.store.events.add("run.started", text, model=plan.model)
        return run

    def _run_stages(self, run: Run, plan: RunPlan) -> tuple[RunPlan, dict[str, Result]]:
        """Run every stage that is not done yet; returns the plan, which may get another number, and all results."""
        results: dict[str, Result] = {}
        for stage in (stage for stage in STAGES if stage.only_if(plan)):
            key = stage.key(plan, results)
            row = finished_stage(self.store, run.id, stage.name, key, former_key(run, plan, stage, results))
            if row and row.result is not None and stage.is_there(self.home.run(run.id)):
                results[stage.name] = row.result
                self.listen(stage.name, {"share": 1.0, "reused": True})
                continue
            found = take_over(self.store, self.home, runtime_for(self.settings, self.home), plan, stage, key)
            if plan.reuses and stage.name == TRAINING:
                plan = change_plan(self.home, decide_reuse(self.store, plan, found), self.store)
                if not plan.reuses:  # it may have to start and divide in another way
                    return self._run_stages(run, plan)
            if found:
                self.store.runs.start_stage(run.id, stage.name, key)
                self._record(run, plan, stage, found.result, f"taken over from run {found.run_id}")
                self.listen(stage.name, {"share": 1.0, "reused": True})
            results[stage.name] = found.result if found else self._run_stage(run, plan, stage, key, results)
        return plan, results

    def _run_stage(self, run: Run, plan: RunPlan, stage: Stage, key: str, results: dict[str, Result]) -> Result:
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
            asked_to_end=lambda: self.store.runs.cancel_reason(run.id),
        )
        try:
            result = run_stage(stage.name, folder, self.home, report=report, limits=limits)
        except AdapterdError as exc:
            self.store.runs.finish_stage(run.id, stage.name, error=str(exc))
            if not exc.transient:
                training_jobs.give_up(self.store, run.id)
            raise
        self._record(run, plan, stage, result)
        self.listen(stage.name, {"share": 1.0})
        return result

    def _record(self, run: Run, plan: RunPlan, stage: Stage, result: Result, how: str = "done") -> None:
        """Write down what a stage gave back, and what follows from it, in one transaction."""
        with self.store.transaction():
            self.store.runs.finish_stage(run.id, stage.name, result=result)
            self.store.runs.reset_attempts(run.id)
            stage.record(self.store, plan, result)
            text = f"{plan.model} {plan.version}: {stage.name} {how}{_first_of(result.get('notes'))}"
            self.store.events.add("stage.finished", text, model=plan.model, detail={"run": run.id})

    def _decide(self, run: Run, plan: RunPlan, judged: dict[str, Any], continued: bool) -> RunOutcome:
        """Promote or hold, as the evaluation says."""
        outcome = RunOutcome(
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
            if _is_transient(exc):
                self._schedule_retry(run)

    def _schedule_retry(self, run: Run) -> None:
        attempts = self.store.runs.get(run.id).attempts
        if attempts < self.settings.runs.retries:
            wait_s = RETRY_AFTER_S[min(attempts, len(RETRY_AFTER_S) - 1)]
            self.store.runs.retry_later(run.id, self.store.clock() + timedelta(seconds=wait_s))

    def _tidy(self, run: Run) -> None:
        """Remove the large files of a run that is over: its version is in the runtime's store by now."""
        (self.home.run(run.id) / CANDIDATE).unlink(missing_ok=True)
        for folder in ("dataset", GIVEN):
            shutil.rmtree(self.home.run(run.id) / folder, ignore_errors=True)
        with contextlib.suppress(AdapterdError), tags_lock(self.home):  # no longer under test
            runtime_for(self.settings, self.home).delete(ModelTags(run.model).candidate)


def _is_transient(exc: BaseException) -> bool:
    """Whether trying again later makes sense."""
    if isinstance(exc, AdapterdError):
        return exc.transient
    return isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT)


def with_time_left(progress: dict[str, Any], elapsed_s: float) -> dict[str, Any]:
    """The progress with `remaining_s`, extrapolated, unless the stage has its own estimate or too little is done."""
    share = float(progress.get("share") or 0.0)
    if "remaining_s" in progress or not ENOUGH_DONE <= share < 1:
        return progress
    return {**progress, "remaining_s": elapsed_s * (1 - share) / share}


def notes_of(results: Mapping[str, Mapping[str, Any] | None]) -> tuple[str, ...]:
    """Sentences on the results of a run: how much was learned, and what was left out and why."""
    from adapterd.dataset.left_out import LeftOut, summary

    notes = (results.get("dataset") or {}).get("notes") or ()
    left_out = [LeftOut(**each) for each in (results.get("evaluation") or {}).get("left_out") or ()]
    return (*notes, *([summary(left_out, "left out of the comparison")] if left_out else []))


def _prompt_hashes(sets: Sequence[EvaluationSet]) -> list[str]:
    return [case["id"] for each in sets for case in each.cases]


def _first_of(notes: Sequence[str] | None) -> str:
    return f": {notes[0]}" if notes else ""


def _name_the_command(exc: BaseException, plan: RunPlan) -> None:
    """Stages say that `adapterctl retrain` goes on; a run that registers an adapter goes on by another command."""
    if plan.given and isinstance(exc, AdapterdError):
        exc.hint = exc.hint.replace("adapterctl retrain", plan.given.command(plan.model))
