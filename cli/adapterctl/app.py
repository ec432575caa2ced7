"""What every command needs: the home, its settings, its store."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from adapterd import config
from adapterd.config import ModelSettings, Settings
from adapterd.deployment.deploy import Deployer
from adapterd.home import Home
from adapterd.serving.runtimes import runtime_for
from adapterd.store import Store


@dataclass
class App:
    """One invocation; everything is made when it is first asked for."""

    home: Home = field(default_factory=Home.locate)

    @cached_property
    def settings(self) -> Settings:
        return config.load(self.home)

    @cached_property
    def store(self) -> Store:
        self.home.create()
        return Store(self.home.database)

    @property
    def deployer(self) -> Deployer:
        return Deployer(self.store, self.home, runtime_for(self.settings, self.home))

    def model(self, name: str | None) -> str:
        """The named model, or the only one; raises NotFoundError."""
        return self.settings.model_name(name)

    def model_settings(self, name: str) -> ModelSettings:
        return self.settings.models[name]

    def inbox(self, name: str) -> Path:
        """Where the model's feedback arrives."""
        return self.settings.models[name].feedback or self.home.inbox(name)
