"""The rules by which a model's versions are judged, by its settings: primary metric, gates, guard rails."""

from adapterd.config import GateRule, ModelSettings
from adapterd.evaluation.metrics.catalogue import CRITICAL, PRIMARY

GUARD_MARGIN = 0.05


def primary_of(settings: ModelSettings) -> str:
    """The metric that has to be proven better: the configured one, else the task's."""
    return settings.evaluation.primary or PRIMARY[settings.task]


def rules_of(settings: ModelSettings) -> dict[str, GateRule]:
    """The gates in force: those of the task and of the guard set, and over them what the configuration says."""
    own = {name: GateRule(critical=True) for name in (*CRITICAL[settings.task], primary_of(settings))}
    guard = {"guard": GateRule(margin=GUARD_MARGIN)} if settings.evaluation.guard else {}
    return {**own, **guard, **settings.gates}


def guard_rails(settings: ModelSettings) -> tuple[str, ...]:
    """The critical metrics beside the primary one."""
    primary = primary_of(settings)
    return tuple(name for name, rule in rules_of(settings).items() if rule.critical and name != primary)
