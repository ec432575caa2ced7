"""Records with secrets or personal data wait in quarantine until somebody releases them, or a rule does.

They are scanned before something is made of them (a run, a frozen set, a list of what is held), not when they arrive:
the scanner is slower than the intake, and the daemon does not load it. It works in a process of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapterd.config import FeedbackSettings, PersonalData
from adapterd.errors import NotFoundError
from adapterd.personal_data.finding import IN_WORDS, SCANNER, Finding, Kind, taught_texts
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.screenings import WithFindings
from adapterd.system.child.call import call

BATCH = 5_000
"""Records that are scanned by one process and noted in one transaction."""
AROUND = 24
"""Characters of text shown on either side of a finding."""

Scan = Callable[[Sequence[str]], list[list[Finding]]]


@dataclass(frozen=True)
class HeldRecord:
    """A record that is not taught for what was found in it. `excerpt` is the text around the first finding, with a mask
    in the place of everything that was found."""

    id: int
    content_hash: str
    file: str
    line: int
    kinds: tuple[Kind, ...]
    excerpt: str

    @property
    def reason(self) -> str:
        """Why it is held, in words."""
        return f"held: it has {' and '.join(IN_WORDS[kind] for kind in self.kinds)}"


def scan_in_child(records: Sequence[str]) -> list[list[Finding]]:
    """The findings of each record, by a process of its own."""
    from adapterd.personal_data.scan import scan_lines

    return call(scan_lines, list(records))


def scan_new(
    store: Store,
    model: str,
    settings: FeedbackSettings,
    *,
    scan: Scan = scan_in_child,
    on_progress: Callable[[float], object] = lambda _share: None,
) -> int:
    """Scan the records that were not scanned yet; returns how many there were. Does nothing where the settings allow
    everything. `on_progress` gets the share done, 0…1, where it takes a while."""
    if settings.personal_data is PersonalData.ALLOW:
        return 0
    total, done = store.screenings.count_unscanned(model, SCANNER), 0
    if total > BATCH:
        on_progress(0.0)
    while batch := store.screenings.unscanned(model, SCANNER, BATCH):
        found = scan([each.record for each in batch])
        with store.transaction():
            store.screenings.add(
                model,
                SCANNER,
                (
                    (each.content_hash, [(one.kind, one.field, one.start, one.end) for one in findings])
                    for each, findings in zip(batch, found, strict=True)
                ),
            )
        done += len(batch)
        if total > BATCH:
            on_progress(min(1.0, done / total))
    return done


def held_records(store: Store, model: str, settings: FeedbackSettings) -> list[HeldRecord]:
    """The scanned records that must not be taught by these settings, in the order of arrival."""
    if settings.personal_data is PersonalData.ALLOW:
        return []
    held = (_held(row, settings) for row in store.screenings.with_findings(model) if not row.released)
    return [each for each in held if each]


def held_hashes(
    store: Store,
    model: str,
    settings: FeedbackSettings,
    on_progress: Callable[[float], object] = lambda _share: None,
) -> list[str]:
    """The content hashes of the records that must not be taught, in order, after all were scanned."""
    scan_new(store, model, settings, on_progress=on_progress)
    return sorted(each.content_hash for each in held_records(store, model, settings))


def faults_of(
    records: Sequence[FeedbackRecord], settings: FeedbackSettings, *, scan: Scan = scan_in_child
) -> list[str]:
    """Of each record, what is found in it that these settings do not allow, in words; empty where nothing is."""
    from adapterd.personal_data.rules import not_allowed

    if settings.personal_data is PersonalData.ALLOW or not records:
        return [""] * len(records)
    found = scan([record.to_json() for record in records])
    reasons = [
        dict.fromkeys(IN_WORDS[each.kind] for each in not_allowed(record, findings, settings.allow))
        for record, findings in zip(records, found, strict=True)
    ]
    return [f"it has {' and '.join(each)}" if each else "" for each in reasons]


def release(store: Store, model: str, settings: FeedbackSettings, ids: Sequence[int]) -> list[HeldRecord]:
    """Have these records taught, whatever was found in them; returns them. Raises NotFoundError for one that is not
    held."""
    held = {each.id: each for each in held_records(store, model, settings)}
    unknown = [number for number in ids if number not in held]
    if unknown:
        raise NotFoundError(
            f"record {unknown[0]} is not held", hint="`adapterctl feedback quarantine` lists the records that are"
        )
    released = [held[number] for number in dict.fromkeys(ids)]
    with store.transaction():
        store.screenings.release(model, [each.content_hash for each in released])
        text = f"{model}: {len(released)} held record{'s' if len(released) != 1 else ''} released by hand"
        store.events.add("feedback.released", text, model=model, detail={"ids": [each.id for each in released]})
    return released


def _held(row: WithFindings, settings: FeedbackSettings) -> HeldRecord | None:
    from adapterd.personal_data.rules import not_allowed

    record = FeedbackRecord.from_json(row.record)
    findings = [Finding(Kind(str(kind)), str(field), int(a), int(b)) for kind, field, a, b in row.findings]
    reasons = not_allowed(record, findings, settings.allow)
    if not reasons:
        return None
    kinds = tuple(dict.fromkeys(each.kind for each in reasons))
    return HeldRecord(row.id, row.content_hash, row.file, row.line, kinds, _masked(record, findings, reasons[0]))


def _masked(record: FeedbackRecord, findings: Sequence[Finding], shown: Finding) -> str:
    """The text around a finding, with `[kind]` for everything that was found in it."""
    text = dict(taught_texts(record))[shown.field]
    start, end = max(0, shown.start - AROUND), min(len(text), shown.end + AROUND)
    pieces, at = list[str](), start
    for each in sorted((one for one in findings if one.field == shown.field), key=lambda one: one.start):
        if each.end > start and each.start < end:
            pieces += [text[at : max(at, each.start)], f"[{each.kind}]"]
            at = max(at, each.end)
    whole = "".join([*pieces, text[at : max(at, end)]])
    return f"{'…' if start else ''}{' '.join(whole.split())}{'…' if end < len(text) else ''}"
