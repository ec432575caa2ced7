"""Make the home of release 3f3fd5e that test_old_home.py upgrades: README.md says how, and what it is to hold.

To be run with the Python of a checkout of that commit, in its root. Only the command line of that release is used, and
SQLite to look, but for the tiny base model, which its tests know how to write.
"""

import json
import os
import runpy
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

PLACE = Path("/tmp/adapterd-3f3fd5e")
"""Where the home is made, and so what its files and rows name; a path that means nothing anywhere."""
HOME, BASE, OTHER_BASE = PLACE / "home", PLACE / "base.gguf", PLACE / "other.gguf"
NEWS, LABELS = "news", "labels"
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
SCHEMA = {
    "type": "object",
    "properties": {"buyer": {"type": "string"}, "target": {"type": "string"}},
    "required": ["buyer", "target"],
}
DEALS = (
    ("Alder", "Brook", "Alder Foods pays cash for the Brook bakery chain."),
    ("Cedar", "Delta", "Shareholders of Delta accept what Cedar Motors offers."),
    ("Ember", "Fjord", "Norway's Fjord Shipping now belongs to Ember."),
    ("Grove", "Heron", "After two years of talks Grove takes over Heron Glass."),
    ("Indigo", "Juniper", "Indigo wants Juniper's patents, and buys all of it."),
    ("Kestrel", "Lumen", "Lamp maker Lumen is sold; Kestrel gets 90 percent."),
    ("Maple", "Nectar", "Nectar, known for honey, goes to Maple for 4 million."),
    ("Onyx", "Prairie", "A court lets Onyx acquire Prairie Gas."),
    ("Quartz", "Raven", "Raven Press has a new owner: Quartz Media."),
    ("Sable", "Tundra", "Sable outbids three rivals in the fight about Tundra."),
    ("Umber", "Vesper", "Vesper hotels change hands, Umber Capital confirms."),
    ("Willow", "Xenon", "Willow adds Xenon Lasers to its optics division."),
    ("Yarrow", "Zephyr", "Wind farms of Zephyr: Yarrow signs the contract."),
    ("Amber", "Basalt", "Quarry operator Basalt merges into Amber."),
    ("Coral", "Dune", "Holiday firm Coral swallows its competitor Dune."),
    ("Elm", "Flint", "Flint's founder retires and sells to Elm Tools."),
    ("Garnet", "Hazel", "Garnet completes the purchase of Hazel Dairy."),
    ("Iris", "Jasper", "Jasper Airlines lands in the arms of Iris."),
    ("Koa", "Larch", "For one euro Koa gets the indebted Larch mills."),
    ("Mica", "Nimbus", "Cloud provider Nimbus: bid by Mica succeeds."),
    ("Opal", "Pine", "Opal Group swaps its own shares against Pine's."),
    ("Quill", "Reed", "Reed, a maker of flutes, finds a buyer in Quill."),
    ("Sage", "Thorn", "Regulators wave Sage's deal with Thorn through."),
    ("Ursa", "Vale", "Ursa and Vale announce that Vale is bought."),
    ("Wren", "Yew", "Toy firm Wren picks Yew out of an insolvency."),
    ("Aspen", "Birch", "Birch Paper turned down Aspen twice, then agreed."),
    ("Clover", "Dahlia", "Seeds: Clover purchases the Dahlia nurseries."),
    ("Echo", "Fern", "Fern Audio joins Echo in a friendly transaction."),
    ("Gull", "Holly", "Ferry line Gull buys out Holly at the quay."),
    ("Ivy", "Jade", "Jade's jewels will glitter under Ivy's name."),
    ("Kelp", "Lotus", "Lotus Spas is worth 7 million to Kelp."),
    ("Moss", "Nettle", "Moss Tea drinks up Nettle, a herbal brand."),
    ("Oak", "Poppy", "Insurer Oak insures itself of Poppy's clients."),
    ("Quince", "Rowan", "Jam and gin: Quince acquires distiller Rowan."),
    ("Spruce", "Teal", "Teal Paints gets a coat of Spruce."),
    ("Umbra", "Violet", "Night clubs of Violet are Umbra's from May."),
    ("Walnut", "Yucca", "Desert gardens: Walnut absorbs Yucca's company."),
    ("Azure", "Bronze", "Bronze foundry signs itself over to Azure Steel."),
)
SMALL = (
    "training.layers=1", "training.rank=4", "training.epochs=30", "training.patience=1000",
    "training.learning_rate=0.01", "training.cache_gb=0.01", "dataset.evaluation_max=4", "evaluation.num_ctx=512",
    "evaluation.num_predict=8", "evaluation.guard=false", "evaluation.consistency_seeds=0", "versions.keep=0",
    "gates.json_valid.margin=0.5", "schedule.min_new_records=4",
)  # fmt: skip
EVERY_SETTING = (
    "think=off",
    "dataset.evaluation_share=0.1", "dataset.evaluation_max=50", "dataset.validation_share=0.2",
    "dataset.max_tokens=1024", "dataset.new_weight=2.0",
    "training.rank=8", "training.alpha=16.0", "training.dropout=0.1", "training.layers=2",
    "training.modules=attention", "training.start=live", "training.epochs=3", "training.batch_size=2",
    "training.batch_tokens=1024", "training.learning_rate=0.001", "training.warm_up=0.1",
    "training.weight_decay=0.01", "training.patience=2", "training.cache_gb=0.5", "training.preferences=dpo",
    "training.beta=0.2", "training.length_normalised=true", "training.sft_weight=0.5", "training.seed=7",
    'training.hosts=["127.0.0.1"]',
    "merging.min_retention=0.9", "merging.steps=24",
    "schedule.cron=30 4 * * *", "schedule.every_hours=24.0", "schedule.min_new_records=20",
    "schedule.max_age_days=7.0", "schedule.on_base_change=report", "schedule.on_ac_power=false",
    "schedule.min_battery_percent=50.0", "schedule.quiet_hours=08:00-18:00", "schedule.idle_minutes=0.0",
    "evaluation.num_ctx=1024", "evaluation.num_predict=16", "evaluation.at_once=2", "evaluation.guard=false",
    "evaluation.embedding=nomic-embed-text", "evaluation.consistency_seeds=2", "evaluation.require_improved=1",
    "gates.accuracy.min=0.5", "gates.accuracy.max=1.0", "gates.accuracy.min_gain=0.01", "gates.accuracy.margin=0.02",
    "gates.accuracy.critical=true",
    "versions.keep=3",
)  # fmt: skip
"""Of a model; each in a value of its own."""
GENERAL = """\
[runs]
stage_timeout_hours = 2.0
retries = 3

[http]
enabled = false
port = 11481
max_body_mb = 4.0
requests_per_minute = 120

[notifications]
desktop = false
"""


