"""Stages that cost nothing, for tests of what the pipeline makes of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapterd.errors import CancelledError
from adapterd.evaluation.verdict import Decision, GateOutcome
from adapterd.formats.adapter_files import own_digest
from adapterd.formats.run_folder import ADAPTER, CANDIDATE, GIVEN
from adapterd.home import Home
from adapterd.runs.stage_process import Limits

FILES = {
    "importing": ("adapter/adapters.safetensors", "adapter/adapter_config.json"),
    "training": ("adapter/adapters.safetensors", "adapter/adapter_config.json", "adapter/metrics.jsonl"),
    "dataset": ("dataset/train.jsonl",),
    "merging": (CANDIDATE,),
}


@dataclass
class Workers:
    """Stands for the worker processes: does every stage at once, or fails at one of them, or ends where it is asked to.
    `limits` are those that it was given last. In the end it finds that the candidate is better by `differences`, by
    case and metric; without any that it fails at a gate."""

    done: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    fault: tuple[str, BaseException] | None = None
    limits: Limits = Limits()  # noqa: RUF009 (frozen)
    differences: dict[str, dict[str, float]] = field(default_factory=dict)

    def __call__(self, stage: str, folder: Path, home: Home, *, report: Any, limits: Limits) -> dict[str, Any]:
        self.limits = limits
        if reason := limits.asked_to_end():
            raise CancelledError(reason)
        if self.fault and self.fault[0] == stage:
            raise self.fault[1]
        self.done.append(stage)
        if stage == "importing":
            self.given = sorted(file.name for file in (folder / GIVEN).iterdir())
        for name in FILES.get(stage, ()):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(folder.name)
        failed = [] if self.differences else [{"outcome": GateOutcome.FAILED}]
        decision, reason = (Decision.HOLD, "held: no better") if failed else (Decision.PROMOTE, "better")
        verdict = {"decision": decision, "reason": reason, "scores": {}, "baselines": {}, "findings": failed}
        verdict |= {"evaluation_hash": "h", "differences": self.differences}
        made = {"adapter_digest": own_digest(folder / ADAPTER)} if stage in ("importing", "training") else {}
        return {"digest": "d", "evaluation_cases": [], "content_hash": "c", **made, **verdict}

    def did(self) -> list[str]:
        """The stages since the last time this was asked."""
        done, self.done = self.done, []
        return done
