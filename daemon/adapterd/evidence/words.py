"""Sentences on where a comparison stands."""

from adapterd.evidence.standing import MARGIN, Standing
from adapterd.store.evidence.comparisons import Comparison

NEEDED = "set evaluation.reviews = all where all answers are reviewed, the good ones too, or send demonstrations"


def cases_of(standing: Standing) -> str:
    """`34 fresh cases and 2 votes`."""
    found = [_number(standing.cases, "fresh case")] if standing.cases or not standing.votes else []
    return " and ".join([*found, *([_number(standing.votes, "vote")] if standing.votes else [])])


def proven(comparison: Comparison, standing: Standing) -> str:
    """Why a challenger goes live."""
    guards = [f"{rail.metric} {rail.mean:+.3f}" for rail in standing.rails]
    return (
        f"promoted: on {cases_of(standing)} better than {comparison.theirs}: {standing.primary} {standing.gain:+.3f} "
        f"(proven at a level of {comparison.level:.4f}, which any number of nights keeps)"
        + (f"; {', '.join(guards)}" if guards else "")
    )


def rolled_back(comparison: Comparison, standing: Standing) -> str:
    """Why live is taken back."""
    return (
        f"taken back by the watch: on {cases_of(standing)} {comparison.ours} is better than {comparison.theirs}: "
        f"{standing.primary} {standing.gain:+.3f} (proven at a level of {comparison.level:.4f})"
    )


def speaks_against(comparison: Comparison, standing: Standing) -> str:
    """Why a challenger is dropped."""
    worst = min(standing.rails, key=lambda rail: rail.mean, default=None)
    guard = f", {worst.metric} {worst.mean:+.3f}" if worst and worst.mean < 0 else ""
    return (
        f"{cases_of(standing)} speak against it: {standing.primary} {standing.gain:+.3f} on {comparison.theirs}{guard}"
    )


def waits(comparison: Comparison, standing: Standing) -> str:
    """Why a challenger is not live yet."""
    return f"not proven: {stands(comparison, standing)}"


def waits_for_people(comparison: Comparison, standing: Standing, missing: str) -> str:
    """Why a challenger that is proven is not live yet."""
    return f"proven on {cases_of(standing)} to be better than {comparison.theirs}, but people have a say: {missing}"


def stands(comparison: Comparison, standing: Standing) -> str:
    """Where a challenger stands, and how long it may take."""
    if not standing.units:
        shown = f"; {only_mistakes(comparison, standing)}" if standing.shown else ""
        return f"no fresh case yet compares it with {comparison.theirs}{shown}"
    difference = _difference(standing.gain, f"than {comparison.theirs}", f"as {comparison.theirs}")
    found = f"{difference} on {cases_of(standing)}, {standing.way:.0%} of the way"
    return "; ".join([found, *filter(None, (_left(standing), _in_the_way(standing)))])


def watched(comparison: Comparison, standing: Standing) -> str:
    """What fresh cases say of live, which is `theirs`, beside what was live before."""
    since = f"watched against {comparison.ours} since {comparison.began_at:%Y-%m-%d}"
    if not standing.units:
        shown = f"; {only_mistakes(comparison, standing)}" if standing.shown else ""
        return f"{since}: no fresh case yet{shown}"
    sign = f"{standing.way:.0%} of the way to a proof against it" if standing.way > 0 else "no sign against it"
    sign = "which is proven" if standing.is_proven else sign
    return f"{since}: {_difference(-standing.gain, 'than before', 'as before')} on {cases_of(standing)}, {sign}"


def only_mistakes(comparison: Comparison, standing: Standing) -> str:
    """Why cases do not decide."""
    return (
        f"{_number(standing.shown, 'correction')} of what {comparison.theirs} or {comparison.ours} had answered do not "
        f"decide, for only mistakes are corrected: {NEEDED}"
    )


def _difference(gain: float, than: str, as_good: str) -> str:
    """`0.031 better than 1.2.0`, or `as good as 1.2.0` where three digits tell none apart."""
    if round(abs(gain), 3) == 0:
        return f"as good {as_good}"
    return f"{abs(gain):.3f} {'better' if gain > 0 else 'worse'} {than}"


def _left(standing: Standing) -> str:
    """How long it may take; votes are told of where people vote."""
    votes = f"{_number(standing.votes_left, 'vote')}" if standing.votes_left and standing.votes else ""
    if standing.nights_left == 0:
        return ""
    if standing.nights_left is None:
        return "; ".join(filter(None, ("it comes no nearer so far", votes and f"{votes} may prove it")))
    nights = f"about {_number(standing.nights_left, 'night')} more at today's pace"
    return f"{nights}, or {votes}" if votes else nights


def _in_the_way(standing: Standing) -> str:
    if standing.against is not None:
        sent = f"what {standing.against} sent" if standing.against else "what came without the name of an application"
        return f"not without {sent}: the others have to prove it, too, unless dataset.max_share_of_source is 1"
    low = [rail for rail in standing.rails if not rail.is_within_margin]
    return f"{low[0].metric} falls by {-low[0].mean:.3f}, and {MARGIN:g} are allowed" if low else ""


def _number(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
