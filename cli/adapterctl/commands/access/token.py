"""adapterctl token add | list | revoke"""

from pathlib import Path

import click

from adapterctl.output import ago, ask, emit_json, examples, json_option, say, table


@click.group()
def token() -> None:
    """Tokens of applications that post feedback over HTTP: one for each, so that it can be told and shut out alone.

    Programs of the same user need none on the Unix socket (adapterd.sock in the home). Over TCP everybody does.
    """


@token.command(
    epilog=examples(
        "adapterctl token add newsroom",
        "adapterctl token add newsroom --file ~/newsroom/token      for the application to read, 0600",
        "adapterctl token add newsroom --json",
    )
)
@click.argument("name", metavar="NAME")
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the token into this new file, and do not show it.",
)
@json_option
def add(name: str, file: Path | None, as_json: bool) -> None:
    """Make a token for an application, and show it: this once, for only a hash of it is kept.

    NAME stands in every record that the application posts (`feedback list`, `feedback remove --from NAME`). The token
    counts at once. Never give it to a program as an argument, for other users see those.
    """
    from adapterctl.app import App
    from adapterd.web.applications import add_token

    app = App()
    over_tcp = app.settings.http.enabled  # read before there is a token: then nothing is half done
    given, kept = add_token(app.store, name, file), str(file) if file else None
    if as_json:
        emit_json({"name": name, "token": None if file else given, "file": kept})
        return
    say(kept or given)
    say(f"{name} sends it as `Authorization: Bearer …`; it is not shown again", err=True)
    if not over_tcp:
        say("feedback over TCP is off: `adapterctl config set http.enabled true` switches it on", err=True)


@token.command("list", epilog=examples("adapterctl token list", "adapterctl token list --json"))
@json_option
def list_(as_json: bool) -> None:
    """List the applications that have or had a token, with their last post."""
    from adapterctl.app import App
    from adapterd.web.applications import applications

    app = App()
    found = applications(app.store, app.home)
    if as_json:
        emit_json(found)
        return
    rows = [
        (
            each.name,
            f"revoked {ago(each.revoked_at)}" if each.revoked_at else f"in {each.in_file}" if each.in_file else "",
            ago(each.created_at),
            ago(each.last_used) or "never",
            each.posts,
            each.records,
        )
        for each in found
    ]
    heads = ["NAME", "TOKEN", "SINCE", "LAST USED", "POSTS", "RECORDS"]
    table(heads, rows, empty="no application has a token; `adapterctl token add NAME` makes one")


@token.command(
    epilog=examples("adapterctl token revoke newsroom", "adapterctl token revoke default --yes     the file http-token")
)
@click.argument("name", metavar="NAME")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
def revoke(name: str, yes: bool, as_json: bool) -> None:
    """Make an application's token useless from now on. What it posted stays, and is still listed under its name.

    NAME `default` is the token in the file http-token of the home; the file goes, and none is made again.
    """
    from adapterctl.app import App
    from adapterd.web.applications import revocable, revoke_token

    app = App()
    revocable(app.store, app.home, name)
    if not yes:
        ask(f"revoke the token of {name}? it cannot post any more until it has another one")
    revoke_token(app.store, app.home, name)
    if as_json:
        emit_json({"name": name, "revoked": True})
    else:
        say(f"the token of {name} is revoked; `adapterctl feedback remove --from {name}` removes what it posted")
