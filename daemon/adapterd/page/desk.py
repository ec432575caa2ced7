"""What the views work with: the home, its settings, its store, and the runtime. One for each request."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from starlette.responses import RedirectResponse, Response

from adapterd import config
from adapterd.capture.captures import Captures
from adapterd.config import ModelSettings, Settings
from adapterd.deployment.deploy import Deployer
from adapterd.errors import NotFoundError
from adapterd.home import Home
from adapterd.page.entry import Entry
from adapterd.page.forms import Form
from adapterd.page.jobs import Jobs
from adapterd.page.rendering import rendered
from adapterd.removal.outliving import open_store
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import runtime_for
from adapterd.store import Store


@dataclass
class Desk:
    """One request's; everything is opened when it is first asked for, and closed at the end."""

    home: Home
    entry: Entry
    jobs: Jobs
    path: dict[str, str]
    query: dict[str, str]
    form: Form
    _ends: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    @cached_property
    def settings(self) -> Settings:
        return config.load(self.home)

    @cached_property
    def store(self) -> Store:
        return self._ends.enter_context(open_store(self.home))

    @cached_property
    def captures(self) -> Captures:
        """What is recorded; raises NotFoundError where nothing ever was."""
        if not self.home.captures.is_file():
            raise NotFoundError("no answer is captured yet", hint="adapterctl capture on")
        return self._ends.enter_context(Captures(self.home.captures))

    @property
    def runtime(self) -> Runtime:
        return runtime_for(self.settings, self.home)

    @property
    def deployer(self) -> Deployer:
        return Deployer(self.store, self.home, self.runtime)

    @property
    def model(self) -> str:
        """The model that the path names; raises NotFoundError."""
        return self.settings.model_name(self.path.get("model") or None)

    @property
    def model_settings(self) -> ModelSettings:
        return self.settings.models[self.model]

    def page(self, template: str, title: str, **values: Any) -> str:
        """A whole page."""
        names, here = sorted(self.settings.models), self.path.get("model")
        return rendered(
            template, title=title, models=names, here=here if here in names else next(iter(names), None), **values
        )


def go(path: str) -> Response:
    """To another page, after something was done."""
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)
