"""Which training provider a configuration means, and whether it may have the examples."""

import sys
from subprocess import run

import pytest

from adapterd.config import TrainingSettings
from adapterd.errors import ConfigError
from adapterd.providers import registry
from adapterd.providers.provider import JobId, Needs, TrainingJob, TrainingProvider
from adapterd.providers.registry import PROVIDERS, described, provider_named, training_provider
from adapterd.training.progress import TrainingProgress

HOSTS = ("10.0.0.1", "10.0.0.2", "10.0.0.1")


class Rented(TrainingProvider):
    """Trains somewhere else."""

    name = "rented"
    needs = Needs(memory=False, ac_power=False, network=True)

    def data_goes_to(self, settings: TrainingSettings) -> str | None:
        return f"gpu.example for seed {settings.seed}"

    def submit(self, job: TrainingJob) -> JobId:
        return JobId(job.id)

    def poll(self, job_id: JobId, job: TrainingJob) -> TrainingProgress:
        return TrainingProgress.preparing(1, f"{job_id} of {job.id}")


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (TrainingSettings(), "local"),
        (TrainingSettings(hosts=HOSTS), "mlx-hosts"),
        (TrainingSettings(hosts=HOSTS, provider="local"), "local"),
        (TrainingSettings(provider="local"), "local"),
    ],
)
def test_hosts_choose_the_provider_where_none_is_named(settings: TrainingSettings, name: str) -> None:
    assert training_provider(settings).name == name


def test_an_unknown_provider_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="there is no training provider 'cloud'") as caught:
        training_provider(TrainingSettings(provider="cloud"))
    assert caught.value.hint.startswith("set training.provider to one of: local")
    assert all(provider.name in caught.value.hint for provider in PROVIDERS)


def test_every_provider_is_found_by_its_own_name() -> None:
    assert [provider_named(provider.name) for provider in PROVIDERS] == list(PROVIDERS)


def test_the_examples_go_elsewhere_only_with_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PROVIDERS", (*PROVIDERS, Rented()))
    with pytest.raises(ConfigError, match="training by rented sends the examples to ") as caught:
        training_provider(TrainingSettings(provider="rented"))
    assert "training.data_may_leave = true" in caught.value.hint
    assert training_provider(TrainingSettings(provider="rented", data_may_leave=True)).name == "rented"


def test_the_examples_go_to_the_other_hosts_of_the_configuration() -> None:
    assert provider_named("mlx-hosts").data_goes_to(TrainingSettings(hosts=HOSTS)) == "10.0.0.2"
    assert provider_named("mlx-hosts").data_goes_to(TrainingSettings(hosts=HOSTS[:1])) is None
    assert provider_named("local").data_goes_to(TrainingSettings(hosts=HOSTS)) is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (TrainingSettings(), "training by local; the examples stay here"),
        (
            TrainingSettings(hosts=HOSTS),
            "training by mlx-hosts over the network; the examples are sent to 10.0.0.2",
        ),
    ],
)
def test_a_person_reads_where_the_examples_go(settings: TrainingSettings, sentence: str) -> None:
    assert described(settings) == sentence


def test_the_registry_loads_nothing_heavy() -> None:
    heavy = "{'mlx', 'numpy', 'llama_cpp', 'scipy'} & set(sys.modules)"
    done = run(
        [sys.executable, "-c", f"import sys, adapterd.providers.registry; print({heavy})"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "set()\n"