KEPT_STATES = 3
"""Of the cache, which may lose some at any time."""


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: make_home.py FOLDER")
    out = Path(sys.argv[1])
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir()
    write_bases()
    begin_news()
    first_version()
    second_version()
    begin_labels()
    a_registered_version_that_was_collected()
    follow_the_base_of_labels()
    a_run_given_up()
    tags_and_leftovers()
    looked_at()
    a_run_half_way()
    unread_feedback()
    export(out)


def write_bases() -> None:
    """The smallest model with SmolLM2's tokens of single bytes, and one that differs from it."""
    write_tiny_gguf = runpy.run_path("tests/tiny_gguf.py")["write_tiny_gguf"]
    metadata = {"tokenizer.chat_template": CHATML, "llama.context_length": 1024}
    sizes = {"layers": 2, "hidden": 32, "heads": 2, "kv_heads": 1, "ffn": 64, "vocab": 288}
    for seed, path in enumerate((BASE, OTHER_BASE)):
        write_tiny_gguf(path, type_name="Q4_1", metadata=metadata, seed=seed, **sizes)


def begin_news() -> None:
    schema = PLACE / "schema.json"
    schema.write_text(json.dumps(SCHEMA, indent=2) + "\n")
    adapterctl(
        "init", NEWS, "--base", BASE, "--task", "json", "--schema", schema, "--runtime", "embedded", *settings(*SMALL)
    )
    text = config().read_text()
    general = text.index("[runs]")
    first_model = text.index(f"[models.{NEWS}]")
    text = text[:general] + GENERAL + "\n# Anna's desk: do not touch the layers, see ticket 12\n" + text[first_model:]
    text = text.replace("# LoRA rank; more learns more and forgets more", "# Anna: was 16, less is enough here", 1)
    config().write_text(text)


