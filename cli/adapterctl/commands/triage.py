"""adapterctl triage"""

import click

from adapterctl.output import Styled, emit_json, examples, json_option, name_argument, say, table


@click.command(epilog=examples("adapterctl triage", "adapterctl triage newsbrief-synth --json"))
@name_argument
@json_option
def triage(name: str | None, as_json: bool) -> None:
    """Say whether training is worth it: how often which failure occurs, and what there is to learn from."""
    from adapterctl.app import App
    from adapterd.insight.triage import triage as weigh

    app = App()
    found = weigh(app.store, app.model(name))
    if as_json:
        emit_json(found)
        return
    rows = [(each.tag, each.failures, f"{each.share:.0%}", each.corrections, each.advice) for each in found.tags]
    table(["FAILURE", "OUTPUTS", "SHARE", "CORRECTIONS", "ADVICE"], rows, empty="nobody has told of a failure yet")
    say()
    say(Styled(found.advice, "green" if found.worth_training else "yellow"))
