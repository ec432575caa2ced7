"""Whether the likelihood of references narrows what a primary score proves: `python -m bench.nll`, in bench/gates.json.

SmolLM2 with 135 million parameters and two versions of it, each trained on other news of the demo's newsroom, are asked
the same unseen prompts through a real Ollama. The versions are merged without rounding, so that no merge is waited for.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.mlx.dequantized import write_dequantized
from adapterd.base.modelfile import Modelfile
from adapterd.chat import Message, Prompt, Role
from adapterd.config import EvaluationSettings, ModelSettings, Task, TrainingSettings
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.encoding import end_of_turn
from adapterd.demo.cycle import NUM_CTX, NUM_PREDICT, UNSEEN_SEED
from adapterd.demo.environment import PARAMETERS, small_model
from adapterd.demo.newsroom import NewsItem, items
from adapterd.evaluation.e_process import EProcess
from adapterd.evaluation.metrics.json_answers.metrics import FIELD_F1
from adapterd.evaluation.metrics.metric import Metric
from adapterd.evaluation.metrics.model_figures import REFERENCE_NLL, REFERENCE_PROBABILITY
from adapterd.home import Home
from adapterd.merging.updates import Update, read_adapter
from adapterd.runs.measuring.likelihoods import ReferenceLikelihoods
from adapterd.runs.served_prompts import ServedPrompts
from adapterd.runs.tag_evaluation import EvaluationRun, Evaluator
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama
from adapterd.system.blas import preload_environment
from adapterd.training.hidden_state_cache import HiddenStateCache
from adapterd.training.train import train
from bench import gates, results
from bench.ollama import ollama_binary

ROOT, MEASURE = Path(__file__).parent.parent, "measure"
CASES, TRAINED_ON, VALIDATION = 40, 60, 10
SETTINGS = TrainingSettings(layers=8, epochs=1, learning_rate=1e-3)
SEEDS = {"first": 1, "second": 2}
BASE = "base"
ONE_THREAD = {**PARAMETERS, "num_thread": 1, "num_ctx": NUM_CTX}
"""Threads of one answer would wait for each other where other programs have the processors; with the context that is
asked for, rendering a prompt does not load the model anew."""
FEWEST = 10
"""Earlier cases from which a coefficient is estimated."""
SIMULATED, A_NIGHT, NIGHTS, ALPHA = 2000, 10, 30, 0.05
SHIFTS = (0.0, -0.02, -0.05, -0.1)
Array = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class Differences:
    """Differences between two files on the same cases, each of shape (cases,): of the primary score, and of the
    probability of the references, both better if higher; of their nats by tokens, better if lower."""

    primary: Array
    probability: Array
    nll: Array


def coefficients(primary: Array, control: Array) -> Array:
    """The slope of the primary differences on the control's by the cases before each, 0 for the first ones."""
    found = np.zeros(len(primary))
    for place in range(FEWEST, len(primary)):
        spread = control[:place].var()
        found[place] = np.cov(control[:place], primary[:place], bias=True)[0, 1] / spread if spread else 0.0
    return found


def variance_kept(primary: Array, control: Array) -> dict[str, float]:
    """What is left of the variance of the primary differences if the control's true mean were known: 1 - r² with its
    95 % interval by the bootstrap, and as it is with coefficients from earlier cases only."""
    random = np.random.default_rng(0)
    drawn = random.integers(0, len(primary), (4000, len(primary)))
    correlations = [_correlation(primary[each], control[each]) for each in drawn]
    low, high = np.quantile(1 - np.square(correlations), (0.025, 0.975))
    centred = control - control.mean()
    adjusted = (primary - coefficients(primary, control) * centred)[FEWEST:]
    before = primary[FEWEST:].var()
    return {
        "variance_kept": round(1 - _correlation(primary, control) ** 2, 3), "low": round(float(low), 3),
        "high": round(float(high), 3), "correlation": round(_correlation(primary, control), 3),
        "predictable": round(float(adjusted.var() / before), 3) if before else 1.0,
    }  # fmt: skip


