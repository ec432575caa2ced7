"""adapterctl open"""

import click

from adapterctl.output import emit_json, examples, json_option, say


@click.command(
    "open",
    epilog=examples(
        "adapterctl open",
        "adapterctl open --no-browser          prints the link alone, for a browser of your choice",
        "adapterctl open --stop",
    ),
)
@click.option("--no-browser", is_flag=True, help="Only print the link.")
@click.option("--stop", "end", is_flag=True, help="End the page's process.")
@json_option
def open_(no_browser: bool, end: bool, as_json: bool) -> None:
    """Open the local page in the browser: review answers, choose blindly, see, promote and roll back versions.

    The page is served on this machine only, by a process of its own that ends when nobody has used it for an hour
    (page.idle_minutes). The link lets in once, within two minutes; the browser stays let in after that.
    """
    from adapterctl.app import App
    from adapterd.page.running import linked, start, stop
    from adapterd.system.host.browser import open_in_browser

    app = App()
    if end:
        was_running = stop(app.home)
        if as_json:
            emit_json({"stopped": was_running})
            return
        say("the page is closed" if was_running else "the page was not open")
        return
    _ = app.settings  # a faulty configuration is told here, and not by the page
    link = start(app.home).link
    if as_json:
        emit_json({"link": link})
        return
    if no_browser or not open_in_browser(linked(app.home, link)):
        say(link)
        return
    say("the page is open in your browser; `adapterctl open --no-browser` prints a link")
