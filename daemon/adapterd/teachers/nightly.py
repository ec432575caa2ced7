"""What a teacher makes before a run begins, in a process of its own: the one that leads a run computes nothing."""

from pathlib import Path

NIGHT = "night"
"""What asked, as examples name it."""


def teach_now(root: Path, model: str) -> str:
    """Have the model's teacher make examples; returns a sentence on what came of it. `root` is the home's folder.
    Raises what `prepare` and `Round.ask` raise."""
    from adapterd import config
    from adapterd.home import Home
    from adapterd.store import Store
    from adapterd.teachers.prepare import prepare
    from adapterd.teachers.teach import ended_sentence

    home = Home(root)
    settings = config.load(home)
    with Store(home.database) as store:
        asked = prepare(store, home, settings, model)
        if not any(asked.counts.values()):
            return f"{model}: there was nothing new to ask {asked.teacher} for"
        taught = asked.ask(NIGHT)
    said = ended_sentence(taught.outcome)
    return f"{model}: {asked.teacher} was asked: {taught}" + (f"; {said}" if said else "")
