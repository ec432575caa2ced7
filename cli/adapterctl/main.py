"""The command group, and the one boundary where errors become a red line, a hint and an exit code."""

import errno
import os
import sys
import traceback
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import click

from adapterctl.commands.access.token import token
from adapterctl.commands.bases import bases
from adapterctl.commands.capture import capture
from adapterctl.commands.config import config
from adapterctl.commands.data.backup import backup, restore
from adapterctl.commands.data.dataset import dataset
from adapterctl.commands.data.export import export
from adapterctl.commands.data.prompts import prompts
from adapterctl.commands.data.whole_removal import remove, uninstall
from adapterctl.commands.demo import demo
from adapterctl.commands.evaluate import compare, evaluation, report
from adapterctl.commands.feedback import feedback
from adapterctl.commands.gc import gc, pin, unpin
from adapterctl.commands.init import init, rebase
from adapterctl.commands.judging.judge import judge
from adapterctl.commands.judging.open import open_
from adapterctl.commands.judging.review import review
from adapterctl.commands.logs import logs
from adapterctl.commands.pause import cancel, pause, resume
from adapterctl.commands.retrain import register, retrain
from adapterctl.commands.run import run
from adapterctl.commands.season.evidence import challenger, evidence, watch
from adapterctl.commands.service import service
from adapterctl.commands.status import doctor, status, triage
from adapterctl.commands.teaching.synthetic import synthetic
from adapterctl.commands.teaching.teach import teach
from adapterctl.commands.versions import history, label, promote, rollback, show, versions
from adapterctl.output import complain
from adapterd import __version__
from adapterd.errors import AdapterdError
from adapterd.home import HOME_VARIABLE, PRIVATE_UMASK, Home, make_private
from adapterd.system.streams.standard import finish_streams, prepare_streams

INTERRUPTED = 130
UNEXPECTED = 70
NOT_TEXT = "set LC_ALL=C.UTF-8 (macOS: en_US.UTF-8), or give it in a file"

EPILOG = """\b
Exit codes:
  0  done                          5  the runtime (Ollama) does not answer or refuses
  1  failed                        6  unusable input or unsupported base
  2  wrong usage                   7  a stage failed; the same command goes on
  3  wrong configuration           8  busy: another process is at it
  4  no such model or version      9  the state database cannot be used
                                  75  another release was installed meanwhile
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.version_option(__version__, prog_name="adapterctl")
def cli() -> None:
    """Make your Ollama model better from daily feedback, prove it, and take it back in a blink.

    \b
    Begin with:
      adapterctl init newsbrief-synth --base qwen2.5:7b --task json
      adapterctl feedback import corrections.jsonl
      adapterctl retrain
      ollama run newsbrief-synth "…"
    """


for command in (
    bases,
    init,
    config,
    feedback,
    prompts,
    dataset,
    capture,
    open_,
    review,
    judge,
    teach,
    synthetic,
    retrain,
    rebase,
    register,
    status,
    triage,
    history,
    logs,
    versions,
    show,
    label,
    compare,
    report,
    evaluation,
    evidence,
    challenger,
    watch,
    export,
    promote,
    rollback,
    pause,
    resume,
    cancel,
    pin,
    unpin,
    gc,
    remove,
    backup,
    restore,
    run,
    service,
    token,
    uninstall,
    doctor,
    demo,
):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line; a person never sees a traceback."""
    os.umask(PRIVATE_UMASK)
    prepare_streams()
    try:
        code = _run(as_json="--json" in sys.argv)
    except OSError:  # nobody takes what was to be said
        code = AdapterdError.exit_code
    sys.exit(code if finish_streams() else code or AdapterdError.exit_code)


def _run(*, as_json: bool) -> int:
    """Run one command, and say what went wrong; returns the exit code."""
    try:
        return int(cli.main(prog_name="adapterctl", standalone_mode=False) or 0)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except (click.Abort, KeyboardInterrupt) as exc:
        complain("stopped", str(exc), as_json=as_json)
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as exc:
        exc.show()
        return exc.exit_code
    except click.ClickException as exc:
        complain(exc.format_message().rstrip("."), _usage(exc), as_json=as_json)
        return exc.exit_code
    except AdapterdError as exc:
        complain(str(exc), exc.hint, as_json=as_json)
        return exc.exit_code
    except OSError as exc:
        complain(*_in_words(exc), as_json=as_json)
        return AdapterdError.exit_code
    except Exception as exc:
        if isinstance(exc, UnicodeEncodeError) and (exc.encoding == "ascii" or _is_not_text("".join(sys.argv))):
            complain(
                "what was given, or a file's name, is no text in the encoding of this terminal",
                NOT_TEXT,
                as_json=as_json,
            )
            return click.UsageError.exit_code
        complain(f"unexpected error: {type(exc).__name__}: {exc}", _keep_traceback(), as_json=as_json)
        return UNEXPECTED


def _is_not_text(given: str) -> bool:
    """Whether there are bytes in it that Python could not decode (surrogate escapes, PEP 383)."""
    return any("\udc80" <= character <= "\udcff" for character in given)


def _in_words(exc: OSError) -> tuple[str, str]:
    """What the system said, and what to do."""
    from adapterd.system.permissions.owners import refusal

    said = f"{exc.strerror or exc}{f': {exc.filename}' if exc.filename else ''}"
    if exc.errno == errno.ENOSPC:
        return said, "free some space, then give the command again"
    if not isinstance(exc, PermissionError) or not isinstance(exc.filename, str):
        return said, ""
    whose, remedy = refusal(Path(exc.filename), Home.locate().root)
    if whose.startswith(exc.filename):
        return f"{exc.strerror}: {whose}", remedy
    return f"{said} ({whose})" if whose else said, remedy


def _usage(exc: click.ClickException) -> str:
    context = exc.ctx if isinstance(exc, click.UsageError) else None
    return f"`{context.command_path} --help` shows how it is used" if context else ""


def _keep_traceback() -> str:
    """Write the traceback where a report can quote it; returns what to tell the person."""
    try:
        folder = make_private(Home.locate().logs)
        file = folder / f"fault-{datetime.now().astimezone():%Y%m%d-%H%M%S}.log"
        file.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return f"set {HOME_VARIABLE} to a folder that can be written"
    return f"this is a bug in adapterd; details are in {file}"