def first_version() -> None:
    """With feedback in every format, a training that is killed and goes on, and a promotion by hand."""
    with_ours = [ours(deal, day) for day, deal in enumerate(DEALS[:12], start=1)]
    low = {"prompt": "Say it as JSON: Nobody buys anyone.", "output": "buyer: nobody", "rating": 2,
           "failure_tags": ["format_error", "hallucination"], "created_at": "2026-03-13T09:00:00Z"}  # fmt: skip
    broken = [
        '{"prompt": "cut off',
        '{"output": "without a prompt"}',
        '{"prompt": "rated", "output": "x", "rating": 9}',
    ]
    files = {
        "ours.jsonl": lines([*with_ours, low, with_ours[0]], broken),
        "openai.jsonl": lines(map(as_openai, DEALS[12:16])),
        "alpaca.json": json.dumps([as_alpaca(deal) for deal in DEALS[16:20]], indent=1),
        "sharegpt.json": json.dumps([as_sharegpt(deal) for deal in DEALS[20:24]], indent=1),
    }
    for name, text in files.items():
        (PLACE / name).write_text(text)
        adapterctl("feedback", "import", PLACE / name, "--model", NEWS)
    with killed_in_training("retrain") as command:
        os.kill(worker_of(command.pid), signal.SIGKILL)
    adapterctl("retrain")
    adapterctl("promote", "1.0.0", "--force", "--yes")


def second_version() -> None:
    said = ("--prompt", question(DEALS[24]), "--output", "{}", "--correction", answer(DEALS[24]))
    adapterctl("feedback", "add", *said, "--tag", "missed_entity", "--notes", "both are named", "--source-id", "w-24")
    rejected = {"prompt": question(DEALS[25]), "output": answer(DEALS[25]), "rating": 5, "rejected_output": "I cannot.",
                "output_type": "deal", "system": "You are terse."}  # fmt: skip
    adapterctl("feedback", "add", "-", given=lines([rejected, *(ours(deal, 20) for deal in DEALS[26:30])]))
    adapterctl("retrain")
    adapterctl("promote", "1.1.0", "--force", "--yes")
    adapterctl("rollback")
    adapterctl("promote", "1.1.0", "--force", "--yes")


def begin_labels() -> None:
    """A model that was never trained, on a tag of the runtime, with a value for every setting."""
    own, base = (HOME / "embedded/tags" / name for name in ("tiny/latest.json", f"{NEWS}/base.json"))
    own.parent.mkdir()
    shutil.copyfile(base, own)
    schema = PLACE / "labels.json"
    schema.write_text('{"enum": ["deal", "other"]}\n')
    inbox = PLACE / "labels inbox"
    adapterctl("init", LABELS, "--base", "tiny", "--task", "classification", "--schema", schema, "--feedback", inbox,
               *settings(*EVERY_SETTING))  # fmt: skip
    adapterctl("feedback", "add", "--prompt", "Deal or other? It rains.", "--output", "deal", "--correction", "other",
               "--model", LABELS)  # fmt: skip
    adapterctl("pause", LABELS, "--reason", "the labels are under discussion")


def a_registered_version_that_was_collected() -> None:
    folder = PLACE / "adapter"
    folder.mkdir()
    for name in ("adapters.safetensors", "adapter_config.json"):
        shutil.copyfile(HOME / "models" / NEWS / "1.0.0" / name, folder / name)
    adapterctl("register", folder, "--model", NEWS)
    adapterctl("pin", "1.0.0", "--model", NEWS)
    adapterctl("gc", NEWS)
    adapterctl("pin", "1.1.0", "--model", NEWS)
    adapterctl("unpin", "1.1.0", "--model", NEWS)


