"""The training providers that there are, by name, and which of them a configuration means."""

from adapterd.config import TrainingSettings
from adapterd.errors import ConfigError
from adapterd.providers.local import LocalProvider
from adapterd.providers.mlx_hosts import MlxHostsProvider
from adapterd.providers.provider import TrainingProvider

PROVIDERS: tuple[TrainingProvider, ...] = (
    LocalProvider(),
    MlxHostsProvider(),
)


def provider_named(name: str) -> TrainingProvider:
    """The provider of that name; raises ConfigError if there is none."""
    for provider in PROVIDERS:
        if provider.name == name:
            return provider
    raise ConfigError(
        f"there is no training provider {name!r}",
        hint=f"set training.provider to one of: {', '.join(provider.name for provider in PROVIDERS)}",
    )


def training_provider(settings: TrainingSettings) -> TrainingProvider:
    """The provider that the settings name; without a name, `mlx-hosts` if there are hosts, else `local`.

    Raises ConfigError for an unknown name, and where examples would be sent elsewhere without consent.
    """
    provider = provider_named(settings.provider or ("mlx-hosts" if settings.hosts else "local"))
    recipient = provider.data_goes_to(settings)
    if recipient and not provider.has_consent(settings):
        raise ConfigError(
            f"training by {provider.name} sends the examples to {recipient}, which nobody has allowed",
            hint='set training.data_may_leave = true to allow it, or training.provider = "local"',
        )
    return provider


def described(settings: TrainingSettings) -> str:
    """The provider of these settings in a sentence for a person; raises as `training_provider` does."""
    provider = training_provider(settings)
    how = f"training by {provider.name}"
    if provider.needs.network:
        how += " over the network"
    recipient = provider.data_goes_to(settings)
    return f"{how}; the examples are sent to {recipient}" if recipient else f"{how}; the examples stay here"
