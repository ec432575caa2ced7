"""The contract of training providers: every one that is registered does a real, tiny training."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.config import TrainingSettings
from adapterd.errors import AdapterdError, InputError, StageError
from adapterd.merging.exchange.import_adapter import import_adapter
from adapterd.providers.provider import JobId, Price, TrainingJob, TrainingProvider
from adapterd.providers.registry import PROVIDERS
from adapterd.providers.run_job import run_job
from adapterd.system.files import sha256_file
from adapterd.training.progress import TrainingProgress, TrainingResult
from tests.support.tiny_gguf import write_tiny_gguf

SETTINGS = TrainingSettings(
    rank=2, layers=1, epochs=1, batch_size=2, learning_rate=3e-3, hosts=("127.0.0.1", "127.0.0.1"), data_may_leave=True
)
STEPS = 3
SHORT_S = 0.05


@pytest.fixture(params=PROVIDERS, ids=lambda provider: provider.name)
def provider(request: pytest.FixtureRequest) -> TrainingProvider:
    found: TrainingProvider = request.param
    return found


@dataclass
class Waiting:
    """One run that waits for its job; `ids` are those of the jobs that it submitted, `heard` the progress."""

    job: TrainingJob
    ids: list[JobId]
    heard: list[TrainingProgress]

    def wait(self, provider: TrainingProvider, job_id: JobId | None = None) -> TrainingResult:
        return run_job(provider, self.job, job_id, self.ids.append, sleep=lambda _: time.sleep(SHORT_S))


@pytest.fixture
def waiting(tmp_path: Path) -> Waiting:
    """A run with a base of two blocks, five examples to train on and two to validate with."""
    base = write_tiny_gguf(tmp_path / "base.gguf", layers=2)
    random = np.random.default_rng(5)
    (tmp_path / "dataset").mkdir()
    for name, count in (("train", 5), ("validation", 2)):
        rows = [random.integers(0, 512, 12).tolist() for _ in range(count)]
        lines = [json.dumps({"ids": row, "prompt_tokens": 4, "record": f"{name}-{i}"}) for i, row in enumerate(rows)]
        (tmp_path / "dataset" / f"{name}.jsonl").write_text("\n".join(lines))
    heard: list[TrainingProgress] = []
    job = TrainingJob(
        id="20261130-030000-abcd", base=base, base_digest=f"sha256:{sha256_file(base)}", context_tokens=64,
        dataset=tmp_path / "dataset", settings=SETTINGS, out=tmp_path / "run" / "adapter",
        cache=tmp_path / "home" / "cache" / "states", report=heard.append,
    )  # fmt: skip
    job.out.mkdir(parents=True)
    job.cache.parent.mkdir(parents=True)
    return Waiting(job, [], heard)


def test_a_job_gives_an_adapter_that_fits_the_base(
    provider: TrainingProvider, waiting: Waiting, tmp_path: Path
) -> None:
    result = waiting.wait(provider)
    assert isinstance(result, TrainingResult)
    assert result.steps == STEPS
    assert [point.step for point in result.curve] == list(range(STEPS + 1))
    assert waiting.heard
    assert all(progress.step <= progress.steps for progress in waiting.heard)
    imported = import_adapter(waiting.job.out, GgufFile.open(waiting.job.base), tmp_path)
    assert (imported.format, imported.rank, imported.layers) == ("adapterd", SETTINGS.rank, SETTINGS.layers)
    assert len((waiting.job.out / "metrics.jsonl").read_text().splitlines()) == STEPS + 1


def test_another_process_waits_for_a_job_by_its_id_and_may_have_the_result_again(
    provider: TrainingProvider, waiting: Waiting
) -> None:
    job_id = provider.submit(waiting.job)
    assert provider.submit(waiting.job) == job_id
    another = type(provider)()
    first, again = (waiting.wait(another, JobId(str(job_id))) for _ in range(2))
    assert first.curve == again.curve
    assert waiting.ids == []


def test_a_job_that_is_submitted_after_a_cancel_with_other_data_is_another_job(
    provider: TrainingProvider, waiting: Waiting
) -> None:
    assert waiting.wait(provider).steps == STEPS
    provider.cancel(waiting.ids[0])
    lines = (waiting.job.dataset / "train.jsonl").read_text().splitlines()
    (waiting.job.dataset / "train.jsonl").write_text("\n".join(lines[:2]))
    waiting.job = replace(waiting.job, id="20261130-030000-abcd-2")
    assert waiting.wait(provider).steps == 1


def test_an_error_of_the_training_is_an_error_of_the_job(provider: TrainingProvider, waiting: Waiting) -> None:
    (waiting.job.dataset / "train.jsonl").write_text("{}")
    with pytest.raises(InputError, match=r"train.jsonl line 1 is not an example") as caught:
        waiting.wait(provider)
    assert not caught.value.transient


def test_a_job_that_is_not_known_is_an_error_and_nothing_to_cancel(
    provider: TrainingProvider, waiting: Waiting
) -> None:
    unknown = JobId("no-such-job")
    with pytest.raises(AdapterdError, match="no-such-job") as caught:
        provider.poll(unknown, waiting.job)
    assert not caught.value.transient
    provider.cancel(unknown)


def test_a_job_may_be_cancelled_twice(provider: TrainingProvider, waiting: Waiting) -> None:
    job_id = provider.submit(waiting.job)
    provider.cancel(job_id)
    provider.cancel(job_id)


def test_consent_is_there_or_the_examples_stay_here(provider: TrainingProvider) -> None:
    alone = replace(SETTINGS, data_may_leave=False, hosts=())
    assert provider.data_goes_to(alone) is None or not provider.has_consent(alone)


EDIT = Callable[[Path], object]


def without_weights(out: Path) -> None:
    (out / "adapters.safetensors").unlink()


def without_metrics(out: Path) -> None:
    (out / "metrics.jsonl").unlink()


def with_empty_metrics(out: Path) -> None:
    (out / "metrics.jsonl").write_text("")


def with_half_of_the_metrics(out: Path) -> None:
    (out / "metrics.jsonl").write_text('{"step": 0, "loss": null, "validation_loss": 2.5}\n{"ste')


def with_metrics_without_a_loss(out: Path) -> None:
    (out / "metrics.jsonl").write_text('{"step": 0}\n')


def of_another_rank(out: Path) -> None:
    config = json.loads((out / "adapter_config.json").read_text())
    config["lora_parameters"]["scale"] = "two"
    (out / "adapter_config.json").write_text(json.dumps(config))


class Spoiling(TrainingProvider):
    """Trains like another provider, and spoils the adapter."""

    name = "spoiling"

    def __init__(self, inner: TrainingProvider, edit: EDIT) -> None:
        self._inner, self._edit = inner, edit
        self.needs = inner.needs

    def price(self, job: TrainingJob) -> Price | None:
        return Price(len(job.id), "EUR")

    def submit(self, job: TrainingJob) -> JobId:
        return self._inner.submit(job)

    def poll(self, job_id: JobId, job: TrainingJob) -> TrainingProgress | TrainingResult:
        result = self._inner.poll(job_id, job)
        self._edit(job.out)
        return result


@pytest.mark.parametrize("edit", [without_weights, of_another_rank])
def test_an_adapter_that_cannot_be_used_is_refused_as_when_it_is_registered(waiting: Waiting, edit: EDIT) -> None:
    spoiling = Spoiling(PROVIDERS[0], edit)
    with pytest.raises(StageError, match="the provider spoiling gave back an adapter that cannot be used: "):
        waiting.wait(spoiling)
    assert waiting.heard[0].doing == "submitting to spoiling, about 20.00 EUR"


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (without_metrics, "metrics.jsonl is not there"),
        (with_empty_metrics, "metrics.jsonl has no step"),
        (with_half_of_the_metrics, "metrics.jsonl line 2 is not a step of a training"),
        (with_metrics_without_a_loss, "metrics.jsonl line 1 is not a step of a training"),
    ],
)
def test_a_training_without_its_metrics_is_refused_before_anything_is_merged(
    waiting: Waiting, edit: EDIT, why: str
) -> None:
    spoiling = Spoiling(PROVIDERS[0], edit)
    with pytest.raises(StageError, match=f"the provider spoiling gave back no usable metrics: .*{why}"):
        waiting.wait(spoiling)
