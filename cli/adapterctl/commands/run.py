"""adapterctl run"""

import sys

import click

from adapterctl.output import emit_json, examples, json_option, model_option, say_lines


@click.command(
    epilog=examples(
        'adapterctl run "Extract the news as JSON: …"',
        'adapterctl run --version 1.0.0 "…"',
        "cat prompt.txt | adapterctl run -",
    )
)
@click.argument("prompt")
@click.option("--version", help="Ask this version, or `base`, instead of what is live.")
@click.option("--system", help="A system prompt.")
@model_option
@json_option
def run(prompt: str, version: str | None, system: str | None, model: str | None, as_json: bool) -> None:
    """Ask the live model once, as an application would.

    Characters of the answer that would act on the terminal are shown as escapes; --json gives it as it is.
    """
    from adapterctl.app import App
    from adapterd.chat import ChatOptions, Message, Role
    from adapterd.serving.runtimes import runtime_for
    from adapterd.serving.tags import ModelTags

    app = App()
    name = app.model(model)
    tags = ModelTags(name)
    settings = app.model_settings(name).evaluation
    text = sys.stdin.read() if prompt == "-" else prompt
    messages = ([Message(Role.SYSTEM, system)] if system else []) + [Message(Role.USER, text)]
    options = ChatOptions(num_ctx=settings.num_ctx, num_predict=settings.num_predict)
    answer = runtime_for(app.settings, app.home).chat(
        tags.version(version) if version else tags.live, messages, options
    )
    if as_json:
        emit_json(answer)
    else:
        say_lines(answer.text)