def effects(primary: Array, control: Array) -> dict[str, float]:
    """Means of primary and control in standard deviations, and of what is left of the primary differences once what
    goes with the control is taken off: what a test would work with that knows no mean of the control."""
    slope = np.cov(control, primary, bias=True)[0, 1] / control.var() if control.var() else 0.0
    names = {"primary": primary, "control": control, "taken_off": primary - slope * control}
    return {name: round(float(each.mean() / each.std()), 3) if each.std() else 0.0 for name, each in names.items()}


def falsely_proven(pair: Differences) -> dict[str, float]:
    """How often a version that is exactly as good is proven better within a month, by the unknown true mean of the
    control if it is taken for 0; drawn from real differences that are centred. "without" takes nothing off."""
    primary, control = pair.primary - pair.primary.mean(), pair.probability - pair.probability.mean()
    found = {"without": _proven(primary, control, 0.0, controlled=False)}
    return found | {f"{shift:g}": _proven(primary, control, shift, controlled=True) for shift in SHIFTS}


def _proven(primary: Array, control: Array, shift: float, *, controlled: bool) -> float:
    random = np.random.default_rng(1)
    drawn = random.integers(0, len(primary), (SIMULATED, NIGHTS * A_NIGHT))
    one, other = primary[drawn], control[drawn] + shift
    process = EProcess(np.full(SIMULATED, ALPHA))
    for night in range(NIGHTS):
        now, before = slice(night * A_NIGHT, (night + 1) * A_NIGHT), slice(0, night * A_NIGHT)
        slopes = _slopes(one[:, before], other[:, before]) if controlled and night else np.zeros(SIMULATED)
        adjusted = one[:, now] - slopes[:, None] * other[:, now]
        process = process.after(np.clip(adjusted / 2, -1, 1))  # a score and a control take two together at most
    return round(float(np.mean(process.proven)), 4)


def _slopes(primary: Array, control: Array) -> Array:
    centred = control - control.mean(axis=1, keepdims=True)
    slopes = (centred * primary).sum(axis=1) / np.maximum(np.square(centred).sum(axis=1), 1e-12)
    result: Array = np.clip(slopes, 0.0, 1.0)
    return result


def _correlation(one: Array, other: Array) -> float:
    return float(np.corrcoef(one, other)[0, 1]) if one.std() and other.std() else 0.0


def differences(run: EvaluationRun, ours: str, theirs: str) -> Differences:
    """Of one tag's figures against another's."""
    [primary] = (each for each in run.frozen.metrics if each.name == FIELD_F1.name)

    def values(metric: Metric, name: str) -> Array:
        pairs = zip(run.frozen.questions, run.frozen.answers[name].answers, strict=True)
        return np.array([metric.over([question], [answer]) for question, answer in pairs], dtype=np.float64)

    return Differences(*(values(each, ours) - values(each, theirs)
                         for each in (primary, REFERENCE_PROBABILITY, REFERENCE_NLL)))  # fmt: skip


def figures(run: EvaluationRun) -> dict[str, Any]:
    """What is kept: the first version against the base, and the second against the first, as a challenger is against
    live."""
    pairs = {"trained, base": ("first", BASE), "trained, trained otherwise": ("second", "first")}
    found = {name: differences(run, *roles) for name, roles in pairs.items()}
    metrics = ("json_valid", FIELD_F1.name, REFERENCE_NLL.name, REFERENCE_PROBABILITY.name)
    scores = {name: {each: round(score.metrics[each], 4) for each in metrics} for name, score in run.scores().items()}
    by_pair = {
        name: {
            "sd": round(float(pair.primary.std()), 3), **variance_kept(pair.primary, pair.probability),
            "by_nats": variance_kept(pair.primary, -pair.nll), "effects": effects(pair.primary, pair.probability),
        }
        for name, pair in found.items()
    }  # fmt: skip
    challenger = found["trained, trained otherwise"]
    return {
        "variance_kept": by_pair["trained, trained otherwise"]["variance_kept"], "cases": len(run.frozen.questions),
        "pairs": by_pair, "scores": scores, "falsely_proven": falsely_proven(challenger), "alpha": ALPHA,
        "simulations": SIMULATED,
    }  # fmt: skip


