"""The gates: rules by which a candidate is promoted or held, each with a sentence why.

One metric is primary: the candidate is promoted only if that is proven better than live's. The other critical metrics
are guard rails: a drop of more than their margin keeps the candidate back, proven or not. Any other rule only stops a
candidate that is noticeably worse. Proof is paired and one-sided at 95 %, by the bounds that are shown (statistics.py).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapterd.config import GateRule
from adapterd.evaluation.metrics.metric import Better, Metric, Unit
from adapterd.evaluation.statistics import LEAST_UNITS, LEVEL, WARNING_LEVEL, Comparison, holm
from adapterd.evaluation.verdict import Decision, GateFinding, GateOutcome, Verdict

DEFAULT_MARGIN = 0.02
SHRUNK = 0.25
"""An answer that has less than this share of the characters of both live's answer and the reference is shrunk."""
SHRUNK_FROM = 40
"""In characters; of shorter answers, such as labels, the length says nothing."""
SHRUNK_SHARE = 0.1
ROUNDING = 1e-9
CANDIDATE, LIVE, BASE = "candidate", "live", "base"
NOT_OF_FRESH_CASES = ("guard", "consistency")
"""Metrics of questions of their own: no fresh case says anything of them."""


@dataclass(frozen=True)
class Measured:
    """A metric of the candidate, and its comparison with each of the others that was asked, by what they are."""

    metric: Metric
    value: float | None
    against: Mapping[str, Comparison]


def judge(
    measured: Sequence[Measured],
    rules: Mapping[str, GateRule],
    *,
    primary: str | None = None,
    require_improved: int = 1,
    extra_findings: Sequence[GateFinding] = (),
) -> Verdict:
    """Apply the rules to what was measured of a candidate; `extra_findings` go into the verdict as well.

    `primary` names the metric that has to be proven better than live's (without it, the first critical one that is
    more than a yes or no); `require_improved` is how many metrics have to be, the primary one among them. A rule for a
    metric that there is not leaves the candidate unproven: a misspelt gate must not stand open.
    """
    known = {each.metric.name: each for each in measured}
    findings = [*extra_findings, *(_unknown(name, known, primary) for name in rules if name not in known)]
    ruled = [(known[name], rule) for name, rule in rules.items() if name in known]
    findings += [finding for each, rule in ruled for finding in _findings(each, rule)]
    asked = {name for each in measured for name in each.against}
    other = LIVE if LIVE in asked else BASE  # a version that is live is compared with the base
    critical = [each for each, rule in ruled if rule.critical and other in each.against]
    chosen = _primary(primary, known, critical)
    if require_improved and chosen and other in asked:
        findings.append(_improved(chosen, critical, require_improved, other))
    return _verdict(findings)


def _primary(name: str | None, known: Mapping[str, Measured], critical: Sequence[Measured]) -> Measured | None:
    if name is not None and name in known:
        return known[name]
    return next((each for each in critical if not each.metric.yes_no), next(iter(critical), None))


def distinct_file_gate(digest: str, others: Mapping[str, str]) -> GateFinding:
    """The candidate has to be another file than all others (`others`: digests by name); an adapter may be too small to
    change any weight."""
    same = next((name for name, other in others.items() if other == digest), None)
    if same is None:
        return GateFinding("file", "another file", GateOutcome.PASSED, "the candidate is a file of its own")
    sentence = f"the candidate is the same as {same}, byte for byte; the adapter left no trace"
    return GateFinding("file", "another file", GateOutcome.FAILED, sentence)


def live_again_gate(live: str) -> GateFinding:
    """Keeps a candidate back that is the very file of the version `live`; it is measured for a person to read."""
    sentence = f"it is the same file as {live}, which is live; it was evaluated with the settings of now"
    return GateFinding("live", "not live already", GateOutcome.FAILED, sentence)


def retention_gate(retention: float | None, least: float) -> GateFinding:
    """The merged file has to keep at least the share `least` of the adapter; passed where `retention` is None, not
    measured."""
    rule = f"at least {least:g}"
    if retention is None:
        return GateFinding("retention", rule, GateOutcome.PASSED, "how much of the adapter is kept was not measured")
    sentence = f"the merged file keeps {retention:.1%} of what the adapter does"
    if retention >= least:
        return GateFinding("retention", rule, GateOutcome.PASSED, sentence)
    return GateFinding(
        "retention", rule, GateOutcome.FAILED, f"{sentence}, and merging.min_retention asks for {least:.1%}"
    )


