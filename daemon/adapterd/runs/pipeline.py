"""One run from feedback to verdict, journalled: an interrupted run goes on at its first unfinished stage (law 7)."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from adapterd.base_proof.proof import prompts_otherwise, proven_base
from adapterd.config import ModelSettings, Settings
from adapterd.deployment.deploy import Swap
from adapterd.deployment.live_tag import require_our_store
from adapterd.deployment.version_tags import VersionTags
from adapterd.errors import (
    AdapterdError,
    CancelledError,
    NotEnoughDataError,
    PromptsChangedError,
    RuntimeRefusedError,
    StageError,
    may_pass,
)
from adapterd.evidence.decision import Decision, Judged
from adapterd.formats.run_folder import CANDIDATE, GIVEN, RESULTS
from adapterd.home import Home
from adapterd.housekeeping.reconcile import reconcile
from adapterd.intake.screening import held_hashes
from adapterd.providers.registry import training_provider
from adapterd.runs import training_jobs
from adapterd.runs.plan import (
    GivenAdapter,
    RunPlan,
    change_plan,
    earlier_cases,
    name_command,
    new_run_id,
    open_plan,
    plan_fingerprint,
    prompt_hashes,
    readable_plan,
    write_plan,
)
from adapterd.runs.planning.completed import completed, notices
from adapterd.runs.planning.taught import have_taught, yield_of_teachers
from adapterd.runs.reuse import (
    TRAINING,
    decide_reuse,
    finished_stage,
    former_key,
    take_over,
)
from adapterd.runs.season.night import EvidenceNight, more_cases_may_prove
from adapterd.runs.stage import Result, Stage, notes_of, under_way
from adapterd.runs.stage_process import Limits, run_stage
from adapterd.runs.stages import STAGES
from adapterd.runs.unfinished import judged_by, why_outdated
from adapterd.runs.version_numbers import taken_numbers
from adapterd.scheduling.demand import waits_to_freeze
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import pinned_base, runtime_for
from adapterd.serving.tags import BASE, ModelTags
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Purpose
from adapterd.store.runs import Run, RunState
from adapterd.store.teaching.examples import ExampleState
from adapterd.store.versions import VersionState
from adapterd.system.files import write_atomic
from adapterd.system.host.stay_awake import staying_awake
from adapterd.system.host.wakeup import wake_up
from adapterd.system.locks import LOCK_TIMEOUT_S, exclusive, tags_lock

RETRY_AFTER_S = (10, 60, 300, 900, 3600)
"""How long the daemon waits after the first, second, … transient failure; the last for all later ones."""
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
    that a person should read, `decided` what fresh cases decided."""

    store: Store
    home: Home
    settings: Settings
    listen: Listener = lambda _stage, _progress: None
    begun: Callable[[str], None] = lambda _run_id: None
    notify: Callable[[str], object] = lambda _sentence: None
    decided: Callable[[Decision], object] = lambda _decision: None

    def evidence(self, model: str) -> Decision | None:
        """A night without training: what is live and what is compared with it are asked the fresh cases. Returns what
        was decided and done; raises BusyError while a run goes on."""
        busy = "a run is going on"
        with exclusive(self.home.run_lock, timeout_s=LOCK_TIMEOUT_S, busy=busy), staying_awake():
            self._prepare(model)
            return self._collect_evidence(model, self._held(model))

    def run(self, model: str, reason: str, given: GivenAdapter | None = None) -> RunOutcome:
        """Continue the model's unfinished run, or begin one; returns when its version is live or held.

        With a given adapter, that one is registered, else one is trained; an unfinished run of the other kind is given
        up. Raises BusyError while another run goes on, and what a stage raised; the run can then be continued.
        """
        with (
            exclusive(self.home.run_lock, timeout_s=LOCK_TIMEOUT_S, busy="another run is going on"),
            staying_awake(),
        ):
            wake_up(self.home.wakeup)  # from now on the daemon looks whether this process still lives
            try:
                return self._do(model, reason, given)
            except (StageError, RuntimeRefusedError) as exc:
                if not self._gives_up_for_other_prompts(model, exc):
                    raise
                return self._do(model, reason, given)

    def _do(self, model: str, reason: str, given: GivenAdapter | None) -> RunOutcome:
        run, plan, continued = self._open(model, reason, given)
        self.begun(run.id)
        try:
            plan, results = self._run_stages(run, plan)
            outcome = self._decide(run, plan, results[STAGES[-1].name], continued)
            kept = (outcome.swap.note,) if outcome.swap and outcome.swap.kept else ()
            outcome = replace(outcome, notes=(*notes_of(results), *kept))
        except BaseException as exc:
            name_command(plan, exc)
            self._fail(run, exc)
            raise
        self._tidy(run)
        return outcome

    def _gives_up_for_other_prompts(self, model: str, exc: AdapterdError) -> bool:
        """Give up the run that failed if the runtime makes other prompts than when it began: an update, say."""
        last = self.store.runs.latest(model)
        plan = readable_plan(self.home, last) if last and last.state is RunState.FAILED else None
        if not last or not plan or isinstance(exc, NotEnoughDataError):
            return False
        runtime = runtime_for(self.settings, self.home)
        changed = prompts_otherwise(self.home, self.settings, runtime, model, plan.base)
        if not changed and not isinstance(exc, PromptsChangedError):
            return False
        if self.store.runs.get(last.id).state is not RunState.FAILED:
            return False  # somebody cancelled it meanwhile
        self._abandon(last, changed or str(exc))
        return True

    def _open(self, model: str, reason: str, given: GivenAdapter | None) -> tuple[Run, RunPlan, bool]:
        runtime = self._prepare(model)
        settings = self.settings.models[model]
        if waits := waits_to_freeze(self.store, model, settings.dataset, self.store.clock()):
            raise NotEnoughDataError(waits, hint="`adapterctl eval freeze` freezes one at once")
        if given is None:
            training_provider(settings.training)  # raises if it is unknown or not allowed
        pinned = pinned_base(runtime, model, settings, self.home)
        base = proven_base(self.home, self.settings, runtime, model, pinned, self.notify)
        wanted = plan_fingerprint(model, settings, base, given)
        last_id = self.store.feedback.last_id(model)  # what comes while the others are scanned is not scanned
        held = self._held(model)
        self._collect_evidence(model, held)
        last = self.store.runs.latest(model)
        if last and last.state.open:
            outdated = why_outdated(self.store, self.home, last, settings, base, given, held)
            if not outdated:
                return self._continue(last, settings)
            self._abandon(last, outdated)
        if given is None:
            have_taught(self.home, self.settings, model, self.listen, self.notify)
        deployment = self.store.versions.deployment(model)
        sets = self.store.evaluation_sets.all(model)
        plan = RunPlan(
            run_id=new_run_id(self.store.clock()), model=model, version="", base=base, settings=settings,
            general=self.settings, live=deployment.live if deployment else BASE,
            evaluation_cases=sets[-1].cases if sets else [],
            judged=prompt_hashes(sets), earlier_cases=earlier_cases(sets), given=given,
            last_feedback_id=last_id, held=held, origins=self.store.feedback.origins(model),
            synthetic=[] if given else self.store.teaching.examples.ids(model, ExampleState.KEPT),
            synthetic_yield={} if given else yield_of_teachers(self.store, model),
        )  # fmt: skip
        taken = taken_numbers(self.home, runtime, model)
        plan = completed(self.store, self.home, plan, sets, taken)
        for notice in notices(self.store, plan):
            self.notify(notice)
            self.store.events.add("run.notice", notice, model=model, detail={"run": plan.run_id})
        return self._begin(plan, reason, wanted), plan, False

    def _prepare(self, model: str) -> Runtime:
        """Put right what an earlier process left; the runtime, which has what is ours."""
        runtime = runtime_for(self.settings, self.home)
        for sentence in reconcile(self.store, self.home, self.settings, runtime, only=model):
            self.notify(sentence)
        require_our_store(self.store, model, runtime)
        return runtime

    def _held(self, model: str) -> list[str]:
        feedback = self.settings.models[model].feedback
        return held_hashes(self.store, model, feedback, lambda share: self.listen("scanning", {"share": share}))

    def _collect_evidence(self, model: str, held: Collection[str]) -> Decision | None:
        """What fresh cases decide, which is done; where they cannot be asked, a run goes on without them."""
        night = self._night(model)
        if not night.is_needed:
            return None
        self.listen("evidence", {"share": 0.0})
        found = night.tried(held)
        self.listen("evidence", {"share": 1.0})
        if found:
            self.decided(found[0])
        return found[0] if found else None

    def _night(self, model: str) -> EvidenceNight:
        return EvidenceNight(self.store, self.home, self.settings, model, self.notify)

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
            plan = judged_by(self.store, replace(plan, live=live), run, settings)
        change_plan(self.home, plan, self.store)
        self.store.runs.set_state(run.id, RunState.RUNNING)
        self.store.events.add("run.continued", f"run {run.id} goes on", model=run.model)
        return run, plan, True

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
            runtime = runtime_for(self.settings, self.home)
            found = take_over(self.store, self.home, runtime, plan, stage, key)
            if plan.reuses and stage.name == TRAINING:
                taken = taken_numbers(self.home, runtime, plan.model)
                plan = change_plan(self.home, decide_reuse(self.store, plan, taken, found), self.store)
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
            progress = under_way(progress, time.monotonic() - started)
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
            told = [f"{plan.model} {plan.version}", f"{stage.name} {how}", *(result.get("notes") or [])[:1]]
            self.store.events.add("stage.finished", ": ".join(told), model=plan.model, detail={"run": run.id})

    def _decide(self, run: Run, plan: RunPlan, judged: dict[str, Any], continued: bool) -> RunOutcome:
        """Hold it, as the evaluation says, or have it wait for evidence, which may be there at once."""
        promoted, swap = self._judge(plan, judged)
        version = self.store.versions.get(plan.model, plan.version)
        reason = version.reason if version else judged["reason"]
        self.store.runs.set_state(run.id, RunState.PROMOTED if promoted else RunState.HELD)
        return RunOutcome(
            run.id, plan.version, promoted, reason, judged["scores"], judged["baselines"], continued, swap
        )

    def _judge(self, plan: RunPlan, judged: dict[str, Any]) -> tuple[bool, Swap | None]:
        """Whether the version is live by what was found, and how that was done, if it was now."""
        metrics = {name: judged[name] for name in ("scores", "baselines", "findings", "evaluation_hash")}
        version = self.store.versions.get(plan.model, plan.version)
        state = version.state if version else VersionState.CANDIDATE
        if state in (VersionState.PROMOTED, VersionState.WITHDRAWN):  # it was, and may have been taken back since
            self.store.versions.set_metrics(plan.model, plan.version, metrics)
            return True, None
        if state is VersionState.CANDIDATE:
            waits = more_cases_may_prove(judged)
            state = VersionState.WAITING if waits else VersionState.HELD
            with self.store.transaction():
                self.store.versions.set_state(plan.model, plan.version, state, judged["reason"], metrics)
                text = f"{plan.model} {plan.version} {judged['reason']}"
                self.store.events.add(f"version.{state}", text, model=plan.model)
        if state is VersionState.HELD:
            return False, None
        found = Judged(plan.version, judged["evaluation_hash"], judged.get("differences", {}))
        if (done := self._night(plan.model).tried(plan.held, found, again=True)) is None:
            return False, None
        decision, swap = done
        self.decided(decision)
        promoted = decision.purpose is Purpose.CHALLENGE and decision.version == plan.version
        return promoted, swap if promoted else None

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
            if may_pass(exc):
                self._schedule_retry(run)

    def _schedule_retry(self, run: Run) -> None:
        attempts = self.store.runs.get(run.id).attempts
        if attempts < self.settings.runs.retries:
            wait_s = RETRY_AFTER_S[min(attempts, len(RETRY_AFTER_S) - 1)]
            self.store.runs.retry_later(run.id, self.store.clock() + timedelta(seconds=wait_s))

    def _tidy(self, run: Run) -> None:
        """Remove the large files of a run that is over: its version is in the runtime's store by now."""
        (self.home.run(run.id) / CANDIDATE).unlink(missing_ok=True)
        for name in ("dataset", GIVEN):
            shutil.rmtree(self.home.run(run.id) / name, ignore_errors=True)
        runtime = runtime_for(self.settings, self.home)
        with contextlib.suppress(AdapterdError), tags_lock(self.home):  # no longer under test
            VersionTags(self.store, self.home, runtime, run.model).remove_unrecorded(run)
            runtime.delete(ModelTags(run.model).candidate)
