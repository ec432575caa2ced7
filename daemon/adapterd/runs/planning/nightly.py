"""What a teacher makes before a run begins, in a process of its own: the one that leads a run computes nothing."""

from pathlib import Path

NIGHT = "night"
"""What asked, as examples name it."""


def teach_now(root: Path, model: str) -> str:
    """Have the model's teacher make examples; returns a sentence on what came of it. `root` is the home's folder.
    Raises what `judge_of_examples`, `prepare` and `Round.ask` raise."""
    from adapterd import config
    from adapterd.home import Home
    from adapterd.judges.examples import judge_of_examples
    from adapterd.store import Store
    from adapterd.teachers.prepare import prepare
    from adapterd.teachers.teach import sentences_of

    home = Home(root)
    settings = config.load(home)
    with Store(home.database) as store:
        judge = judge_of_examples(store, home, settings, model)
        asked = prepare(store, home, settings, model, judge=judge)
        if asked.is_empty:
            return f"{model}: there was nothing new to ask {asked.teacher} for"
        taught = asked.ask(NIGHT)
    said = [str(taught), *sentences_of(taught), *(judge.warnings if judge else ())]
    return f"{model}: {asked.teacher} was asked: {'; '.join(said)}"