def canary_gate(pairs: Sequence[tuple[str, str]]) -> GateFinding:
    """The candidate has to answer at least one question differently than the base, of those that the base answers
    wrongly. `pairs` are (candidate's answer, base's answer)."""
    rule, changed = "another answer than the base's where that is wrong", sum(ours != base for ours, base in pairs)
    if changed or not pairs:
        sentence = f"{changed} of {len(pairs)} answers differ where the base is wrong"
        return GateFinding("canaries", rule, GateOutcome.PASSED, sentence)
    sentence = f"the candidate says word for word what the base says in all {len(pairs)} cases where that is wrong"
    return GateFinding("canaries", rule, GateOutcome.FAILED, sentence)


def completeness_gate(answers: Sequence[tuple[str, str, str]]) -> GateFinding:
    """Not many more answers than live's may be empty or shrunk: (candidate's answer, live's answer, reference) of each.

    A model whose template opens a thought may never close it; its answers are empty, or far shorter than before.
    """
    rule = f"at most {SHRUNK_SHARE:.0%} more empty or shrunk answers than {LIVE}'s"
    empty, shrunk = (sum(lacks(*each) for each in answers) for lacks in (_is_empty, _is_shrunk))
    live_lacks = sum(_is_empty(live, ours, wanted) for ours, live, wanted in answers)
    sentence = f"{empty} of {len(answers)} answers are empty where one is expected, {shrunk} far shorter than {LIVE}'s"
    if empty + shrunk - live_lacks <= max(1, SHRUNK_SHARE * len(answers)):
        return GateFinding("complete", rule, GateOutcome.PASSED, sentence)
    return GateFinding(
        "complete", rule, GateOutcome.FAILED, f"{sentence}; a thinking model may not end its thought (see think)"
    )


def _is_empty(ours: str, _live: str, wanted: str) -> bool:
    return not ours.strip() and bool(wanted.strip())


def _is_shrunk(ours: str, live: str, wanted: str) -> bool:
    """Far shorter than live's answer and than the reference, so that it is not live that says too much."""
    shortest = min(len(live.strip()), len(wanted.strip()))
    return shortest >= SHRUNK_FROM and 0 < len(ours.strip()) < SHRUNK * shortest


def _unknown(name: str, known: Mapping[str, Measured], primary: str | None) -> GateFinding:
    setting = f"evaluation.primary = {name}" if name == primary else f"gates.{name}"
    sentence = f"{setting} names no metric of this model; there are {', '.join(known)}"
    return GateFinding(name, "a metric", GateOutcome.UNPROVEN, sentence)


def _verdict(findings: Sequence[GateFinding]) -> Verdict:
    failed, unproven = (
        [finding.sentence for finding in findings if finding.outcome is outcome]
        for outcome in (GateOutcome.FAILED, GateOutcome.UNPROVEN)
    )
    if failed:
        return Verdict(Decision.HOLD, f"held: {'; '.join(failed)}", tuple(findings))
    if unproven:
        return Verdict(Decision.NOT_PROVEN, f"not proven: {'; '.join(unproven)}", tuple(findings))
    sentences = [finding.sentence for finding in findings]
    return Verdict(
        Decision.PROMOTE, f"promoted: {'; '.join(sentences[-1:]) or 'no rule speaks against it'}", tuple(findings)
    )


def _findings(measured: Measured, rule: GateRule) -> list[GateFinding]:
    if (open_finding := _without_value(measured, rule)) is not None:
        return [open_finding] if rule.critical or not measured.metric.rubric else []
    found = []
    for bound, word in ((rule.min, "at least"), (rule.max, "at most")):
        if bound is not None:
            found.append(_target(measured, bound, word))
    if rule.critical or rule.margin is not None or rule.min_gain is not None:
        found += _compared(measured, rule)
    return found


def _without_value(measured: Measured, rule: GateRule) -> GateFinding | None:
    """That what a metric is made of besides texts is not there; of a rubric that is critical, also that too few cases
    are filled in for both."""
    metric, units = measured.metric, [each.clusters for each in measured.against.values()]
    too_few = metric.rubric and rule.critical and (not units or min(units) < LEAST_UNITS)
    if not metric.missing or not (measured.value is None or too_few):
        return None
    return GateFinding(metric.name, "a value", GateOutcome.UNPROVEN, _no_value(measured))


def _no_value(measured: Measured) -> str:
    if measured.value is None or not measured.against:
        return f"{measured.metric.name} has no value: {measured.metric.missing}"
    filled = min(each.clusters for each in measured.against.values())
    return f"{measured.metric.name} is filled in for {_number(filled, 'case')} of both; it takes {LEAST_UNITS}"


