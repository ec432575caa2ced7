"""Tags that others left half changed are put right while the daemon runs, and told of once."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.config import ModelSettings, RuntimeKind, Settings
from adapterd.deployment.deploy import Deployer
from adapterd.errors import RuntimeUnavailableError
from adapterd.home import Home
from adapterd.serving.runtimes import file_digest
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.supervisor import maintenance as housekeeping
from adapterd.supervisor.loop import REPAIR_S, Session
from adapterd.supervisor.maintenance import repair_tags
from tests.support.hand_clock import HandSeconds
from tests.support.kept_model import WeightlessRuntime, add_version

MODEL = "news"
TAGS = ModelTags(MODEL)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with one model, of which 1.0.0 is live and 1.1.0 is registered."""
    made = Home(tmp_path / "home")
    made.create()
    made.inbox(MODEL).mkdir(parents=True)
    base = tmp_path / "base.gguf"
    base.write_text("base")
    made.config_file.write_text(
        f'runtime = "embedded"\n[models.{MODEL}]\nbase = "base"\nbase_digest = "{file_digest(base)}"\n'
    )
    runtime = WeightlessRuntime(made.embedded_store)
    runtime.create(TAGS.base, base, file_digest(base), Modelfile())
    with Store(made.database) as store:
        for version in ("1.0.0", "1.1.0"):
            file = tmp_path / version
            file.write_text(version)
            add_version(store, made, runtime, MODEL, version, file)
        deployer = Deployer(store, made, runtime)
        deployer.start_with_base(MODEL)
        deployer.promote(MODEL, "1.0.0", "good")
    return made


@pytest.fixture
def seconds() -> HandSeconds:
    return HandSeconds()


@pytest.fixture
def session(home: Home, seconds: HandSeconds) -> Iterator[Session]:
    made = Session(home, seconds=seconds)
    yield made
    made.store.close()


def live(home: Home) -> str | None:
    """The version whose digest the live tag has."""
    present = WeightlessRuntime(home.embedded_store).tags()
    same = (version for version in ("1.0.0", "1.1.0") if present[TAGS.version(version)] == present.get(TAGS.live))
    return next(same, None)


def look(session: Session, seconds: HandSeconds) -> None:
    """The look at the tags for which it is time next."""
    session.tick()
    assert session.rest_s() <= REPAIR_S, "the daemon would sleep through it"
    seconds.move_on(REPAIR_S)
    session.tick()


def test_a_change_that_a_killed_command_began_is_finished(session: Session, home: Home, seconds: HandSeconds) -> None:
    session.store.versions.begin_intent(MODEL, "promote", "1.1.0")
    look(session, seconds)
    assert live(home) == "1.1.0"
    assert session.store.versions.begun_intents(MODEL) == []


def test_a_live_tag_that_is_gone_is_put_back(session: Session, home: Home, seconds: HandSeconds) -> None:
    WeightlessRuntime(home.embedded_store).delete(TAGS.live)
    look(session, seconds)
    assert live(home) == "1.0.0"


def test_where_nothing_is_broken_the_tags_are_left_alone(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "reconcile", lambda *_, **__: pytest.fail("nothing is to be put right"))
    assert repair_tags(session.store, session.home, session.settings) == []


def test_tags_that_cannot_be_repaired_are_logged_once(
    session: Session, seconds: HandSeconds, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.store.versions.begin_intent(MODEL, "promote", "1.1.0")
    monkeypatch.setattr(housekeeping, "reconcile", lambda *_, **__: ["the version is gone"])
    with caplog.at_level(logging.WARNING):
        look(session, seconds)
        look(session, seconds)
    assert [entry.message for entry in caplog.records] == ["the version is gone"]


def test_a_runtime_that_does_not_answer_says_nothing_of_the_tags(
    session: Session, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(WeightlessRuntime):
        def tags(self) -> dict[str, str]:
            raise RuntimeUnavailableError("Ollama does not answer")

    monkeypatch.setattr(housekeeping, "runtime_for", lambda *_: Gone(home.embedded_store))
    session.store.versions.begin_intent(MODEL, "promote", "1.1.0")
    assert repair_tags(session.store, home, session.settings) == []
    assert session.store.versions.begun_intents(MODEL) != []


def test_a_model_that_never_was_live_is_not_looked_for(home: Home) -> None:
    settings = Settings(runtime=RuntimeKind.EMBEDDED, models={"other": ModelSettings("base", "sha256:0")})
    with Store(home.database) as store:
        assert repair_tags(store, home, settings) == []