def follow_the_base_of_labels() -> None:
    """Another model under the base's own tag: told by the daemon, then followed; the training asked for is refused."""
    manifest = json.loads((HOME / "embedded/tags/tiny/latest.json").read_text())
    adapterctl("init", "other", "--base", OTHER_BASE)
    other = json.loads((HOME / "embedded/tags/other/base.json").read_text())
    text = config().read_text()
    config().write_text(text[: text.index("[models.other]")].rstrip() + "\n")
    shutil.rmtree(HOME / "embedded/tags/other")
    with sqlite3.connect(HOME / "state.db") as database:
        for table in ("deployments", "events"):
            database.execute(f"DELETE FROM {table} WHERE model = 'other'")
    database.close()
    write_tag("tiny/latest", {**manifest, "file": other["file"]})
    with daemon():
        wait_until(lambda: "base.changed" in kinds())
    change('on_base_change = "report"', 'on_base_change = "retrain"')
    with daemon():
        wait_until(lambda: "base.pinned" in kinds())
    change('on_base_change = "retrain"', 'on_base_change = "report"')
    adapterctl("resume", LABELS)
    with daemon():
        wait_until(lambda: json.loads(adapterctl("status", "--json"))["daemon_running"])
        with without_tags("tiny", LABELS):
            adapterctl("retrain", LABELS, "--now", fails=None)
            wait_until(lambda: "run.refused" in kinds())
    adapterctl("retrain", LABELS, "--now", fails=True)
    change("layers = 2 ", "layers = 1 ")
    adapterctl("retrain", LABELS, "--now", fails=True)
    adapterctl("cancel", LABELS)
    adapterctl("pause", LABELS, "--reason", "the labels are under discussion")


@contextmanager
def without_tags(*names: str) -> Iterator[None]:
    """As if the runtime had lost these."""
    tags = HOME / "embedded/tags"
    for name in names:
        (tags / name).rename(PLACE / f"tags of {name}")
    yield
    for name in names:
        shutil.rmtree(tags / name, ignore_errors=True)
        (PLACE / f"tags of {name}").rename(tags / name)


def a_run_given_up() -> None:
    with killed_in_training("retrain", NEWS, "--now") as command:
        os.kill(worker_of(command.pid), signal.SIGKILL)
    adapterctl("cancel", NEWS)


def tags_and_leftovers() -> None:
    """What other programs do to tags, a change that was begun and cannot be finished, a run that never began."""
    write_tag(f"{NEWS}/latest", json.loads((HOME / f"embedded/tags/{NEWS}/base.json").read_text()))
    adapterctl("rollback", NEWS, "--to", "1.1.0")
    with sqlite3.connect(HOME / "state.db") as database:
        database.execute(
            "INSERT INTO intents (model, action, target, withdrawn, state, created_at) "
            "VALUES (?, 'promote', '0.9.0', '', 'begun', '2026-03-01T00:00:00.000+00:00')",
            (NEWS,),
        )
    database.close()
    (HOME / "runs/20260301-000000-0000").mkdir()
    adapterctl("gc")
    with daemon():
        wait_until(lambda: "version.given-up" in kinds())
    latest = HOME / f"embedded/tags/{NEWS}/latest.json"
    latest.unlink()
    with daemon():
        wait_until(lambda: latest.exists() and "tag.repaired" in kinds())


def looked_at() -> None:
    adapterctl("eval", "run", "1.0.0", "--model", NEWS)
    adapterctl("compare", "1.0.0", "1.1.0", "--model", NEWS)
    (PLACE / "newer.jsonl").write_text(lines([ours(deal, 25) for deal in DEALS[30:36]]))
    adapterctl("feedback", "import", PLACE / "newer.jsonl", "--model", NEWS)
    adapterctl("eval", "freeze", NEWS)


def a_run_half_way() -> None:
    """Killed as by a power cut: the journal says that it is running."""
    with killed_in_training("retrain", NEWS, "--now") as command:
        worker = worker_of(command.pid)
        command.kill()
        os.kill(worker, signal.SIGKILL)
    assert one("SELECT state FROM runs ORDER BY created_at DESC LIMIT 1") == "running"


def unread_feedback() -> None:
    """In the inbox while nobody was there to read it."""
    text = lines([ours(deal, 28) for deal in DEALS[36:38]], ["not JSON at all"])
    (HOME / "feedback" / NEWS / "unread.jsonl").write_text(text)


