"""The places of text in the database."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from adapterd.dataset.cases import EvaluationCase, content_hash
from adapterd.evidence.kept_answers import case_hash
from adapterd.removal.in_captures import going_captures
from adapterd.removal.removed import Scene
from adapterd.store.evaluation_sets import EvaluationSet
from adapterd.store.teaching.examples import SyntheticExample
from adapterd.store.teaching.requests import StoredRequest

_TEXTS_OF_TEACHING = frozenset(
    {"request", "reply", "messages", "answer", "rejected", "sources", "source_ids", "reason"}
)
"""Fields of requests to teachers, and of synthetic examples, that hold what somebody, or a model, wrote."""


def records(scene: Scene, change: bool) -> Iterator[str]:
    """Rows of feedback, also those that are no longer in force; one may have come while the removal was begun."""
    hashes = scene.removed.hashes
    found = [row for row in scene.store.feedback.everything(scene.model) if row.content_hash in hashes]
    yield from (f"record {row.id}" for row in found)
    if change:
        with scene.store.transaction():
            scene.store.feedback.forget(row.id for row in found)


def evaluation_sets(scene: Scene, change: bool) -> Iterator[str]:
    """Cases of frozen sets: a set is replaced by the version of it without them."""
    for each in scene.store.evaluation_sets.all(scene.model):
        left = [case for case in each.cases if not scene.removed.has_case(case)]
        if len(left) < len(each.cases):
            yield f"{len(each.cases) - len(left)} of {len(each.cases)} cases of evaluation set {each.number}"
            if change:
                _reduce(scene, each, left)
                gone = [case["id"] for case in each.cases if case not in left]
                scene.store.rubric_scores.forget(scene.model, gone)
                scene.store.teaching.forget_records((f"case {case}" for case in gone), scene.model)


def _reduce(scene: Scene, former: EvaluationSet, left: list[dict[str, Any]]) -> None:
    digest = content_hash([EvaluationCase.from_dict(case) for case in left])
    with scene.store.transaction():
        scene.store.evaluation_sets.reduce(scene.model, former.number, digest, left)
        text = (
            f"{scene.model}: evaluation set {former.number} has {len(left)} cases now, "
            f"without {len(former.cases) - len(left)} that were taken back"
        )
        detail = {"former": former.content_hash, "hash": digest}
        scene.store.events.add("evaluation.reduced", text, model=scene.model, detail=detail)


def journal(scene: Scene, change: bool) -> Iterator[str]:
    """Results, progress and errors of stages and runs."""
    of_model = "run_id IN (SELECT id FROM runs WHERE model = ?)"
    yield from _cleaned_rows(scene, change, "stages", ("result", "progress"), ("error",), of_model)
    yield from _cleaned_rows(scene, change, "runs", (), ("reason", "error", "hint", "cancelled"), "model = ?")
    yield from _cleaned_rows(scene, change, "run_requests", (), ("reason", "error"), "model = ?")
    yield from _cleaned_rows(
        scene, change, "schedule_states", (), ("due_text", "blocked_by", "base_drift"), "model = ?"
    )


def versions(scene: Scene, change: bool) -> Iterator[str]:
    """What the versions table says of scores and reasons."""
    yield from _cleaned_rows(scene, change, "versions", ("metrics",), ("reason", "label"), "model = ?")


def evidence(scene: Scene, change: bool) -> Iterator[str]:
    """What cases said of versions that are compared, and the sentences on it; the next night computes it again."""
    comparisons, hashes = scene.store.comparisons, scene.removed.hashes
    if found := comparisons.of_records(scene.model, hashes):
        yield f"what {found} fresh cases said"
        if change:
            comparisons.forget(scene.model, hashes)
    yield from _cleaned_rows(scene, change, "comparisons", ("standing",), ("reason",), "model = ?")


def choices(scene: Scene, change: bool) -> Iterator[str]:
    """Two answers beside each other, to a prompt that goes or with a text that goes; with a judge's verdicts on them,
    and what it was asked."""
    for each in scene.store.choices.all(scene.model):
        said = [each.ours_answer, each.theirs_answer]
        if scene.removed.has_prompt(each.messages, None) or scene.removed.texts.are_in_value(said):
            yield f"choice {each.id}"
            if change:
                scene.store.choices.forget(scene.model, each.id)
                scene.store.teaching.forget_records([each.asked_as], scene.model)


def teacher_requests(scene: Scene, change: bool) -> Iterator[str]:
    """Requests to teachers, with their replies: those made from a record or a conversation that goes, those about an
    example that goes, and those with a text that goes."""
    requests, made_from = scene.store.teaching.requests, _made_from(scene)
    examples = _going_examples(scene, made_from)
    of_examples, prompts = ({getattr(each, name) for each in examples} for name in ("request_key", "prompt_hash"))
    going = [
        each.key
        for each in requests.all(scene.model)
        if each.key in of_examples or _is_made_from(scene, each, made_from | prompts)
    ]
    if going:
        yield f"{len(going)} requests"
        if change:
            requests.forget(scene.model, going)


def synthetic_examples(scene: Scene, change: bool) -> Iterator[str]:
    """Examples that teachers made from a record or a conversation that goes, those to its prompt, and those with a text
    that goes."""
    going = [each.id for each in _going_examples(scene, _made_from(scene))]
    yield from (f"synthetic example {each}" for each in going)
    if change:
        scene.store.teaching.examples.forget(scene.model, going)


def _going_examples(scene: Scene, made_from: frozenset[str]) -> list[SyntheticExample]:
    return [
        each
        for each in scene.store.teaching.examples.all(scene.model)
        if scene.removed.has_prompt(each.messages, None) or _is_made_from(scene, each, made_from)
    ]


def _made_from(scene: Scene) -> frozenset[str]:
    """What names the records and the conversations that go; these places are visited while the latter are there."""
    return scene.removed.hashes.union(going_captures(scene))


def _is_made_from(scene: Scene, made: StoredRequest | SyntheticExample, going: frozenset[str]) -> bool:
    texts = [value for name, value in asdict(made).items() if name in _TEXTS_OF_TEACHING]
    if isinstance(made, SyntheticExample):
        texts += [each.reason for each in made.earlier]
    return not going.isdisjoint(made.records) or scene.removed.texts.are_in_value(texts)


def rubrics(scene: Scene, change: bool) -> Iterator[str]:
    """Key facts and marks of cases: those with a fact that goes, and those of cases that go, or are in no set any
    more."""
    sets = scene.store.evaluation_sets.all(scene.model)
    cases = [case for each in sets for case in each.cases if not scene.removed.has_case(case)]
    left = {case_hash(case["messages"], case["reference"]) for case in cases}
    kept = scene.store.rubrics
    going = {case for case, facts in kept.facts(scene.model).items() if scene.removed.texts.are_in_value(list(facts))}
    going |= kept.cases(scene.model) - left
    if going:
        yield f"key facts of {len(going)} cases"
        if change:
            with scene.store.transaction():
                kept.forget(scene.model, going)


def history(scene: Scene, change: bool) -> Iterator[str]:
    """Events."""
    yield from _cleaned_rows(scene, change, "events", ("detail",), ("text",), "(model = ? OR model IS NULL)")


def quarantine_notes(scene: Scene, change: bool) -> Iterator[str]:
    """Reasons and excerpts of pieces in quarantine. The excerpt of a whole file may be cut at any place: it goes where
    the file held something that goes."""
    for piece in scene.store.feedback.quarantined(scene.model):
        excerpt, reason = scene.removed.texts.without(piece.excerpt), scene.removed.texts.without(piece.reason)
        if piece.file in scene.removed.files and not piece.kept.endswith(".raw"):
            excerpt = ""
        if (excerpt, reason) != (piece.excerpt, piece.reason):
            yield f"a note about line {piece.line} of {piece.file}"
            if change:
                scene.store.feedback.change_piece(replace(piece, excerpt=excerpt, reason=reason))


def _cleaned_rows(
    scene: Scene, change: bool, table: str, as_json: tuple[str, ...], as_text: tuple[str, ...], where: str
) -> Iterator[str]:
    """Clean these columns of the table's rows."""
    names = (*as_json, *as_text)
    select = f"SELECT rowid AS place, {', '.join(names)} FROM {table} WHERE {where}"  # noqa: S608 - names of ours
    update = f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in names)} WHERE rowid = ?"  # noqa: S608
    found = 0
    with scene.store.transaction():
        for row in scene.store.rows(select, (scene.model,)):
            before = [row[name] for name in names]
            after = [*(_cleaned_json(scene, row[name]) for name in as_json)]
            after += [row[name] and scene.removed.to_the_letter(row[name]) for name in as_text]
            if before != after:
                found += 1
                if change:
                    scene.store.execute(update, (*after, row["place"]))
    if found:
        yield f"{found} rows of {table}"


