"""SmolLM2 as a judge in a real Ollama: asked in both orders, held to the schema, known by its digest, kept once.

So small a model is no judge of anything; what a strong one is worth cannot be seen here.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from adapterd import config
from adapterd.base.modelfile import Modelfile
from adapterd.errors import NotFoundError
from adapterd.home import Home
from adapterd.judges.card import shown_judge
from adapterd.judges.round import prepare
from adapterd.review.choices import pair_of
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.store import Store
from adapterd.teachers.work import Ended
from tests.support.hand_clock import HandClock
from tests.support.judged import BAD, GOOD, add_pairs, add_votes
from tests.unit.evidence.played import MODEL, Played

if TYPE_CHECKING:
    from pathlib import Path

    from adapterd.serving.server import PrivateOllama

pytestmark = pytest.mark.ollama
TAG = "a-judge:1"


@pytest.fixture(scope="module")
def judging_host(ollama_server: "PrivateOllama", smollm2_path: "Path") -> Iterator[str]:
    """The address of an Ollama that has the judge."""
    runtime = OllamaRuntime(ollama_server.host, timeout_s=120)
    runtime.create(TAG, smollm2_path, file_digest(smollm2_path), Modelfile())
    yield ollama_server.host
    runtime.delete(TAG)


def configured(home: Home, host: str, tag: str = TAG) -> config.Settings:
    (home.root / "short.md").write_text("The good one is better.", encoding="utf-8")
    home.config_file.write_text(
        f'runtime = "embedded"\nollama.host = "{host}"\n[judges.small]\nmodel = "{tag}"\nnum_ctx = 2048\nparallel = 1\n'
        f'num_predict = 20\n[models.{MODEL}]\nbase = "tiny:1"\nbase_digest = "sha256:00"\n'
        'judging.rubric = "short.md"\n',
        encoding="utf-8",
    )
    return config.load(home)


def test_it_judges_each_pair_once_and_is_known_by_its_digest(
    judging_host: str, home: Home, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapterd.judges.round.AGAIN", 1)
    comparison = Played.begun(store, HandClock()).challenger("1.0.0", 0.1)
    add_votes(store, comparison, [True])
    add_pairs(store, comparison, [(GOOD, BAD)])
    settings, pair = configured(home, judging_host), pair_of(store, MODEL)
    round_ = prepare(store, home, settings, MODEL, pair)
    assert round_.judge.digest == OllamaRuntime(judging_host).tags()[TAG]
    done = round_.ask()
    assert (done.outcome.ended, done.judged, done.unread, done.is_another) == (Ended.DONE, 2, 0, False)
    assert done.outcome.answered == 5
    assert prepare(store, home, settings, MODEL, pair).open == ()
    card = shown_judge(store, settings, MODEL, pair)
    assert card.card.pairs == 2
    assert card.card.repeated.of == 1
    assert "1 of the 30 votes" in card.advice


def test_a_tag_that_is_not_there_is_said(judging_host: str, home: Home, store: Store) -> None:
    Played.begun(store, HandClock()).challenger("1.0.0", 0.1)
    with pytest.raises(NotFoundError, match="Ollama has no nobody:1, which is the judge small") as caught:
        prepare(store, home, configured(home, judging_host, "nobody:1"), MODEL, pair_of(store, MODEL))
    assert caught.value.hint == "ollama pull nobody:1"