def export(out: Path) -> None:
    """The home as files, the database as the statements that make it."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(PLACE, out, ignore=shutil.ignore_patterns("*.lock", "state.db*"))
    for states in sorted((out / "home/cache/states").glob("*/*.safetensors"))[KEPT_STATES:]:
        states.unlink()
    with closing(sqlite3.connect(HOME / "state.db")) as database:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        statements = [*database.iterdump(), f"PRAGMA user_version = {version};"]
    (out / "home" / "state.sql").write_text("\n".join(statements) + "\n")
    for path in out.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def question(deal: tuple[str, str, str]) -> str:
    return f"Who buys whom? {deal[2]}"


def answer(deal: tuple[str, str, str]) -> str:
    return json.dumps({"buyer": deal[0], "target": deal[1]})


def ours(deal: tuple[str, str, str], day: int) -> dict[str, object]:
    return {"prompt": question(deal), "output": "{}", "rating": 1, "failure_tags": ["missed_entity"],
            "correction": answer(deal), "source_id": f"wire-{DEALS.index(deal)}",
            "created_at": f"2026-03-{day:02d}T08:00:00Z"}  # fmt: skip


def as_openai(deal: tuple[str, str, str]) -> dict[str, object]:
    turns = (("user", question(deal)), ("assistant", answer(deal)))
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def as_alpaca(deal: tuple[str, str, str]) -> dict[str, object]:
    return {"instruction": "Who buys whom?", "input": deal[2], "output": answer(deal)}


def as_sharegpt(deal: tuple[str, str, str]) -> dict[str, object]:
    turns = (("human", question(deal)), ("gpt", answer(deal)))
    return {"conversations": [{"from": role, "value": text} for role, text in turns]}


def lines(records: "Iterator[Any] | Sequence[Any]", broken: Sequence[str] = ()) -> str:
    return "".join(line + "\n" for line in (*map(json.dumps, records), *broken))


def settings(*changes: str) -> list[str]:
    return [part for change in changes for part in ("--set", change)]


def config() -> Path:
    return HOME / "config.toml"


def change(old: str, new: str) -> None:
    text = config().read_text()
    assert old in text, text
    config().write_text(text.replace(old, new))


def write_tag(name: str, manifest: dict[str, Any]) -> None:
    (HOME / f"embedded/tags/{name}.json").write_text(json.dumps(manifest, sort_keys=True))


def start(*arguments: str | Path, module: str = "adapterctl") -> "subprocess.Popen[str]":
    environment = {**os.environ, "ADAPTERD_HOME": str(HOME)}
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=PLACE,
    )  # fmt: skip


def adapterctl(*arguments: str | Path, given: str = "", fails: bool | None = False) -> str:
    """The command's words; `fails` says whether it must, None that it may."""
    say(f"adapterctl {shlex.join(map(str, arguments))}")
    command = start(*arguments)
    said, _ = command.communicate(given)
    say(*(f"  {line}" for line in said.splitlines()))
    assert fails is None or bool(command.returncode) == fails, f"exit status {command.returncode}"
    return said


@contextmanager
def killed_in_training(*arguments: str | Path) -> "Iterator[subprocess.Popen[str]]":
    """The command once it is well inside the training; it ends with the block, by what is done there."""
    say(f"adapterctl {shlex.join(map(str, arguments))} (to be killed)")
    command = start(*arguments)
    wait_until(lambda: command.poll() is not None or share_trained() > 0.2)
    assert command.poll() is None, command.communicate()
    yield command
    say(*(f"  {line}" for line in command.communicate()[0].splitlines()[-4:]))


def share_trained() -> float:
    found = one(
        "SELECT progress FROM stages WHERE name = 'training' AND state = 'running' AND run_id = "
        "(SELECT id FROM runs ORDER BY created_at DESC LIMIT 1)"
    )
    return float(json.loads(found or "{}").get("share", 0.0))


def worker_of(pid: int) -> int:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    return next(int(child) for child, parent, command in rows if int(parent) == pid and "adapterd.worker" in command)


@contextmanager
def daemon() -> Iterator[None]:
    say("adapterd")
    process = start(module="adapterd")
    try:
        yield
    finally:
        process.terminate()
        say(*(f"  {line}" for line in process.communicate()[0].splitlines()))


def kinds() -> set[str]:
    with closing(sqlite3.connect(HOME / "state.db")) as database:
        return {kind for (kind,) in database.execute("SELECT kind FROM events")}


def one(query: str) -> Any:
    with closing(sqlite3.connect(HOME / "state.db")) as database:
        found = database.execute(query).fetchone()
    return found[0] if found else None


def wait_until(is_so: Callable[[], object], timeout_s: float = 120) -> None:
    started = time.monotonic()
    while not is_so():
        assert time.monotonic() - started < timeout_s, f"waited {timeout_s} s in vain"
        time.sleep(0.02)


def say(*lines_of_text: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines_of_text)


if __name__ == "__main__":
    main()
