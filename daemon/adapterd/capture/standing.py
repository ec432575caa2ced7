"""Where capture listens and asks, and how it stands."""

import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from adapterd.capture.alerts import Alert, alerts
from adapterd.capture.captures import Captures, Counted, Kept
from adapterd.capture.rates import COUNTED_DAYS, SHOWN_DAYS, Rate, answers_of, by_day, by_version, day_of, first_day
from adapterd.capture.wire.routes import STATUS
from adapterd.config import Settings
from adapterd.config.addresses.ollama_address import OllamaAddress
from adapterd.errors import ConfigError
from adapterd.home import Home

LOOPBACK = "127.0.0.1"
QUICK_S = 2.0


@dataclass(frozen=True)
class Standing:
    """Where applications ask (`listen`), where Ollama answers (`upstream`), both `HOST:PORT`; what the pass-through
    counted since its start, None where none answers; what is recorded, and how many were not, by the reason.

    Of the days since `since` it has how many answers each model gave (`answers`), and the rates of their faults: of
    each file of a model (`versions`) and of each day (`by_day`). `alerts` are those that are open.
    """

    listen: str
    upstream: str
    counts: Mapping[str, int] | None
    kept: Kept
    left_out: Mapping[str, int]
    since: str = ""
    answers: Mapping[str, int] = field(default_factory=dict)
    versions: Sequence[Rate] = ()
    by_day: Sequence[Rate] = ()
    alerts: Sequence[Alert] = ()


def listen_address(settings: Settings) -> str:
    """Where applications ask, as `HOST:PORT`."""
    return f"{LOOPBACK}:{settings.capture.port}"


def upstream_address(settings: Settings) -> str:
    """Where Ollama answers, as `HOST:PORT`; raises ConfigError where requests cannot simply be passed on to it."""
    address = OllamaAddress.parse(settings.ollama.host)
    if address.scheme != "http" or address.path or address.user is not None:
        raise ConfigError(
            f"capture cannot pass requests on to {address.shown}: it does so to an http address without path and name",
            hint="set ollama.host to an Ollama in your own network, as in http://127.0.0.1:11434",
        )
    place = f"{address.host}:{address.port}"
    if place == listen_address(settings):
        raise ConfigError(
            f"ollama.host and capture.port name the same place, {place}",
            hint="set ollama.host to where Ollama itself listens",
        )
    return place


def standing(
    home: Home, settings: Settings, *, days: int = SHOWN_DAYS, clock: Callable[[], float] = time.time
) -> Standing:
    """How capture stands on this home, with the rates of so many days; raises StoreError where its database cannot be
    read."""
    now, listen = clock(), listen_address(settings)
    kept, left_out, counted = Kept(0, 0, None, None), dict[str, int](), list[Counted]()
    if home.captures.is_file():
        with Captures(home.captures) as captures:
            kept, left_out = captures.kept(), captures.left_out()
            counted = captures.counted(first_day(now, COUNTED_DAYS))
    since = first_day(now, days)
    shown = [each for each in counted if each.day >= since]
    return Standing(
        listen, upstream_address(settings), counts_of(listen), kept, left_out, since, answers_of(shown),
        by_version(shown), by_day(shown), [each for each in alerts(counted, day_of(now)) if each.is_open],
    )  # fmt: skip


def counts_of(listen: str) -> dict[str, int] | None:
    """What the pass-through at `HOST:PORT` counted; None where nothing answers, or something else."""
    host, _, port = listen.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=QUICK_S)
    try:
        connection.request("GET", STATUS)
        answer = connection.getresponse()
        found = json.loads(answer.read()) if answer.status == http.HTTPStatus.OK else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return found if isinstance(found, dict) and "requests" in found else None
