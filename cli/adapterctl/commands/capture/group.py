"""adapterctl capture on | off | status | run | list | show | remove"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from adapterctl.commands.capture.rates import show_rates
from adapterctl.output import ago, emit_json, examples, fields, json_option, local, say, say_lines, table

if TYPE_CHECKING:
    from adapterd.capture.captures import Capture
    from adapterd.capture.standing import Standing
    from adapterd.system.service_manager import Service

FIRST_CHARACTERS = 60
MEGABYTE = 1_000_000


@click.group(epilog=examples("adapterctl capture on", "adapterctl capture status", "adapterctl capture list"))
def capture() -> None:
    """Record the conversations of your applications with Ollama, to be judged later.

    Applications ask at an address of its own, everything goes on to Ollama byte by byte, and a copy of prompts and
    answers is stored in the home of adapterd. It is off until you switch it on.
    """


@capture.command(epilog=examples("adapterctl capture on", "OLLAMA_HOST=127.0.0.1:11481 ollama run newsbrief-synth"))
@json_option
def on(as_json: bool) -> None:
    """Pass requests on and record them from now on, also after the next login, as a service of its own.

    After an upgrade, or with another capture.port or ollama.host, give it again.
    """
    service, listen = _service()
    service.install()
    if as_json:
        emit_json(service.status())
        return
    say(f"applications ask at http://{listen}: OLLAMA_HOST={listen}, or base_url http://{listen}/v1")
    say("`adapterctl capture status` tells what goes through; `adapterctl capture off` ends it")


@capture.command(epilog=examples("adapterctl capture off"))
@json_option
def off(as_json: bool) -> None:
    """Do not pass requests on any more. What was recorded stays."""
    from adapterctl.app import own_home
    from adapterd.system.service import capture_service

    service = capture_service(own_home(), listen="", upstream="")  # whatever the configuration says
    service.uninstall()
    if as_json:
        emit_json(service.status())
        return
    say("off: requests are not passed on any more; applications ask Ollama itself")


@capture.command(epilog=examples("adapterctl capture status", "adapterctl capture status --days 7 --json"))
@click.option("--days", type=click.IntRange(1, 400), default=30, show_default=True, help="Show rates of so many days.")
@json_option
def status(days: int, as_json: bool) -> None:
    """Tell whether requests are passed on, what is recorded, what was not and why, and how often answers have faults.

    Rates are of all answers that were given through capture, kept or not, with their 95 % intervals.
    """
    from adapterctl.app import App
    from adapterd.capture.standing import standing

    app = App()
    found = standing(app.home, app.settings, days=days)
    if as_json:
        emit_json(found)
        return
    _show_standing(found)


@capture.command("run", epilog=examples("adapterctl capture run"))
def run_() -> None:
    """Pass requests on and record them in this terminal, until Ctrl-C."""
    import os

    from adapterctl.app import App
    from adapterd.capture.standing import listen_address, upstream_address
    from adapterd.system.python import safe_environment
    from adapterd.system.service import capture_command

    app = App()
    app.home.create()
    command = capture_command(app.home, listen_address(app.settings), upstream_address(app.settings))
    os.chdir(app.home.root)
    os.execve(command[0], command, safe_environment())  # noqa: S606 - killed like any other, it leaves nothing behind


@capture.command("list", epilog=examples("adapterctl capture list --limit 5", "adapterctl capture list --json"))
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@click.option("--model", "-m", metavar="NAME", help="Only those with this model.")
@json_option
def list_(limit: int, model: str | None, as_json: bool) -> None:
    """Show recorded conversations, newest first."""
    found = _captures(limit, model)
    if as_json:
        emit_json(found)
        return
    table(
        ["ID", "WHEN", "MODEL", "FAULTS", "PROMPT", "ANSWER"],
        [
            (each.id, ago(_moment(each.at)), each.model, ", ".join(each.faults), _first(_asked(each)),
             _first(each.answer))
            for each in found
        ],
        empty="nothing is recorded",
        unbroken=("ID",),
    )  # fmt: skip


@capture.command(epilog=examples("adapterctl capture show 01M8TYYFYTGJKY8S05YBVDGVD2"))
@click.argument("id_", metavar="ID")
@json_option
def show(id_: str, as_json: bool) -> None:
    """Show one recorded conversation, by its id or by the SHA-256 of its answer."""
    from adapterd.errors import NotFoundError

    found = _one(id_)
    if found is None:
        raise NotFoundError(
            f"no conversation {id_!r} is recorded", hint="adapterctl capture list shows those there are"
        )
    if as_json:
        emit_json(found)
        return
    _show_capture(found)


@capture.command(epilog=examples("adapterctl capture remove 01M8TYYFYTGJKY8S05YBVDGVD2"))
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
@json_option
def remove(ids: tuple[str, ...], as_json: bool) -> None:
    """Remove recorded conversations for good, with their prompts in the pool of prompts without answers, and in choices
    that nobody has made yet, and with what teachers made from them. What was judged is feedback: `adapterctl feedback
    remove` removes that."""
    from adapterctl.app import App
    from adapterd.capture.captures import Captures
    from adapterd.intake.prompt_intake import remove_captured

    app = App()
    home, removed, hashes = app.home, 0, list[str]()
    if home.captures.is_file():
        with Captures(home.captures) as captures:
            if home.database.exists():
                found = [each for name in ids if (each := captures.get(name))]
                hashes = [each.prompt_hash for each in found]
                app.store.choices.forget_prompts(hashes)
            removed = captures.remove(ids)
    if home.database.exists():
        remove_captured(app.store, ids, hashes)
    if as_json:
        emit_json({"removed": removed})
        return
    say(f"{removed} removed, {len(ids) - removed} not found")


def _service() -> "tuple[Service, str]":
    from adapterctl.app import App
    from adapterd.capture.standing import listen_address, upstream_address
    from adapterd.system.service import capture_service

    app = App()
    listen = listen_address(app.settings)
    return capture_service(app.home, listen, upstream_address(app.settings)), listen


def _captures(limit: int, model: str | None) -> "list[Capture]":
    from adapterctl.app import App
    from adapterd.capture.captures import Captures

    home = App().home
    if not home.captures.is_file():
        return []
    with Captures(home.captures) as captures:
        return captures.last(limit, model)


def _one(name: str) -> "Capture | None":
    from adapterctl.app import App
    from adapterd.capture.captures import Captures

    home = App().home
    if not home.captures.is_file():
        return None
    with Captures(home.captures) as captures:
        return captures.get(name)


def _show_standing(found: "Standing") -> None:
    counts, kept = found.counts, found.kept
    fields(
        [
            ("applications ask at", f"http://{found.listen}"),
            ("Ollama answers at", f"http://{found.upstream}"),
            ("passed on", f"{counts['requests']} requests since its start" if counts else "no (adapterctl capture on)"),
            ("waiting", counts["waiting"] if counts else None),
            ("dropped", counts["dropped"] if counts else None),
            ("recorded", f"{kept.count} conversations, {kept.bytes / MEGABYTE:.1f} MB"),
            ("oldest", ago(_moment(kept.first)) if kept.first is not None else None),
            ("newest", ago(_moment(kept.last)) if kept.last is not None else None),
        ]
    )
    if found.left_out:
        say("not recorded:")
        for reason, count in found.left_out.items():
            say(f"  {count} × {reason}")
    show_rates(found)


def _show_capture(found: "Capture") -> None:
    tokens = None if found.answer_tokens is None else f"{found.answer_tokens} tokens"
    fields(
        [
            ("id", found.id),
            ("when", local(_moment(found.at)).isoformat(sep=" ", timespec="seconds")),
            ("model", f"{found.model} {found.digest or ''}".strip()),
            ("ended", f"{found.reason or 'not said'}{'' if found.complete else ', broken off'}"),
            ("faults", ", ".join(found.faults) or "none that show by themselves"),
            ("took", f"{found.seconds:.2f} s, first byte after {found.first_byte_s:.2f} s"),
            ("answer", tokens),
            ("kept for", found.kept),
        ]
    )
    for turn in found.turns:
        say(f"\n{turn.get('role', '')}:")
        say_lines(turn.get("content", ""), indent=2)
    if found.thoughts:
        say("\nthoughts:")
        say_lines(found.thoughts, indent=2)
    say("\nanswer:")
    say_lines(found.answer, indent=2)
    for call in found.calls:
        say(f"  calls {call.get('name')} with {call.get('arguments')}")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _asked(found: "Capture") -> str:
    return str(found.turns[-1].get("content", "")) if found.turns else ""


def _first(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= FIRST_CHARACTERS else f"{line[: FIRST_CHARACTERS - 1]}…"