def _cleaned_json(scene: Scene, text: str | None) -> str | None:
    """A column of JSON without what goes; the very text where nothing does."""
    if not text:
        return text
    value = json.loads(text)
    cleaned = scene.cleaned(value)
    return text if cleaned == value else json.dumps(cleaned)


def prompt_pool(scene: Scene, change: bool) -> Iterator[str]:
    """Prompts without answers, with the keys of their application; and keys of other prompts that have a text which
    goes wherever it stands."""
    rows = scene.store.rows("SELECT id, prompt_hash, messages, source_id FROM prompts WHERE model = ?", (scene.model,))
    going = [row for row in rows if scene.removed.has_prompt(json.loads(row["messages"]), row["source_id"])]
    yield from (f"prompt {row['id']}" for row in going)
    gone = {row["prompt_hash"] for row in going}
    known = scene.store.rows("SELECT key, prompt_hash FROM prompt_keys WHERE model = ?", (scene.model,))
    keys = [row["key"] for row in known if row["prompt_hash"] not in gone and scene.removed.has_wanted(row["key"])]
    if keys:
        yield f"{len(keys)} keys of other prompts"
    if change and (going or keys):
        with scene.store.transaction():
            scene.store.removals.bar(scene.model, gone)
            for row in going:
                scene.store.execute("DELETE FROM prompts WHERE id = ?", (row["id"],))
                scene.store.execute(
                    "DELETE FROM prompt_keys WHERE model = ? AND prompt_hash = ?", (scene.model, row["prompt_hash"])
                )
            for key in keys:
                scene.store.execute("DELETE FROM prompt_keys WHERE model = ? AND key = ?", (scene.model, key))
