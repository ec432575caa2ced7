"""What every command needs: the home, its settings, its store."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from adapterctl.output import warn
from adapterd import config
from adapterd.config import ModelSettings, Settings, Think
from adapterd.deployment.deploy import Deployer
from adapterd.home import Home, make_private
from adapterd.serving.runtimes import runtime_for
from adapterd.store import Store
from adapterd.system.permissions.home import look_at_inbox, require_own_home

if TYPE_CHECKING:
    from adapterd.feedback.formats import ReadingOptions
    from adapterd.serving.runtime import Runtime


def own_home() -> Home:
    """The home of this user, with a warning for what is wrong with who may change it; raises ConfigError where that
    must be mended first."""
    home = Home.locate()
    for finding in require_own_home(home):
        warn(finding.text, finding.hint)
    return home


@dataclass
class App:
    """One invocation; everything is made when it is first asked for."""

    home: Home = field(default_factory=own_home)

    @cached_property
    def settings(self) -> Settings:
        settings = config.load(self.home)
        for name, model in settings.models.items():
            if finding := look_at_inbox(model.feedback.folder or self.home.inbox(name)):
                warn(finding.text, finding.hint)
        return settings

    @cached_property
    def store(self) -> Store:
        from adapterd.removal.outliving import open_store

        self.home.create()
        return open_store(self.home)

    @property
    def runtime(self) -> "Runtime":
        return runtime_for(self.settings, self.home)

    @property
    def deployer(self) -> Deployer:
        return Deployer(self.store, self.home, self.runtime)

    def model(self, name: str | None) -> str:
        """The named model, or the only one; raises NotFoundError."""
        return self.settings.model_name(name)

    def model_settings(self, name: str) -> ModelSettings:
        return self.settings.models[name]

    def reading(self, name: str) -> "ReadingOptions":
        """How the model's feedback is read; raises InputError for settings that cannot be."""
        from adapterd.feedback.formats import reading_options

        return reading_options(self.settings.models[name].feedback)

    def thinks(self, name: str) -> bool:
        """Whether the model is trained on the thoughts in front of answers."""
        return self.settings.models[name].think is not Think.OFF

    def inbox(self, name: str) -> Path:
        """Where the model's feedback arrives; a folder of the home is made where it is missing."""
        return self.settings.models[name].feedback.folder or make_private(self.home.inbox(name))
