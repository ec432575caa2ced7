"""The rules by which a candidate is promoted or held, and the sentence why.

A critical metric has to be proven not to be worse, any other must not be proven to be. Proof is paired and one-sided at
95 %; a gain counts if it stays significant after Holm's correction over the critical metrics.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapterd.config import GateRule
from adapterd.evaluation.metric import Metric
from adapterd.evaluation.statistics import LEVEL, Comparison, holm
from adapterd.evaluation.verdict import Decision, Finding, Outcome, Verdict

DEFAULT_MARGIN = 0.02
CANDIDATE, LIVE, BASE = "candidate", "live", "base"


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
    require_improved: int = 1,
    beside: Sequence[Finding] = (),
) -> Verdict:
    """Apply the rules to what was measured of a candidate; `beside` are findings that come from elsewhere.

    A rule for a metric that there is not leaves the candidate unproven: a misspelt gate must not stand open.
    """
    known = {each.metric.name: each for each in measured}
    findings = [*beside, *(_unknown(name, known) for name in rules if name not in known)]
    ruled = [(known[name], rule) for name, rule in rules.items() if name in known]
    findings += [finding for each, rule in ruled for finding in _findings(each, rule)]
    critical = [each for each, rule in ruled if rule.critical and LIVE in each.against]
    if require_improved and critical:
        findings.append(_improved(critical, min(require_improved, len(critical))))
    return _verdict(findings)


def is_another_file(digest: str, others: Mapping[str, str]) -> Finding:
    """Whether the candidate is another file than all others (digests by what they are): an adapter may be too small to
    leave a trace."""
    same = next((name for name, other in others.items() if other == digest), None)
    if same is None:
        return Finding("file", "another file", Outcome.PASSED, "the candidate is a file of its own")
    sentence = f"the candidate is the same as {same}, byte for byte; the adapter left no trace"
    return Finding("file", "another file", Outcome.FAILED, sentence)


def is_kept(retention: float | None, least: float) -> Finding:
    """Whether enough of the adapter is left in the candidate's file; where it was not measured, nothing speaks against
    it."""
    rule = f"at least {least:g}"
    if retention is None:
        return Finding("retention", rule, Outcome.PASSED, "how much of the adapter is kept was not measured")
    sentence = f"the merged file keeps {retention:.1%} of what the adapter does"
    if retention >= least:
        return Finding("retention", rule, Outcome.PASSED, sentence)
    return Finding("retention", rule, Outcome.FAILED, f"{sentence}, and merging.min_retention asks for {least:.1%}")


def answers_differ(pairs: Sequence[tuple[str, str]]) -> Finding:
    """Whether the candidate says anything else than the base where the base is wrong: pairs of (candidate's answer,
    base's answer)."""
    rule, changed = "another answer than the base's where that is wrong", sum(ours != base for ours, base in pairs)
    if changed or not pairs:
        sentence = f"{changed} of {len(pairs)} answers differ where the base is wrong"
        return Finding("canaries", rule, Outcome.PASSED, sentence)
    sentence = f"the candidate says word for word what the base says in all {len(pairs)} cases where that is wrong"
    return Finding("canaries", rule, Outcome.FAILED, sentence)


def _unknown(name: str, known: Mapping[str, Measured]) -> Finding:
    sentence = f"gates.{name} names no metric of this model; there are {', '.join(known)}"
    return Finding(name, "a metric", Outcome.UNPROVEN, sentence)


def _verdict(findings: Sequence[Finding]) -> Verdict:
    failed, unproven = (
        [finding.sentence for finding in findings if finding.outcome is outcome]
        for outcome in (Outcome.FAILED, Outcome.UNPROVEN)
    )
    if failed:
        return Verdict(Decision.HOLD, f"held: {'; '.join(failed)}", tuple(findings))
    if unproven:
        return Verdict(Decision.NOT_PROVEN, f"not proven: {'; '.join(unproven)}", tuple(findings))
    sentences = [finding.sentence for finding in findings]
    return Verdict(
        Decision.PROMOTE, f"promoted: {'; '.join(sentences[-1:]) or 'no rule speaks against it'}", tuple(findings)
    )


def _findings(measured: Measured, rule: GateRule) -> list[Finding]:
    found = []
    for bound, word in ((rule.min, "at least"), (rule.max, "at most")):
        if bound is not None:
            found.append(_target(measured, bound, word))
    margin = DEFAULT_MARGIN if rule.margin is None and rule.critical else rule.margin
    if margin is not None:
        found += [_not_worse(measured, name, margin, rule) for name in _files(measured)]
    if rule.min_gain is not None and BASE in measured.against:
        found.append(_gain(measured, rule.min_gain))
    return found


def _files(measured: Measured) -> list[str]:
    """What it was compared with, each file once: before the first promotion, live is the base."""
    return list({comparison: name for name, comparison in reversed(list(measured.against.items()))}.values())[::-1]


def _target(measured: Measured, bound: float, word: str) -> Finding:
    name, value, rule = measured.metric.name, measured.value, f"{word} {bound:g}"
    if value is None:
        return Finding(name, rule, Outcome.UNPROVEN, f"{name} could not be measured")
    reached = value >= bound if word == "at least" else value <= bound
    sentence = f"{name} is {value:.3f}, {rule} is asked for"
    return Finding(name, rule, Outcome.PASSED if reached else Outcome.FAILED, sentence)


@dataclass(frozen=True)
class _Gain:
    """A comparison in the direction of the metric: positive is better; `low` and `high` are one-sided bounds."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, metric: Metric, comparison: Comparison) -> "_Gain":
        low, high = sorted(metric.gain(end) for end in (comparison.bounds.low, comparison.bounds.high))
        return cls(metric.gain(comparison.difference), low, high)


def _not_worse(measured: Measured, other: str, margin: float, rule: GateRule) -> Finding:
    """Non-inferiority: what is critical has to be proven, of anything else the contrary must not be."""
    metric, comparison = measured.metric, measured.against[other]
    gain, text = _Gain.of(metric, comparison), f"not more than {margin:g} worse than {other}"
    moves = f"{metric.name} goes from {comparison.theirs:.3f} ({other}) to {comparison.ours:.3f}"
    if gain.high < -margin or (gain.high < 0 and gain.value < -margin):
        return Finding(metric.name, text, Outcome.FAILED, f"{moves}, which is worse beyond doubt")
    if gain.low >= -margin or not rule.critical:
        return Finding(metric.name, text, Outcome.PASSED, moves)
    needed = comparison.cases_needed(gain.value + margin)
    more = f"{needed} such cases could tell" if needed else "more cases would not help"
    sentence = f"{moves}, and {comparison.cases} cases leave open whether it is {margin:g} worse ({more})"
    return Finding(metric.name, text, Outcome.UNPROVEN, sentence)


def _gain(measured: Measured, least: float) -> Finding:
    metric, comparison = measured.metric, measured.against[BASE]
    gain, rule = _Gain.of(metric, comparison), f"at least {least:g} better than {BASE}"
    sentence = f"{metric.name} gains {gain.value:.3f} on {BASE}, {least:g} is asked for"
    if gain.value < least:
        return Finding(metric.name, rule, Outcome.FAILED, sentence)
    if gain.low <= 0:
        return Finding(metric.name, rule, Outcome.UNPROVEN, f"{sentence}, and {comparison.cases} cases do not prove it")
    return Finding(metric.name, rule, Outcome.PASSED, sentence)


def _improved(critical: Sequence[Measured], wanted: int) -> Finding:
    """Whether enough critical metrics are proven better than live."""
    comparisons = [measured.against[LIVE] for measured in critical]
    adjusted = holm([comparison.p for comparison in comparisons])
    gains = [_Gain.of(measured.metric, comparison) for measured, comparison in zip(critical, comparisons, strict=True)]
    better = [
        f"{measured.metric.name} {comparison.theirs:.3f} → {comparison.ours:.3f} (p = {p:.2g})"
        for measured, comparison, gain, p in zip(critical, comparisons, gains, adjusted, strict=True)
        if gain.value > 0 and p < 1 - LEVEL
    ]
    what = "metric" if wanted == 1 else "metrics"
    rule = f"{wanted} critical {what} better than {LIVE}"
    if len(better) >= wanted:
        sentence = f"on {comparisons[0].cases} unseen cases better than {LIVE}: {', '.join(better)}"
        return Finding("improvement", rule, Outcome.PASSED, sentence)
    needed = [c.cases_needed(gain.value) for c, gain in zip(comparisons, gains, strict=True)]
    least = sorted(count for count in needed if count is not None)
    more = f"; if what shows is so, {least[wanted - 1]} cases would prove it" if len(least) >= wanted else ""
    of = f"{len(better)} of the {wanted} critical {what} asked for" if better else "no critical metric"
    sentence = f"on {comparisons[0].cases} unseen cases {of} is better than {LIVE} beyond chance{more}"
    return Finding("improvement", rule, Outcome.UNPROVEN, sentence)
