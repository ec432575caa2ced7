"""The base's own tag is pulled anew: seen, and followed where that is wanted, even over a kill in the middle."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd import config
from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.config import MODEL_NAME, ModelSettings
from adapterd.deployment import base_drift as drift
from adapterd.deployment.base_drift import drifted_to, repin
from adapterd.errors import ConfigError, NotFoundError, UnsupportedModelError
from adapterd.home import Home
from adapterd.serving.runtimes import pinned_base
from adapterd.store import Store
from tests.support.fakes import Crash, FakeRuntime

MODEL, BASE = "news", "qwen2.5:7b"
OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
SETTINGS = ModelSettings(base=BASE, base_digest=OLD)
CONFIG = f"""\
# Ada's own file
runtime = "ollama"      # not "embedded"

[models.other]
base = "{BASE}"
base_digest = "{OLD}"   # the same, and not to be touched

[models.{MODEL}]
base = "{BASE}"
# base_digest = "{OLD}" was there before
base_digest = "{OLD}"                         # the very file

[models.{MODEL}.training]
rank = 8   # [models.x] is no table here

[models.zz]
base = "{BASE}"
base_digest = "{OLD}"
"""


@dataclass
class Pinned:
    """A home, and a runtime whose base is the pinned one until it is pulled anew."""

    home: Home
    runtime: FakeRuntime

    def pull(self, digest: str, modelfile: Modelfile = Modelfile()) -> None:  # noqa: B008 (frozen)
        """Make the base's own tag another one."""
        self.runtime.made[BASE] = (f"/blobs/{digest.replace(':', '-')}", modelfile)

    @property
    def settings(self) -> ModelSettings:
        """What the configuration says now."""
        return config.load(self.home).models[MODEL]

    def drift(self) -> str | None:
        return drifted_to(self.runtime, MODEL, self.settings)

    def repin(self) -> str:
        with Store(self.home.database) as store:
            return repin(store, self.home, self.runtime, MODEL, self.settings)


