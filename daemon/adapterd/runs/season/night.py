"""A night of evidence: live and what is compared with it are asked fresh cases, and what follows is decided.

It needs no training. Asking and counting are done in a process of its own, which the daemon does without numpy for
(law 8); that one writes into the store what each case said. What is decided is done here.
"""

import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from adapterd.config import Settings
from adapterd.deployment.deploy import Deployer, Swap
from adapterd.errors import AdapterdError, CancelledError, may_pass
from adapterd.evaluation.verdict import GateOutcome
from adapterd.evidence.decision import Decision, Judged, Night
from adapterd.home import Home
from adapterd.scheduling.evidence import compared, may_begin
from adapterd.serving.runtimes import runtime_for
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Purpose
from adapterd.system.child.call import Stopped, call, never

NIGHT_TIMEOUT_S = 6 * 3600.0


@dataclass(frozen=True)
class EvidenceNight:
    """Finds out what fresh cases say, and does what follows from it; `notify` gets sentences that a person should
    read."""

    store: Store
    home: Home
    settings: Settings
    model: str
    notify: Callable[[str], object] = lambda _sentence: None
    stopped: Stopped = never

    @property
    def is_needed(self) -> bool:
        """Whether anything is compared, or might be."""
        return bool(compared(self.store, self.model)) or may_begin(self.store, self.model)

    def go(self, held: Collection[str] = (), judged: Judged | None = None) -> tuple[Decision, Swap] | None:
        """Ask, count and decide; returns what was decided and done, None where nothing was."""
        night = Night(self.home.root, self.settings, self.model, self.store.clock(), held, judged)
        decision = call(decided, night, timeout_s=NIGHT_TIMEOUT_S, stopped=self.stopped)
        done = self._carry_out(decision) if decision else None
        if done:
            with contextlib.suppress(AdapterdError):  # what is done is done, and the next night settles it
                call(settled, replace(night, now=self.store.clock()), timeout_s=NIGHT_TIMEOUT_S)
        return done

    def tried(
        self, held: Collection[str] = (), judged: Judged | None = None, *, again: bool = False
    ) -> tuple[Decision, Swap] | None:
        """As `go`, but where they cannot be asked a person is told, and another night goes on. Raises CancelledError
        and, where it is tried `again`, what may go away by itself."""
        try:
            return self.go(held, judged)
        except AdapterdError as exc:
            if isinstance(exc, CancelledError) or (again and may_pass(exc)):
                raise
            text = f"{self.model}: no fresh case could be asked: {exc}"
            self.store.events.add("evidence.failed", text, model=self.model)
            self.notify(text)
            return None

    def _carry_out(self, decision: Decision) -> tuple[Decision, Swap] | None:
        """Do it, unless a person has done something else meanwhile."""
        open_one, live = (
            self.store.comparisons.open(self.model, decision.purpose),
            self.store.versions.deployment(self.model),
        )
        if open_one is None or live is None or (open_one.ours, open_one.theirs) != (decision.version, live.live):
            return None
        deployer = Deployer(self.store, self.home, runtime_for(self.settings, self.home))
        if decision.purpose is Purpose.CHALLENGE:
            return decision, deployer.promote(self.model, decision.version, decision.reason)
        if self.settings.models[self.model].watch.auto_rollback:
            swap = deployer.rollback(self.model, decision.version, decision.reason)
            self.store.events.add("watch.rolled-back", f"{self.model}: {decision.reason}", model=self.model)
            return decision, swap
        text = f"{self.model}: not {decision.reason}, for watch.auto_rollback is off; `adapterctl rollback` goes back"
        if not any(each.text == text for each in self.store.events.latest(model=self.model)):
            self.store.events.add("watch.proven", text, model=self.model)
        return None


def decided(night: Night) -> Decision | None:
    """Ask, count and decide, in this process; where nothing follows, have choices ready for people."""
    from adapterd.runs.season.fresh_answers import FreshAnswers

    home = Home(night.home)
    with Store(home.database, clock=lambda: night.now) as store:
        answers = FreshAnswers(store, home, night)
        decision = answers.decided()
        if decision is None:
            try:
                answers.make_choices()
            except AdapterdError as exc:  # nothing of the night depends on it
                store.events.add(
                    "choices.failed", f"{night.model}: no choice could be made ready: {exc}", model=night.model
                )
        return decision


def settled(night: Night) -> None:
    """End what has ended by what went live just now, and begin its watch, so that nobody sees it open until the next
    night; killed before that, it is done then."""
    from adapterd.evidence.season import Rules, Season

    home = Home(night.home)
    with Store(home.database, clock=lambda: night.now) as store:
        Season(store, night.model, Rules.of(night.settings.models[night.model])).settle()


def more_cases_may_prove(judged: Mapping[str, Any]) -> bool:
    """Whether nothing but more cases is missing: no gate failed, and what is unproven fresh cases can prove."""
    open_findings = [each for each in judged["findings"] if each["outcome"] != GateOutcome.PASSED]
    return all(each["outcome"] == GateOutcome.UNPROVEN and each.get("by_more_cases") for each in open_findings)
