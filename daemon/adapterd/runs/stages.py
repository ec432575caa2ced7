"""The pipeline, read as a script: each stage is a function from values to values.

Stages run in a worker process, one after the other; each sees the plan, the run's folder, and the results of the
stages before it. What they import is heavy, so they import it themselves.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapterd.config import Think
from adapterd.errors import NotEnoughDataError, NotFoundError, PromptsChangedError, RuntimeFailedError, StageError
from adapterd.formats import adapter_files, encoded
from adapterd.formats.evaluation import Bridge
from adapterd.formats.json_files import lines_of
from adapterd.formats.run_folder import ADAPTER, CANDIDATE, DATASET, GIVEN, ORIGINS, RECORDS
from adapterd.home import make_private
from adapterd.runs.archive import archive_version
from adapterd.runs.plan import RunPlan
from adapterd.runs.reuse import ADAPTER_READS, restore_adapter, restore_candidate
from adapterd.runs.stage import Job, Result, Results, Stage
from adapterd.serialization import from_plain, to_plain
from adapterd.serving.tags import BASE

if TYPE_CHECKING:
    from adapterd.base.gguf.tokenizer import Tokenizer
    from adapterd.base.model import BaseModel
    from adapterd.record import FeedbackRecord
    from adapterd.serving.runtime import ServedModel
    from adapterd.store import Store

PARITY_PROMPTS = 32


def importing(job: Job) -> Any:
    """The adapter that was given → one of ours, if it fits the base."""
    from adapterd.base.gguf.gguf_file import GgufFile
    from adapterd.merging.exchange.import_adapter import import_adapter

    imported = import_adapter(job.folder / GIVEN, GgufFile.open(job.plan.base.gguf), make_private(job.adapter))
    return _with_digest(job, imported)


def dataset(job: Job) -> Any:
    """Records → encoded sets, by the template and the tokenizer of the served base."""
    from adapterd.base.gguf.tokenizer import Tokenizer
    from adapterd.base_proof.served_context import require_judged_context, uses_long_factors
    from adapterd.dataset.askable import TokenLimits
    from adapterd.dataset.build import build_dataset
    from adapterd.dataset.cases import EvaluationCase
    from adapterd.dataset.leaks.growing import NewPrompts
    from adapterd.record import FeedbackRecord
    from adapterd.runs.asked.base_answers import replay_of
    from adapterd.runs.planning.taught import of_teachers, with_whose
    from adapterd.runs.served_prompts import tells_thoughts_apart

    think, asked = job.plan.settings.think, job.plan.settings.evaluation
    settings, tokenizer = job.plan.made_with.dataset, Tokenizer.open(job.plan.base.gguf)
    if job.plan.given:  # nothing is trained on, so nothing can vanish from it
        settings = replace(settings, max_near_duplicates=1.0)
    require_judged_context(job.runtime, job.plan.base.tag, job.plan.base.gguf, job.plan.settings)
    records = [FeedbackRecord.from_json(line) for line in lines_of(job.folder / RECORDS)]
    by_teachers = of_teachers(job.folder)
    with _words_for_a_given_adapter(job.plan):
        made = build_dataset(
            records,
            settings,
            frozen=[EvaluationCase.from_dict(case) for case in job.plan.evaluation_cases],
            evaluation_prompt_hashes=set(job.plan.judged),
            earlier=[EvaluationCase.from_dict(case) for case in job.plan.earlier_cases],
            new_prompts=NewPrompts(
                set(job.plan.unseen), set(job.plan.waiting), [each.messages for each in by_teachers]
            ),
            origins=_origins(job.folder / ORIGINS, records),
            render=lambda messages: job.runtime.render(
                job.plan.base.tag, messages, think=think.wanted, num_ctx=asked.num_ctx
            ),
            old_records=job.plan.old_records,
            held=set(job.plan.held),
            thinks=think is not Think.OFF,
            thoughts_apart=lambda: tells_thoughts_apart(job.runtime, job.plan.base.tag, job.plan.settings),
            replay=replay_of(job),
            synthetic=[each for each in by_teachers if each.is_taught],
            tokenizer=tokenizer,
            limits=TokenLimits(asked.num_ctx, asked.num_predict, tokenizer.context_length),
            out=make_private(job.dataset),
            report=job.report,
        )
    card = with_whose(made.card, job.plan, job.folder, job.dataset)
    return replace(made, long_context=uses_long_factors(job.plan.base.gguf, asked.num_ctx), card=card)


def _origins(file: Path, records: "Sequence[FeedbackRecord]") -> dict[str, str]:
    """On which way each record came, by its content hash; nothing is known in a run of an earlier release."""
    if not file.is_file():
        return {}
    ways = map(json.loads, lines_of(file))
    return {record.content_hash: way for record, way in zip(records, ways, strict=True)}


@contextlib.contextmanager
def _words_for_a_given_adapter(plan: RunPlan) -> Iterator[None]:
    """Say what a want of records means for an adapter that is not trained on them."""
    try:
        yield
    except NotEnoughDataError as exc:
        if plan.given is None:
            raise
        raise NotEnoughDataError(
            f"there is too little feedback to judge the adapter by: {exc}",
            hint=f"give more (`adapterctl feedback import FILE`), then `{plan.given.command(plan.model)}`",
        ) from exc


def training(job: Job) -> Any:
    """Encoded sets → the best adapter."""
    from adapterd.providers.provider import TrainingJob
    from adapterd.providers.registry import training_provider
    from adapterd.providers.run_job import run_job
    from adapterd.runs.asked.adapter_answers import AdapterAnswers

    base, settings = job.plan.base, job.plan.made_with.training
    training_job = TrainingJob(
        id=job.submit_as,
        base=base.gguf,
        base_digest=base.digest,
        context_tokens=job.plan.settings.evaluation.num_ctx,
        dataset=job.dataset,
        settings=settings,
        out=make_private(job.adapter),
        cache=job.home.states,
        start=job.home.version(job.plan.model, job.plan.start) if job.plan.start else None,
        report=lambda progress: job.report(progress.step / progress.steps, **vars(progress)),
        judge=AdapterAnswers.of(base.gguf, job.dataset, job.plan.settings),
    )
    return _with_digest(job, run_job(training_provider(settings), training_job, job.training_job, job.submitted))


def _with_digest(job: Job, result: Any) -> Result:
    """What made the adapter, with the digest of its files: merging depends on it, and so does who takes it over."""
    return {**to_plain(result), "adapter_digest": adapter_files.own_digest(job.adapter)}


def merging(job: Job) -> Any:
    """Base + adapter → the candidate file."""
    from adapterd.merging.examples import MergeExamples
    from adapterd.merging.merge import merge

    settings = job.plan.settings.merging
    names = (encoded.TRAIN, encoded.VALIDATION)
    train, validation = (list(encoded.read_examples(job.dataset / name)) for name in names)
    return merge(
        job.plan.base.gguf,
        job.adapter,
        job.folder / CANDIDATE,
        examples=MergeExamples(train, validation) if validation else MergeExamples.split(train),
        min_retention=settings.min_retention,
        steps=settings.steps,
        context_tokens=job.plan.settings.evaluation.num_ctx,
        report=job.report,
    )


@dataclass(frozen=True)
class ServingResult:
    """The registered candidate. `stored` is its file in the runtime's store if that is on this machine, `place` where
    the runtime says that it keeps it; of the `prompts_checked` training prompts, `ids_equal` give the same ids as
    served."""

    tag: str
    digest: str
    stored: Path | None
    handed_over_by: str
    prompts_checked: int
    ids_equal: int
    place: str | None = None


def serving(job: Job) -> ServingResult:
    """The candidate file → the tags `NAME:VERSION` and `NAME:candidate`, proven to be prompted as trained."""
    from adapterd.merging.merge import MergeResult
    from adapterd.system.locks import tags_lock

    merged = job.result("merging", MergeResult)
    tag = job.tags.version(job.plan.version)
    how = job.runtime.push_blob(merged.candidate, merged.digest, may_link=True, progress=job.report)
    with tags_lock(job.home):
        job.runtime.create(tag, merged.candidate, merged.digest, job.plan.base.modelfile, may_link=True)
        job.runtime.copy(tag, job.tags.candidate)
    served = job.runtime.show(tag)
    require_stored(served, merged.digest, job.plan.base)
    checked, equal = parity(job, tag, served.gguf or merged.candidate)
    if equal < checked:
        raise PromptsChangedError(
            f"{checked - equal} of {checked} training prompts are tokenised differently when served by {tag}",
            hint="the runtime or the template of the base changed while the run was going on; "
            "`adapterctl retrain` begins a new run",
        )
    archive_version(job, merged.digest)
    return ServingResult(tag, served.digest, served.gguf, how, checked, equal, served.place)


def require_stored(served: "ServedModel", digest: str, base: "BaseModel") -> None:
    """Raise StageError unless a tag has the merged file of that digest, and the projectors of its base."""
    if served.stored_digest not in (None, digest):
        raise StageError(
            f"the runtime stored {served.stored_digest}, not the {digest} that it was given",
            hint="Ollama 0.30.0 to 0.34.0 rewrite files; update it, then `adapterctl retrain` goes on",
        )
    if served.modelfile.projectors != base.modelfile.projectors:
        raise StageError(
            f"{served.tag} has not the projector of its base, and would lose what that reads: images or sound",
            hint="this release of Ollama does not keep it: with another one, `adapterctl retrain` goes on",
        )


def parity(job: Job, tag: str, gguf: Path) -> tuple[int, int]:
    """Compare the ids of training prompts with those that the candidate's own template and tokenizer give."""
    from adapterd.base.gguf.tokenizer import Tokenizer
    from adapterd.record import FeedbackRecord
    from adapterd.runs.planning.taught import of_teachers

    tokenizer = Tokenizer.open(gguf)
    records = map(FeedbackRecord.from_json, lines_of(job.folder / RECORDS))
    prompts = {record.content_hash: record.messages for record in records}
    prompts |= {each.record: each.messages for each in of_teachers(job.folder)}
    trained = list(encoded.read_examples(job.dataset / encoded.TRAIN))
    think, num_ctx = job.plan.settings.think.wanted, job.plan.settings.evaluation.num_ctx
    sample = trained[:: max(1, len(trained) // PARITY_PROMPTS)][:PARITY_PROMPTS]
    equal = 0
    for example in sample:
        served = tokenizer.encode_prompt(job.runtime.render(tag, prompts[example.record], think=think, num_ctx=num_ctx))
        equal += _same_but_for_the_day(tokenizer, served, list(example.ids[: example.prompt_tokens]))
    return len(sample), equal


def _same_but_for_the_day(tokenizer: "Tokenizer", served: list[int], trained: list[int]) -> bool:
    """Whether a prompt is served as it was trained; a template may write today's date, and a run may take days."""
    from adapterd.base_proof.served_behaviour import undated

    return served == trained or undated(tokenizer.text(served)) == undated(tokenizer.text(trained))


def evaluation(job: Job) -> Any:
    """The frozen set → candidate, live and base asked as applications would ask them, and the verdict."""
    from adapterd.dataset.cases import EvaluationCase
    from adapterd.dataset.result import DatasetResult
    from adapterd.evaluation.gates import live_again_gate, retention_gate
    from adapterd.evaluation.rules import primary_of
    from adapterd.merging.merge import MergeResult
    from adapterd.runs.tag_evaluation import Evaluator

    made, merged = job.result("dataset", DatasetResult), job.result("merging", MergeResult)
    tags = {"candidate": job.tags.version(job.plan.version), "live": job.tags.version(job.plan.live)}
    is_live = job.plan.live != BASE and job.runtime.tags().get(tags["live"]) == job.results["serving"]["digest"]
    if is_live:
        del tags["live"]
    evaluator = Evaluator(job.home, job.runtime, job.plan.settings, job.plan.base.gguf)
    cases = [EvaluationCase.from_dict(case) for case in made.evaluation_cases]
    with what_vanished_may_come_back():
        asked = {**tags, "base": job.tags.base}
        evaluation_run = evaluator.collect_answers(asked, cases, made.evaluation_hash, job.report)
    kept = merged.retention.kept if merged.retention else None
    retention = retention_gate(kept, job.plan.settings.merging.min_retention)
    findings = [live_again_gate(job.plan.live), retention] if is_live else [retention]
    judged = evaluator.judge(evaluation_run, extra_findings=findings)
    joined = made.joined or job.plan.joined
    bridge = evaluation_run.bridge(set(joined), job.plan.live, primary_of(job.plan.settings))
    judged = replace(judged, left_out=evaluation_run.left_out, bridge=bridge)
    evaluator.save(evaluation_run, judged, make_private(job.home.version(job.plan.model, job.plan.version)))
    return judged


@contextlib.contextmanager
def what_vanished_may_come_back() -> Iterator[None]:
    """A tag that is gone is put back as a run begins, so trying again makes sense."""
    try:
        yield
    except NotFoundError as exc:
        raise RuntimeFailedError(
            f"{exc}, while it was to be asked", hint="`adapterctl retrain` goes on where it stopped"
        ) from exc


def trains(plan: RunPlan) -> bool:
    """Whether the run makes an adapter of its own."""
    return plan.given is None


def registers(plan: RunPlan) -> bool:
    """Whether the run takes an adapter that was given."""
    return plan.given is not None


def record_evaluation_set(store: "Store", plan: RunPlan, result: Result) -> None:
    """Freeze the evaluation set that the dataset stage chose, or let grow, unless it is frozen already."""
    content_hash = result["evaluation_hash"]
    if content_hash in {each.content_hash for each in store.evaluation_sets.all(plan.model)}:
        return
    grown = bool(result.get("grown"))
    frozen = store.evaluation_sets.freeze(plan.model, content_hash, result["evaluation_cases"], grown=grown)
    text = f"{plan.model}: evaluation set {frozen.number} frozen with {len(frozen.cases)} cases"
    if grown:
        text += f", {len(result['joined'])} new: set {frozen.grown_from} has grown"
    store.events.add("evaluation.frozen", text, model=plan.model, detail={"hash": frozen.content_hash})


def record_bridge(store: "Store", plan: RunPlan, result: Result) -> None:
    """Note what is live on a set that has grown, and on the one before, once for each set."""
    bridge = result.get("bridge")
    if bridge and store.evaluation_sets.keep_bridge(plan.model, result["evaluation_hash"], bridge):
        text = f"{plan.model}: the evaluation set has grown; {from_plain(bridge, Bridge).sentence()}"
        store.events.add("evaluation.bridged", text, model=plan.model, detail={"hash": result["evaluation_hash"]})


def record_version(store: "Store", plan: RunPlan, result: Result) -> None:
    """Note the registered candidate as a version."""
    digest, base_digest = result["digest"], plan.base.digest
    store.versions.add(plan.model, plan.version, run_id=plan.run_id, digest=digest, base_digest=base_digest)


def _given_inputs(plan: RunPlan, _results: Results) -> object:
    return plan.given.digest if plan.given else None


def _dataset_inputs(plan: RunPlan, _results: Results) -> object:
    """The records, and who is judged by which of them."""
    cases = [plan.evaluation_cases, plan.judged, plan.earlier_cases]
    held = [plan.held] if plan.held else []
    new = [plan.unseen, plan.waiting] if plan.unseen or plan.waiting else []
    sample = [plan.sample] if plan.sample is not None else []
    sample += [plan.synthetic] if plan.synthetic else []
    return [plan.last_feedback_id, plan.old_records, *cases, plan.given is not None, *held, *new, *sample]


def _training_inputs(plan: RunPlan, results: Results) -> object:
    """The encoded sets, the rotary factors of the base and the adapter to start at, but not how that was chosen."""
    made = results["dataset"]
    return [made["content_hash"], made.get("long_context"), plan.start]


def _merging_inputs(plan: RunPlan, results: Results) -> object:
    """The adapter, with its digest, and the examples that the rounding is calibrated with."""
    made = results["importing"] if plan.given else results["training"]
    return [_given_inputs(plan, results), made, _training_inputs(plan, results)]


def _serving_inputs(plan: RunPlan, results: Results) -> object:
    return [plan.version, _merging_inputs(plan, results), results["merging"]["digest"]]


def _evaluation_inputs(plan: RunPlan, results: Results) -> object:
    return [plan.live, results["dataset"]["evaluation_hash"], results["merging"], results["serving"]["digest"]]


CONTENT_READS = (*ADAPTER_READS, "merging")
"""What a merged file is made with: an unfinished run is given up if something of it changes."""
LIMITS_READ = ("evaluation.num_ctx", "evaluation.num_predict")
"""What decides which cases can be asked."""
JUDGED_BY = ("evaluation", "gates", "merging.min_retention", "schema", "task", "think")

_TRAINED = f"{ADAPTER}/{adapter_files.WEIGHTS}"
STAGES: tuple[Stage, ...] = (
    Stage(
        "importing", importing, "importing the adapter", inputs=_given_inputs,
        artifact=_TRAINED, only_if=registers,
    ),
    Stage(
        "dataset", dataset, "dividing and encoding the records", artifact=f"{DATASET}/{encoded.TRAIN}",
        reads=("dataset", *LIMITS_READ, "think"), inputs=_dataset_inputs,
        record=record_evaluation_set, takes_feedback=True,
    ),
    Stage(
        "training", training, "training the adapter", artifact=_TRAINED,
        reads=("training",), inputs=_training_inputs, restore=restore_adapter, only_if=trains,
    ),
    Stage(
        "merging", merging, "merging the adapter into the base's file", artifact=CANDIDATE,
        reads=("merging",), inputs=_merging_inputs, restore=restore_candidate,
    ),
    Stage(
        "serving", serving, "registering the candidate",
        reads=(*CONTENT_READS, *JUDGED_BY), inputs=_serving_inputs, record=record_version,
    ),
    Stage(
        "evaluation", evaluation, "asking candidate, live and base", reads=JUDGED_BY, inputs=_evaluation_inputs,
        record=record_bridge,
    ),
)  # fmt: skip