@pytest.fixture
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pinned:
    """Every base can be trained here; what cannot is the matter of one test."""
    monkeypatch.setattr(drift, "require_usable", lambda base, name, stopped: None)
    home = Home(tmp_path)
    home.config_file.write_text(CONFIG, encoding="utf-8")
    made = Pinned(home, FakeRuntime())
    made.pull(OLD)
    made.runtime.copy(BASE, f"{MODEL}:base")
    return made


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail instead of going on for ever."""

    def fail(*_: object) -> None:
        raise TimeoutError(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_base_that_is_still_the_pinned_one_has_not_drifted(pinned: Pinned) -> None:
    assert pinned.drift() is None


@pytest.mark.parametrize("modelfile", [Modelfile(), Modelfile(template="new")])
def test_a_base_that_was_pulled_anew_is_seen(pinned: Pinned, modelfile: Modelfile) -> None:
    pinned.pull(NEW, modelfile)
    assert pinned.drift() == pinned.runtime.tags()[BASE]


def test_another_template_for_the_same_file_is_seen_too(pinned: Pinned) -> None:
    pinned.pull(OLD, Modelfile(template="new"))
    assert pinned.drift() is not None


def test_a_base_without_a_tag_is_meant_by_its_full_name(pinned: Pinned) -> None:
    pinned.runtime.made["qwen2.5:latest"] = ("/blobs/other", Modelfile())
    assert drifted_to(pinned.runtime, MODEL, replace(SETTINGS, base="qwen2.5")) is not None


def test_a_base_that_was_removed_has_not_drifted(pinned: Pinned) -> None:
    pinned.runtime.delete(BASE)
    assert pinned.drift() is None


def test_a_base_whose_pin_is_gone_or_damaged_has_not_drifted(pinned: Pinned) -> None:
    pinned.runtime.tear(f"{MODEL}:base")
    assert pinned.drift() is None
    pinned.runtime.torn.clear()
    pinned.runtime.delete(f"{MODEL}:base")
    assert pinned.drift() is None


def test_a_file_has_no_tag_that_could_be_pulled(pinned: Pinned) -> None:
    assert drifted_to(pinned.runtime, MODEL, replace(SETTINGS, base="/models/base.gguf")) is None
    assert pinned.runtime.calls[1:] == []


def test_following_pins_the_new_base(pinned: Pinned) -> None:
    pinned.pull(NEW)
    assert pinned.repin() == NEW
    assert pinned.settings == replace(SETTINGS, base_digest=NEW, training=pinned.settings.training)
    assert pinned.drift() is None
    assert pinned_base(pinned.runtime, MODEL, pinned.settings).digest == NEW


def test_all_else_stays_as_a_person_wrote_it(pinned: Pinned) -> None:
    pinned.pull(NEW)
    pinned.repin()
    head, tail = CONFIG.split("was there before\n")
    assert pinned.home.config_file.read_text(encoding="utf-8") == f"{head}was there before\n{tail.replace(OLD, NEW, 1)}"


def test_the_line_ends_of_another_system_stay_too(pinned: Pinned) -> None:
    pinned.home.config_file.write_bytes(CONFIG.replace("\n", "\r\n").encode())
    pinned.pull(NEW)
    pinned.repin()
    written = pinned.home.config_file.read_bytes()
    assert written.count(b"\r\n") == written.count(b"\n") == CONFIG.count("\n")
    assert pinned.settings.base_digest == NEW


def test_another_template_for_the_same_file_needs_no_change_of_the_configuration(pinned: Pinned) -> None:
    pinned.pull(OLD, Modelfile(template="new"))
    before = pinned.home.config_file.stat()
    assert pinned.repin() == OLD
    after = pinned.home.config_file.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
    assert pinned.drift() is None
    assert pinned.runtime.show(f"{MODEL}:base").modelfile.template == "new"


@pytest.mark.parametrize("after", [False, True])
def test_killed_between_the_two_steps_it_is_done_again(pinned: Pinned, after: bool) -> None:
    pinned.pull(NEW)
    pinned.runtime.plan_crash(("copy", f"{MODEL}:next-base", f"{MODEL}:base"), after=after)
    with pytest.raises(Crash):
        pinned.repin()
    pinned.runtime.plan_crash(None)
    assert pinned.settings.base_digest == NEW
    assert (pinned.drift() is None) is after
    assert pinned.repin() == NEW
    assert pinned.drift() is None
    assert pinned.settings.base_digest == NEW


def test_a_base_that_cannot_be_trained_is_not_pinned(pinned: Pinned, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(base: BaseModel, name: str, stopped: object) -> None:
        raise UnsupportedModelError(f"{base.gguf.name} is for images")

    monkeypatch.setattr(drift, "require_usable", refuse)
    pinned.pull(NEW)
    with pytest.raises(UnsupportedModelError, match=r"sha256-b+ is for images"):
        pinned.repin()
    assert pinned.home.config_file.read_text(encoding="utf-8") == CONFIG
    assert pinned.drift() is not None


def test_a_base_that_is_gone_meanwhile_is_not_found(pinned: Pinned) -> None:
    pinned.runtime.delete(BASE)
    with pytest.raises(NotFoundError):
        pinned.repin()
    assert pinned.home.config_file.read_text(encoding="utf-8") == CONFIG


@pytest.mark.parametrize(
    "text",
    [
        f"models = {{{MODEL} = {{base = '{BASE}', base_digest = '{OLD}'}}}}\n",
        f"[models]\n{MODEL}.base = '{BASE}'\n{MODEL}.base_digest = '{OLD}'\n",
        f"[models.{MODEL}]\nbase = '{BASE}'\nbase_digest = '''{OLD}'''  # on one line\n",
    ],
)
def test_a_pin_is_replaced_wherever_toml_lets_it_stand(pinned: Pinned, text: str) -> None:
    pinned.home.config_file.write_text(text, encoding="utf-8")
    pinned.pull(NEW)
    assert pinned.repin() == NEW
    written = pinned.home.config_file.read_text(encoding="utf-8")
    assert written.replace("'''", "'") == text.replace(OLD, NEW).replace("'''", "'")
    assert pinned.settings.base_digest == NEW


def test_a_pin_that_somebody_changed_meanwhile_is_told_with_what_to_do(pinned: Pinned) -> None:
    before = pinned.settings
    text = CONFIG.replace(OLD, f"sha256:{'c' * 64}")
    pinned.home.config_file.write_text(text, encoding="utf-8")
    pinned.pull(NEW)
    with (
        Store(pinned.home.database) as store,
        pytest.raises(ConfigError, match=f"the pin of {MODEL} was not found") as caught,
        within(5),
    ):
        repin(store, pinned.home, pinned.runtime, MODEL, before)
    assert caught.value.hint == f"set models.{MODEL}.base_digest to {NEW}"
    assert pinned.home.config_file.read_text(encoding="utf-8") == text
    assert pinned.drift() is not None


def test_a_long_configuration_without_the_pin_is_read_in_no_time() -> None:
    text = f'[models.{MODEL}]\nbase = "{"x" * 5000}"\n' + "# a word of Ada's\n" * 1000 + f'base_digest = "{NEW}"\n'
    with pytest.raises(ConfigError), within(5):
        drift._with_pin(text, MODEL, OLD, NEW)


@pytest.mark.parametrize(
    "text",
    [
        "[models.{name}]\nbase = 'b'\nbase_digest = '{pin}'",
        '[models."{name}"]\nbase = "b"\nbase_digest = "{pin}"\n',
        "[models.'{name}'] # of Ada\n\n\nbase = 'b'\n  base_digest='{pin}'# pinned\n",
        "  [ models . '{name}' ]  \nbase_digest = \"{pin}\"\nbase = '[x]'\n",
        "[models.'{name}']\nbase = 'b'\n#[table]\n# [models.x]\nbase_digest  =  '{pin}'",
        "[models.'{name}'.training]\nrank = 8\n[models.'{name}']\nbase = 'b'\nbase_digest = '{pin}'\n",
    ],
)
@pytest.mark.parametrize("name", ["news", "0", "a-b_c"])
def test_a_table_may_be_written_in_many_ways(text: str, name: str) -> None:
    with within(5):
        changed = drift._with_pin(text.format(name=name, pin=OLD), name, OLD, NEW)
    assert changed == text.format(name=name, pin=NEW)


TABLES = st.dictionaries(
    st.from_regex(MODEL_NAME, fullmatch=True) | st.sampled_from(["a.b", "a.b.c", "a-b", "a", "a.base"]),
    st.sampled_from([OLD, f"sha256:{'c' * 64}"]),
    min_size=1,
    max_size=4,
)


@settings(deadline=None)
@given(TABLES, st.data())
def test_only_the_pin_of_the_named_model_changes(pins: dict[str, str], data: st.DataObject) -> None:
    import tomli_w

    name = data.draw(st.sampled_from(sorted(pins)))
    models = {each: {"base": "b", "base_digest": pin, "training": {"rank": 8}} for each, pin in pins.items()}
    with within(5):
        changed = drift._with_pin(tomli_w.dumps({"models": models}), name, pins[name], NEW)
    read = config.parse(changed).models
    assert {each: model.base_digest for each, model in read.items()} == {**pins, name: NEW}