def measured() -> dict[str, Any]:
    """Train two versions, ask them and the base, and measure."""
    with tempfile.TemporaryDirectory() as name, PrivateOllama(ollama_binary(), Path(name) / "ollama") as server:
        folder, runtime = Path(name), OllamaRuntime(server.host)
        base = small_model()
        tags = {each: f"nll:{each}" for each in (*SEEDS, BASE)}
        runtime.create(tags[BASE], base, file_digest(base), Modelfile(parameters=ONE_THREAD))
        modelfile = runtime.show(tags[BASE]).modelfile
        for version, seed in SEEDS.items():
            file = _trained(runtime, tags[BASE], items(TRAINED_ON + VALIDATION, seed), folder / version)
            runtime.create(tags[version], file, file_digest(file), modelfile)
        run, seconds = _asked(runtime, tags, base, Home(folder / "home"))
    return {**figures(run), "seconds": seconds}


def _trained(runtime: Runtime, tag: str, news: Sequence[NewsItem], folder: Path) -> Path:
    """The file of a version: the base with the touched matrices in fp32, as the adapter makes them."""
    folder.mkdir()
    base = GgufFile.open(small_model())
    for name, some in (("train", news[VALIDATION:]), ("validation", news[:VALIDATION])):
        (folder / f"{name}.jsonl").write_text("\n".join(_lines(runtime, tag, some)), encoding="utf-8")
    states = HiddenStateCache(folder / "states", 1 << 30)
    train(base, folder, SETTINGS, folder / "adapter", lambda _: None, base_digest="small", cache=states)
    shutil.rmtree(folder / "states", ignore_errors=True)
    file = folder / "trained.gguf"
    updates = {each.tensor: partial(_updated, base, each) for each in read_adapter(folder / "adapter", base)}
    write_dequantized(file, base, updates)
    return file


def _updated(base: GgufFile, update: Update) -> Any:
    return base.values(update.tensor) + update.delta()


def _asked_for(item: NewsItem) -> Prompt:
    return (Message(Role.USER, item.prompt),)


def _lines(runtime: Runtime, tag: str, news: Sequence[NewsItem]) -> list[str]:
    tokenizer, render = Tokenizer.open(small_model()), partial(runtime.render, tag)
    end, found = end_of_turn(render, tokenizer), []
    for item in news:
        prompt = tokenizer.encode_prompt(render(_asked_for(item)))
        ids = [*prompt, *tokenizer.encode_continuation(item.answer), end]
        found.append(json.dumps({"ids": ids, "prompt_tokens": len(prompt), "record": item.source_id}))
    return found


def _asked(runtime: Runtime, tags: Mapping[str, str], base: Path, home: Home) -> tuple[EvaluationRun, dict[str, float]]:
    """All tags asked the same unseen prompts, and what asking and the likelihoods took."""
    evaluation = EvaluationSettings(
        num_ctx=NUM_CTX, num_predict=NUM_PREDICT, guard=False, consistency_seeds=0, latency_questions=0,
        reference_nll=False,
    )  # fmt: skip
    settings = ModelSettings(BASE, file_digest(base), task=Task.JSON, evaluation=evaluation)
    cases = [
        EvaluationCase(item.source_id, _asked_for(item), item.answer, item.source_id, item.source_id)
        for item in items(CASES, UNSEEN_SEED)
    ]
    evaluator = Evaluator(home, runtime, settings, base)
    run, asking_s = _timed(lambda: evaluator.collect_answers(tags, cases, "", lambda *_, **__: None))
    likelihoods = ReferenceLikelihoods(ServedPrompts(runtime, settings, base, tags), home.answers)
    (answers, notes), reading_s = _timed(lambda: likelihoods.added(run.frozen.questions, run.frozen.answers))
    if notes:
        raise RuntimeError("; ".join(notes))
    run = replace(run, frozen=replace(run.frozen, answers=answers))
    return run, {"asking": asking_s, "likelihoods": reading_s}


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.monotonic()
    return work(), round(time.monotonic() - started, 1)


def main() -> None:
    """Measure in a process with the BLAS that workers train with."""
    if sys.argv[1:] == [MEASURE]:
        print(json.dumps(measured()))
        return
    command = [sys.executable, "-m", "bench.nll", MEASURE]
    environment = {**os.environ, **preload_environment()}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    results.write({"nll": found}, gates.FILE)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