def _compared(measured: Measured, rule: GateRule) -> list[GateFinding]:
    """The findings of a rule that compares; a finding that it cannot be applied where the metric has no better value,
    or no margin in its unit."""
    metric = measured.metric
    if metric.better is Better.NEITHER:
        return [_impossible(metric, f"{metric.name} is neither better higher nor lower", "give min or max")]
    margin = rule.margin
    if margin is None and rule.critical and metric.unit is not Unit.SHARE:
        return [_impossible(metric, f"{metric.name} counts in {metric.unit}", "give its margin in that unit")]
    if margin is None and rule.critical:
        margin = DEFAULT_MARGIN
    found = [] if margin is None else [_not_worse(measured, name, margin, rule) for name in _files(measured)]
    if rule.min_gain is not None and BASE in measured.against:
        found.append(_gain(measured, rule.min_gain))
    return found


def _impossible(metric: Metric, why: str, what_to_do: str) -> GateFinding:
    sentence = f"gates.{metric.name} cannot be applied: {why}; {what_to_do}"
    return GateFinding(metric.name, "a rule that can be applied", GateOutcome.UNPROVEN, sentence)


def _files(measured: Measured) -> list[str]:
    """The names of what it was compared with, each file once: before the first promotion, live is the base."""
    return list({comparison: name for name, comparison in reversed(list(measured.against.items()))}.values())[::-1]


def _target(measured: Measured, bound: float, word: str) -> GateFinding:
    name, value, rule = measured.metric.name, measured.value, f"{word} {bound:g}"
    if value is None:
        return GateFinding(name, rule, GateOutcome.UNPROVEN, f"{name} could not be measured")
    reached = value >= bound if word == "at least" else value <= bound
    sentence = f"{name} is {value:.3f}, {rule} is asked for"
    return GateFinding(name, rule, GateOutcome.PASSED if reached else GateOutcome.FAILED, sentence)


@dataclass(frozen=True)
class _Gain:
    """A comparison in the direction of the metric: positive is better. The true gain is at least `low` and at most
    `high`, each at 95 %; it is noticeably negative where `noticed` is below 0."""

    value: float
    low: float
    high: float
    noticed: float

    @classmethod
    def of(cls, metric: Metric, comparison: Comparison) -> "_Gain":
        low, high = sorted(metric.gain(end) for end in (comparison.bounds.low, comparison.bounds.high))
        noticed = max(metric.gain(end) for end in (comparison.warning.low, comparison.warning.high))
        return cls(metric.gain(comparison.difference), low, high, noticed)


def _not_worse(measured: Measured, other: str, margin: float, rule: GateRule) -> GateFinding:
    """A guard rail: what is noticeably worse fails; a larger drop than the margin is not accepted of what is critical.

    The margin is never less than one unit is worth: of 40 cases, one weighs 0.025.
    """
    metric, comparison = measured.metric, measured.against[other]
    gain = _Gain.of(metric, comparison)
    allowed = max(margin, 1 / max(1, comparison.clusters)) if metric.bounded else margin
    text = f"not more than {allowed:.3g} worse than {other}"
    moves = f"{metric.name} goes from {comparison.theirs:.3f} ({other}) to {comparison.ours:.3f}"
    if not all(map(math.isfinite, (gain.value, gain.low, gain.noticed))):
        return GateFinding(metric.name, text, GateOutcome.FAILED, f"{moves}, which cannot be compared")
    if gain.noticed < -margin or (gain.noticed < 0 and gain.value < -margin):
        return GateFinding(metric.name, text, GateOutcome.FAILED, f"{moves}, which is worse")
    if not rule.critical or (gain.value >= -allowed and _is_within_margin_over_cases(metric, comparison, margin)):
        return GateFinding(
            metric.name, text, GateOutcome.PASSED, f"{moves}; a drop of {max(0, -gain.low):.3f} is possible"
        )
    needed = comparison.units_needed(-metric.gain(1.0), WARNING_LEVEL)
    more = f"; {_counted(comparison, needed)} could tell" if needed else ""
    sentence = f"{moves}, and {_counted(comparison)} leave open whether it is worse{more}"
    fresh_can = metric.bounded and metric.name not in NOT_OF_FRESH_CASES
    return GateFinding(metric.name, text, GateOutcome.UNPROVEN, sentence, by_more_cases=fresh_can)


def _is_within_margin_over_cases(metric: Metric, comparison: Comparison, margin: float) -> bool:
    """Whether the mean over all cases, in which a source with many cases weighs more, keeps within the margin, too."""
    if not metric.bounded or not comparison.cases:
        return True
    return metric.gain(comparison.over_cases) >= -max(margin, 1 / comparison.cases) - ROUNDING


def _gain(measured: Measured, least: float) -> GateFinding:
    metric, comparison = measured.metric, measured.against[BASE]
    gain, rule = _Gain.of(metric, comparison), f"at least {least:g} better than {BASE}"
    sentence = f"{metric.name} gains {gain.value:.3f} on {BASE}, {least:g} is asked for"
    if gain.value < least:
        return GateFinding(metric.name, rule, GateOutcome.FAILED, sentence)
    if gain.low <= 0:
        return GateFinding(
            metric.name, rule, GateOutcome.UNPROVEN, f"{sentence}, and {comparison.cases} cases do not prove it"
        )
    return GateFinding(metric.name, rule, GateOutcome.PASSED, sentence)


def _improved(primary: Measured, critical: Sequence[Measured], wanted: int, other: str) -> GateFinding:
    """Whether the primary metric is proven better than live's, and enough other critical ones besides."""
    others = [each for each in critical if each is not primary]
    wanted = min(wanted, 1 + len(others))
    rule = f"{primary.metric.name} better than {other}" + (f", and {wanted - 1} more" if wanted > 1 else "")
    if other not in primary.against:
        why = _no_value(primary) if primary.metric.missing else f"{primary.metric.name} applies to no case"
        sentence = f"{why}, so nothing can be proven by it; set evaluation.primary"
        return GateFinding("improvement", rule, GateOutcome.UNPROVEN, sentence)
    if not primary.metric.bounded:
        return _impossible(primary.metric, f"{primary.metric.name} is no mean of scores", "set evaluation.primary")
    comparison = primary.against[other]
    better = _proven_better(others, other) if wanted > 1 else []
    on = f"on {_counted(comparison)}"
    if _Gain.of(primary.metric, comparison).low <= 0:
        return _unproven(rule, _open(primary.metric, comparison, other), wanted)
    if (over_cases := primary.metric.gain(comparison.over_cases)) <= 0:
        sentence = f"{primary.metric.name} is better by source, but not over all cases ({over_cases:+.3f})"
        return _unproven(rule, f"{on} {sentence}", wanted)
    if len(better) < wanted - 1:
        sentence = f"{on} {1 + len(better)} of the {wanted} metrics asked for are better than {other} beyond chance"
        return _unproven(rule, sentence, wanted)
    sentence = f"{on} better than {other}: {', '.join(_proven(each, other) for each in (primary, *better))}"
    return GateFinding("improvement", rule, GateOutcome.PASSED, sentence)


def _unproven(rule: str, sentence: str, wanted: int) -> GateFinding:
    """An improvement that is open. Fresh cases may prove that of the primary metric; where more are wanted, this set
    has to."""
    return GateFinding("improvement", rule, GateOutcome.UNPROVEN, sentence, by_more_cases=wanted <= 1)


def _proven_better(others: Sequence[Measured], other: str) -> list[Measured]:
    """Those that are better than live's beyond chance, by Holm's correction for there being several."""
    comparisons = [each.against[other] for each in others]
    adjusted = holm([comparison.p for comparison in comparisons])
    return [
        each
        for each, comparison, p in zip(others, comparisons, adjusted, strict=True)
        if each.metric.gain(comparison.difference) > 0 and p < 1 - LEVEL
    ]


def _proven(measured: Measured, other: str) -> str:
    metric, comparison = measured.metric, measured.against[other]
    gain = _Gain.of(metric, comparison)
    moves = f"{comparison.theirs:.3f} → {comparison.ours:.3f}"
    return f"{metric.name} {moves} (gain {gain.value:.3f}, at least {gain.low:.3f} with 95 % confidence)"


def _open(metric: Metric, comparison: Comparison, other: str) -> str:
    """Why the cases do not prove an improvement, what gain they could prove, and how many would prove this one."""
    moves = f"{comparison.theirs:.3f} → {comparison.ours:.3f}"
    sentence = f"on {_counted(comparison)} {metric.name} {moves} is not better than {other} beyond chance"
    if (provable := comparison.provable_gain(metric.gain(1.0))) is not None:
        sentence += f"; as many prove a gain of {provable:.2f} or more"
    elif comparison.units:
        sentence += f"; fewer than {LEAST_UNITS} {_units(comparison)} prove nothing"
    needed = comparison.units_needed(metric.gain(1.0))
    return sentence + (f"; if what shows is so, {_counted(comparison, needed)} would prove it" if needed else "")


def _counted(comparison: Comparison, needed: int | None = None) -> str:
    """The cases, or how many are needed; sources where cases share them, for those are what is counted then."""
    if needed is not None:
        return f"{needed} such {_units(comparison)}"
    cases = _number(comparison.cases, "unseen case")
    return f"{cases} of {_number(comparison.clusters, 'source')}" if _units(comparison) == "sources" else cases


def _units(comparison: Comparison) -> str:
    return "sources" if comparison.clusters < comparison.cases else "cases"


def _number(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
