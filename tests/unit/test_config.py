"""The configuration: what is accepted, and that every fault is named with its path."""

import re
from dataclasses import replace
from datetime import time
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.config import (
    MODEL_NAME,
    BaseChange,
    DatasetSettings,
    EvaluationSettings,
    FeedbackSettings,
    GateRule,
    HttpSettings,
    ModelSettings,
    NotificationSettings,
    OllamaSettings,
    RunsSettings,
    RuntimeKind,
    ScheduleSettings,
    Settings,
    Task,
    TrainingSettings,
    VersionsSettings,
    load,
    parse,
    parse_table,
    to_table,
    with_changes,
)
from adapterd.errors import ConfigError, NotFoundError
from adapterd.home import Home
from adapterd.hours import Hours

MODEL = ModelSettings(base="tiny:1", base_digest="sha256:00")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PATHS = st.text("abc ü_-.", max_size=12).map(lambda name: Path("/p/" + name))
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
SPANS = st.lists(TIMES, min_size=2, max_size=2, unique=True).map(lambda ends: Hours(*ends))


def one_model(more: str) -> str:
    """A configuration with one model, its required keys and `more` lines in its table."""
    return f'[models.m]\nbase = "tiny:1"\nbase_digest = "sha256:00"\n{more}\n'


def faults(text: str) -> list[str]:
    """The lines of the error that the configuration gives, without the one that names the source."""
    with pytest.raises(ConfigError) as caught:
        parse(text, source="c.toml")
    first, *lines = str(caught.value).split("\n  ")
    assert first == "c.toml:"
    assert caught.value.hint
    return lines


def fault(text: str) -> str:
    (line,) = faults(text)
    return line


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    assert load(Home(tmp_path)) == Settings(RuntimeKind.OLLAMA, OllamaSettings(), models={})


def test_an_empty_file_means_the_defaults() -> None:
    assert parse("") == Settings()


def test_a_model_needs_no_more_than_its_base() -> None:
    assert parse(one_model("")).models == {"m": MODEL}


def test_the_defaults_are_those_of_the_design() -> None:
    training, schedule = MODEL.training, MODEL.schedule
    assert (training.rank, training.alpha, training.layers) == (16, 32.0, 16)
    assert (schedule.cron, schedule.min_new_records) == ("0 3 * * *", 10)
    assert Settings().ollama.host == "http://127.0.0.1:11434"


def test_learning_rate_and_epochs_are_unset_by_default() -> None:
    assert (MODEL.training.learning_rate, MODEL.training.epochs) == (None, None)


def test_settings_that_cost_or_disclose_something_are_off_by_default() -> None:
    defaults = Settings()
    assert not defaults.http.enabled
    assert not defaults.notifications.desktop
    assert MODEL.schedule.on_base_change is BaseChange.REPORT


def test_a_laptop_is_spared_by_default() -> None:
    schedule = MODEL.schedule
    assert (schedule.on_ac_power, schedule.min_battery_percent, schedule.idle_minutes) == (True, 40.0, 2.0)
    assert (schedule.every_hours, schedule.max_age_days, schedule.quiet_hours) == (None, None, None)


def test_a_few_versions_and_attempts_are_kept_by_default() -> None:
    assert MODEL.versions.keep == 5
    assert Settings().runs == RunsSettings(stage_timeout_hours=24.0, retries=5)


def test_the_defaults_are_within_their_own_ranges() -> None:
    assert parse_table(to_table(Settings(models={"m": MODEL})), source="c").models["m"] == MODEL


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    Home(tmp_path).config_file.write_text(
        """
        runtime = "embedded"
        [ollama]
        host = "http://box:1"
        timeout_s = 5
        [models.newsbrief-synth]
        base = "qwen2.5:7b"
        base_digest = "sha256:aa"
        feedback = "/in"
        task = "json"
        schema = "/s.json"
        [models.newsbrief-synth.training]
        rank = 8
        [models.newsbrief-synth.schedule]
        cron = "5 4 * * 0"
        """,
        encoding="utf-8",
    )
    read = load(Home(tmp_path))
    assert read.runtime is RuntimeKind.EMBEDDED
    assert read.ollama == OllamaSettings("http://box:1", 5.0)
    assert read.models == {
        "newsbrief-synth": ModelSettings(
            base="qwen2.5:7b",
            base_digest="sha256:aa",
            feedback=FeedbackSettings(Path("/in")),
            task=Task.JSON,
            schema=Path("/s.json"),
            training=TrainingSettings(rank=8),
            schedule=ScheduleSettings(cron="5 4 * * 0"),
        )
    }


def test_settings_of_the_daemon_are_read() -> None:
    read = parse(
        """
        [runs]
        stage_timeout_hours = 2
        retries = 0
        [http]
        enabled = true
        port = 0
        max_body_mb = 0.5
        requests_per_minute = 60
        [notifications]
        desktop = true
        """
        + one_model(
            """
            [models.m.schedule]
            every_hours = 6
            max_age_days = 7
            on_base_change = "retrain"
            on_ac_power = false
            min_battery_percent = 60
            quiet_hours = "22:00-6:30"
            done_by = "6:30"
            idle_minutes = 0
            [models.m.versions]
            keep = 0
            """
        )
    )
    assert read.runs == RunsSettings(stage_timeout_hours=2.0, retries=0)
    assert read.http == HttpSettings(enabled=True, port=0, max_body_mb=0.5, requests_per_minute=60)
    assert read.notifications == NotificationSettings(desktop=True)
    assert read.models["m"].versions == VersionsSettings(keep=0)
    assert read.models["m"].schedule == ScheduleSettings(
        every_hours=6.0, max_age_days=7.0, on_base_change=BaseChange.RETRAIN, on_ac_power=False,
        min_battery_percent=60.0, quiet_hours=Hours(time(22), time(6, 30)), done_by=time(6, 30), idle_minutes=0.0,
    )  # fmt: skip


def test_hours_stand_in_the_table_as_people_write_them() -> None:
    model = replace(MODEL, schedule=ScheduleSettings(quiet_hours=Hours(time(8), time(18)), done_by=time(6, 30)))
    assert to_table(model)["schedule"]["quiet_hours"] == "08:00-18:00"
    assert to_table(model)["schedule"]["done_by"] == "06:30"


@pytest.mark.parametrize("given", ['"6.30"', "630", "06:30:00", "true", '"25:00"', '[""]'])
def test_what_is_no_time_of_day_is_named(given: str) -> None:
    [fault] = faults(one_model(f"[models.m.schedule]\ndone_by = {given}"))
    assert fault.startswith("models.m.schedule.done_by")


def test_hours_that_are_not_set_are_left_out_of_the_table() -> None:
    unset = {"quiet_hours", "every_hours", "max_age_days"}
    assert not unset & to_table(MODEL)["schedule"].keys()


def test_all_faults_are_listed_at_once_with_their_paths() -> None:
    lines = faults(
        """
        colour = "red"
        runtime = "docker"
        [ollama]
        timeout_s = 0
        [models.Bad]
        base = "tiny:1"
        task = "poetry"
        [models.Bad.training]
        rank = "8"
        ranks = 8
        """
    )
    assert {line.partition(":")[0] for line in lines} == {
        "colour",
        "runtime",
        "ollama.timeout_s",
        "models.Bad",
        "models.Bad.base_digest",
        "models.Bad.task",
        "models.Bad.training.rank",
        "models.Bad.training.ranks",
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1", "a: no such setting"),
        ("[ollama]\nport = 1", "ollama.port: no such setting"),
        (one_model("trainig = 1"), "models.m.trainig: no such setting"),
        (one_model("[models.m.training]\nLR = 1"), "models.m.training.LR: no such setting"),
        (one_model("schedule.quiet = '08:00-18:00'"), "models.m.schedule.quiet: no such setting"),
        (one_model("versions.kept = 1"), "models.m.versions.kept: no such setting"),
        ("runs.timeout = 1", "runs.timeout: no such setting"),
        ("http.host = '0.0.0.0'", "http.host: no such setting"),
        ("notifications.mail = true", "notifications.mail: no such setting"),
    ],
)
def test_an_unknown_key_is_a_fault(text: str, line: str) -> None:
    assert fault(text) == line


def test_answers_are_held_to_a_schema_that_there_is() -> None:
    model = '[models.m]\nbase = "b"\nbase_digest = "sha256:1"\nevaluation.structured = true\n'
    with pytest.raises(ConfigError, match=r"models\.m\.evaluation\.structured: needs models\.m\.schema"):
        parse(model)
    assert parse(f'{model}schema = "s.json"').models["m"].evaluation.structured


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("judging.judge = 'big'", "models.m.judging.judge: there is no [judges.big]"),
        ("teaching.judge = 'big'", "models.m.teaching.judge: there is no [judges.big]"),
        ("gates.judged_preference.min = 0.5", "models.m.gates.judged_preference: needs a judge, [judges.NAME]"),
        ("[judges.big]\nmodel = 'x'\nbase_url = 'judge.example'",
         "judges.big.base_url: 'judge.example' is not http://… or https://…"),
        ("[judges.big]\nmodel = 'x'\nkey_env = 'KEY'",
         "judges.big.key_env: needs judges.big.base_url; Ollama takes no key"),
        ("[judges.big]\nterms_allow_training = true\nmodel = 'x'", "judges.big.terms_allow_training: no such setting"),
        ("[judges.big]\nparallel = 0\nmodel = 'x'", "judges.big.parallel: 0 is not between 1 and 64"),
        ("[judges.big]", "judges.big.model: is missing"),
    ],
)  # fmt: skip
def test_a_judge_that_cannot_be_is_a_fault(lines: str, said: str) -> None:
    assert fault(one_model(lines)) == said


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{critical = true}", "needs min or max, a share from 0 to 1"),
        ("{min = 50}", "min and max are shares from 0 to 1"),
        ("{min = 0.5, max = -0.1}", "min and max are shares from 0 to 1"),
        (
            "{min = 0.5, min_gain = 0.1}",
            "has no min_gain and no margin, for it compares with live already; give min or max",
        ),
        ("{margin = 0.1}", "has no min_gain and no margin, for it compares with live already; give min or max"),
    ],
)
def test_a_gate_on_the_judged_preference_has_a_share_that_it_asks_for(rule: str, said: str) -> None:
    model = one_model(f"gates.judged_preference = {rule}\n[judges.big]\nmodel = 'x'")
    assert fault(model) == f"models.m.gates.judged_preference: {said}"
    assert parse(model.replace(rule, "{min = 0.5, critical = true}")).models["m"].gates["judged_preference"].min == 0.5


def test_a_judge_is_like_a_teacher_but_for_its_temperature() -> None:
    found = parse("[teachers.t]\nmodel = 'x'\n[judges.j]\nmodel = 'x'\nnum_ctx = 4096")
    assert (found.teachers["t"].temperature, found.judges["j"].temperature) == (0.7, 0.0)
    assert (found.teachers["t"].parallel, found.judges["j"].num_ctx) == (found.judges["j"].parallel, 4096)


def test_a_missing_key_is_a_fault() -> None:
    assert faults("[models.m]") == ["models.m.base: is missing", "models.m.base_digest: is missing"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("training.rank = true", "models.m.training.rank: True is not a whole number"),
        ("training.rank = 8.0", "models.m.training.rank: 8.0 is not a whole number"),
        ("training.rank = '8'", "models.m.training.rank: '8' is not a whole number"),
        ("training.alpha = true", "models.m.training.alpha: True is not a number"),
        ("training.alpha = [1]", "models.m.training.alpha: [1] is not a number"),
        ("schedule.cron = 3", "models.m.schedule.cron: 3 is not a string"),
        ("schedule.quiet_hours = 8", "models.m.schedule.quiet_hours: 8 is not a string"),
        ("schedule.quiet_hours = 08:00:00", "models.m.schedule.quiet_hours: datetime.time(8, 0) is not a string"),
        ("schedule.every_hours = '6'", "models.m.schedule.every_hours: '6' is not a number"),
        ("schedule.max_age_days = true", "models.m.schedule.max_age_days: True is not a number"),
        ("schedule.on_ac_power = 1", "models.m.schedule.on_ac_power: 1 is not a boolean (true or false)"),
        ("versions.keep = 2.5", "models.m.versions.keep: 2.5 is not a whole number"),
        ("versions = 3", "models.m.versions: must be a table"),
        ("feedback = 1", "models.m.feedback.folder: 1 is not a path"),
        ("feedback = ''", "models.m.feedback.folder: '' is not a path"),
        ('feedback = "a\\u0000b"', "models.m.feedback.folder: 'a\\x00b' is not a path"),
        ("training = 1", "models.m.training: must be a table"),
        ("training = []", "models.m.training: must be a table"),
    ],
)
def test_a_wrong_type_is_a_fault(line: str, said: str) -> None:
    assert fault(one_model(line)) == said


@pytest.mark.parametrize("value", ["nan", "-nan", "inf", "-inf", "1e999", f"1{'0' * 400}"])
@pytest.mark.parametrize("key", ["gates.f1.min", "gates.f1.min_gain"])
def test_a_number_that_is_not_finite_is_a_fault(key: str, value: str) -> None:
    said = fault(one_model(f"{key} = {value}"))
    assert said.startswith(f"models.m.{key}: ")
    assert said.endswith(" is not a finite number")


def test_a_whole_number_is_accepted_for_a_number() -> None:
    alpha = parse(one_model("training.alpha = 8")).models["m"].training.alpha
    assert (alpha, type(alpha)) == (8.0, float)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("training.rank = 0", "models.m.training.rank: 0 is not between 1 and 1024"),
        ("training.rank = 1025", "models.m.training.rank: 1025 is not between 1 and 1024"),
        ("training.alpha = nan", "models.m.training.alpha: nan is not a finite number"),
        ("training.alpha = inf", "models.m.training.alpha: inf is not a finite number"),
        ("dataset.evaluation_share = 0.91", "models.m.dataset.evaluation_share: 0.91 is not between 0 and 0.9"),
        ("dataset.evaluation_share = -0.1", "models.m.dataset.evaluation_share: -0.1 is not between 0 and 0.9"),
        ("schedule.min_new_records = 0", "models.m.schedule.min_new_records: 0 is not between 1 and 1e+06"),
    ],
)
def test_a_number_out_of_its_range_is_a_fault(line: str, said: str) -> None:
    assert fault(one_model(line)) == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("every_hours = 0", "every_hours: 0.0 is not between 0.01 and 8784"),
        ("every_hours = 8785", "every_hours: 8785.0 is not between 0.01 and 8784"),
        ("every_hours = inf", "every_hours: inf is not a finite number"),
        ("max_age_days = -1", "max_age_days: -1.0 is not between 0.01 and 3660"),
        ("min_battery_percent = 101", "min_battery_percent: 101.0 is not between 0 and 100"),
        ("idle_minutes = nan", "idle_minutes: nan is not a finite number"),
    ],
)
def test_a_time_or_level_out_of_its_range_is_a_fault(line: str, said: str) -> None:
    assert fault(one_model(f"[models.m.schedule]\n{line}")) == f"models.m.schedule.{said}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("runs.stage_timeout_hours = 0", "runs.stage_timeout_hours: 0.0 is not between 0.01 and 8784"),
        ("runs.retries = -1", "runs.retries: -1 is not between 0 and 100"),
        ("http.port = 65536", "http.port: 65536 is not between 0 and 65535"),
        ("http.max_body_mb = 0", "http.max_body_mb: 0.0 is not between 0.001 and 1024"),
        ("http.requests_per_minute = 0", "http.requests_per_minute: 0 is not between 1 and 1e+06"),
        ("http.enabled = 'yes'", "http.enabled: 'yes' is not a boolean (true or false)"),
        ("notifications.desktop = 1", "notifications.desktop: 1 is not a boolean (true or false)"),
    ],
)
def test_a_fault_in_what_holds_for_all_models_has_its_path(text: str, said: str) -> None:
    assert fault(text) == said


@pytest.mark.parametrize("text", ["8-18", "24:00-06:00", "at night", "", "22:00-22:00"])
def test_quiet_hours_that_make_no_sense_are_a_fault_that_quotes_them(text: str) -> None:
    assert fault(one_model(f"schedule.quiet_hours = '{text}'")).startswith(f"models.m.schedule.quiet_hours: {text!r} ")


@pytest.mark.parametrize("value", ["'follow'", "'RETRAIN'", "true", "[]"])
def test_a_choice_that_is_none_is_a_fault_that_names_the_others(value: str) -> None:
    said = fault(one_model(f"schedule.on_base_change = {value}"))
    assert said.startswith("models.m.schedule.on_base_change: ")
    assert said.endswith("is not one of: report, retrain")


@pytest.mark.parametrize("line", ["training.rank = 1", "training.rank = 1024", "dataset.evaluation_share = 0"])
def test_the_bounds_themselves_are_allowed(line: str) -> None:
    assert parse(one_model(line)).models


@pytest.mark.parametrize("value", ["'poetry'", "'JSON'", "1", "[]"])
def test_a_task_that_is_none_is_a_fault_that_names_the_choices(value: str) -> None:
    said = fault(one_model(f"task = {value}"))
    assert said.startswith("models.m.task: ")
    assert said.endswith("is not one of: json, classification, generation, grounded_qa")


@pytest.mark.parametrize("name", ["News", "a b", "-a", "ä", "a/b", "a:b", "", "a" * 65])
def test_a_name_that_a_runtime_would_not_take_is_a_fault(name: str) -> None:
    said = fault(tomli_w.dumps({"models": {name: {"base": "b", "base_digest": "d"}}}))
    assert said.startswith(f"models.{name}: a model's name has ")


@pytest.mark.parametrize("name", ["a", "0", "a.b-c_d", "a" * 64])
def test_a_good_name_is_no_fault(name: str) -> None:
    assert parse(tomli_w.dumps({"models": {name: {"base": "b", "base_digest": "d"}}})).models


@pytest.mark.parametrize(
    ("text", "path"),
    [("models = 1", "models"), ("models = []", "models"), ("[models]\nm = 1", "models.m"), ("ollama = 'x'", "ollama")],
)
def test_a_value_where_a_table_belongs_is_a_fault(text: str, path: str) -> None:
    assert fault(text) == f"{path}: must be a table"


def test_invalid_toml_is_a_fault_that_names_the_line() -> None:
    with pytest.raises(ConfigError, match=r"^c\.toml is not valid TOML: .*line 2"):
        parse("a = 1\nb = =\n", source="c.toml")


def test_a_file_that_is_not_utf8_is_a_fault_that_names_it(tmp_path: Path) -> None:
    Home(tmp_path).config_file.write_bytes(b'runtime = "\xff"')
    with pytest.raises(ConfigError, match=r"config\.toml cannot be read"):
        load(Home(tmp_path))


@pytest.mark.parametrize("method", ["is_file", "read_text"])
def test_a_file_that_may_not_be_read_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def refuse(path: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    Home(tmp_path).config_file.touch()
    monkeypatch.setattr(Path, method, refuse)
    with pytest.raises(ConfigError, match=r"config\.toml cannot be read: .*Permission denied"):
        load(Home(tmp_path))


def test_a_fault_in_the_file_names_the_file(tmp_path: Path) -> None:
    Home(tmp_path).config_file.write_text("a = 1")
    with pytest.raises(ConfigError) as caught:
        load(Home(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path / 'config.toml'}:\n")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("~/in", "/home/ada/in"),
        ("$PLACE/in", "/some/place/in"),
        ("${PLACE}/in", "/some/place/in"),
        ("/in/~x", "/in/~x"),
        ("$NO_SUCH_VARIABLE/in", "$NO_SUCH_VARIABLE/in"),
    ],
)
def test_home_and_variables_in_paths_are_filled_in(monkeypatch: pytest.MonkeyPatch, written: str, read: str) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("PLACE", "/some/place")
    assert parse(one_model(f"feedback = '{written}'")).models["m"].feedback.folder == Path(read)


def test_the_home_of_an_unknown_user_is_a_fault() -> None:
    said = fault(one_model("feedback = '~nobody-of-that-name/in'"))
    assert said.startswith("models.m.feedback.folder: '~nobody-of-that-name/in' names the home of a user")


def test_changes_are_laid_over_a_model() -> None:
    changed = with_changes(
        replace(MODEL, feedback=FeedbackSettings(Path("/in"))),
        ["training.rank=8", "training.alpha = 4", "task=json", "schema=/s.json", "schedule.cron=0 4 * * *"],
    )
    assert changed.training == TrainingSettings(rank=8, alpha=4.0)
    assert (changed.task, changed.schema, changed.feedback.folder) == (Task.JSON, Path("/s.json"), Path("/in"))
    assert changed.schedule.cron == "0 4 * * *"


@pytest.mark.parametrize("written", ["08:00-18:00", "'08:00-18:00'", '"8:00-18:00"'])
def test_hours_are_given_with_or_without_quotes(written: str) -> None:
    changed = with_changes(MODEL, [f"schedule.quiet_hours={written}"])
    assert changed.schedule.quiet_hours == Hours(time(8), time(18))


def test_a_gate_is_changed_by_the_name_of_its_metric() -> None:
    changes = ["gates.exact.min=0.5", 'gates."f1.city"={critical = true, margin = 0.01}']
    assert with_changes(MODEL, changes).gates == {
        "exact": GateRule(min=0.5), "f1.city": GateRule(critical=True, margin=0.01),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("gates.exact.least=1", "gates.exact.least: no such setting"),
        ("gates.exact=1", "gates.exact: must be a table"),
        ("gates.exact.critical=1", "gates.exact.critical: 1 is not a boolean"),
        ("gates.exact.margin=-1", "gates.exact.margin: -1.0 is not between 0 and 1e+09"),
    ],
)
def test_a_gate_that_makes_no_sense_is_named(change: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(fault)):
        with_changes(MODEL, [change])


def test_no_changes_change_nothing() -> None:
    assert with_changes(MODEL, []) == MODEL


def test_the_value_of_a_change_may_hold_an_equals_sign() -> None:
    assert with_changes(MODEL, ["base=a=b"]).base == "a=b"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("training.rnk=8", r"\n  training\.rnk: no such setting"),
        ("nothing.at.all=8", r"\n  nothing: no such setting"),
        ("training.rank=many", r"training\.rank: 'many' is not a whole number"),
        ("training.rank=0", r"training\.rank: 0 is not between"),
        ("training=8", r"training: must be a table"),
        ("training.rank", r"^'training\.rank' is not KEY=VALUE$"),
        ("training.rank.x=8", r"^training\.rank\.x: no such setting$"),
        ("=8", r"no such setting"),
        ("", r"^'' is not KEY=VALUE$"),
    ],
)
def test_a_change_that_makes_no_sense_is_a_fault(change: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        with_changes(MODEL, [change])


def test_the_faults_of_several_changes_are_listed_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        with_changes(MODEL, ["training.rank=0", "task=poetry"])
    assert "training.rank: 0" in str(caught.value)
    assert "task: 'poetry'" in str(caught.value)


def test_unset_paths_are_left_out_of_the_table() -> None:
    table = to_table(MODEL)
    assert "folder" not in table["feedback"]
    assert "schema" not in table


MODELS = st.builds(
    ModelSettings,
    base=TEXT,
    base_digest=TEXT,
    feedback=st.builds(FeedbackSettings, st.none() | PATHS),
    task=st.sampled_from(Task),
    schema=st.none() | PATHS,
    dataset=st.builds(
        DatasetSettings,
        evaluation_share=st.floats(0, 0.9),
        evaluation_max=st.integers(1, 1_000_000),
        validation_share=st.floats(0, 0.9),
        max_tokens=st.integers(16, 1_000_000),
    ),
    training=st.builds(
        TrainingSettings,
        rank=st.integers(1, 1024),
        alpha=st.floats(0.001, 10_000),
        dropout=st.floats(0, 0.9),
        layers=st.integers(1, 1000),
        epochs=st.none() | st.integers(1, 1000),
        batch_size=st.integers(1, 1024),
        learning_rate=st.none() | st.floats(1e-8, 1.0),
        patience=st.integers(1, 1000),
        seed=st.integers(0, 2**31 - 1),
    ),
    schedule=st.builds(
        ScheduleSettings,
        cron=TEXT,
        every_hours=st.none() | st.floats(0.01, 8_784),
        min_new_records=st.integers(1, 1_000_000),
        max_age_days=st.none() | st.floats(0.01, 3_660),
        on_base_change=st.sampled_from(BaseChange),
        on_ac_power=st.booleans(),
        min_battery_percent=st.floats(0, 100),
        quiet_hours=st.none() | SPANS,
        done_by=st.none() | TIMES,
        idle_minutes=st.floats(0, 1_440),
    ),
    evaluation=st.builds(EvaluationSettings, num_ctx=st.integers(16, 1_000_000), num_predict=st.integers(1, 100_000)),
    versions=st.builds(VersionsSettings, keep=st.integers(0, 10_000)),
)
SETTINGS = st.builds(
    Settings,
    runtime=st.sampled_from(RuntimeKind),
    ollama=st.builds(OllamaSettings, host=TEXT, timeout_s=st.floats(1, 86_400)),
    runs=st.builds(RunsSettings, stage_timeout_hours=st.floats(0.01, 8_784), retries=st.integers(0, 100)),
    http=st.builds(
        HttpSettings,
        enabled=st.booleans(),
        port=st.integers(0, 65_535),
        max_body_mb=st.floats(0.001, 1_024),
        requests_per_minute=st.integers(1, 1_000_000),
    ),
    notifications=st.builds(NotificationSettings, desktop=st.booleans()),
    models=st.dictionaries(st.from_regex(MODEL_NAME, fullmatch=True), MODELS, max_size=2),
)


@settings(deadline=None)
@given(SETTINGS)
def test_settings_written_as_toml_read_back_equal(chosen: Settings) -> None:
    assert parse(tomli_w.dumps(to_table(chosen))) == chosen


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["models", "m", "ollama", "base", "training", "rank", "task"]), inner)
        ),
        max_leaves=8,
    )
)
def test_any_table_gives_settings_or_a_config_error(value: object) -> None:
    try:
        assert isinstance(parse_table({"models": value, "ollama": {}}, source="c"), Settings)
    except ConfigError as exc:
        assert "\n  models" in str(exc)  # noqa: PT017 (either outcome is right)


def test_the_only_model_need_not_be_named() -> None:
    assert Settings(models={"m": MODEL}).model_name(None) == "m"


def test_a_model_is_found_by_its_name() -> None:
    assert Settings(models={"a": MODEL, "b": MODEL}).model_name("b") == "b"


def test_which_of_several_models_has_to_be_said() -> None:
    with pytest.raises(NotFoundError, match="configured are: a, b") as caught:
        Settings(models={"b": MODEL, "a": MODEL}).model_name(None)
    assert caught.value.hint == "name one of them"


def test_without_any_model_the_hint_is_init() -> None:
    with pytest.raises(NotFoundError, match="configured are: none") as caught:
        Settings().model_name(None)
    assert caught.value.hint.startswith("adapterctl init")


def test_a_model_that_is_not_configured_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="no model named 'x' is configured; configured are: m"):
        Settings(models={"m": MODEL}).model_name("x")


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ('"10.0.0.1"', "training.hosts: '10.0.0.1' is not a list of IP addresses"),
        ('["10.0.0.1", "studio.local"]', "training.hosts: 'studio.local' is not an IP address"),
        ("[1]", "training.hosts: 1 is not an IP address"),
    ],
)
def test_hosts_are_addresses(hosts: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(f'[models.m]\nbase = "b"\nbase_digest = "d"\n[models.m.training]\nhosts = {hosts}')
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("allow", "said"),
    [
        ('"email"', "feedback.allow: 'email' is not a list of kinds and patterns"),
        ('["emails"]', "feedback.allow: 'emails' is neither one of secret, email, phone, iban, card nor an address"),
        ("[1]", "feedback.allow: [1] is not a list of kinds and patterns"),
    ],
)
def test_rules_are_kinds_and_patterns(allow: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(f'[models.m]\nbase = "b"\nbase_digest = "d"\n[models.m.feedback]\nallow = {allow}')
    assert said in str(error.value)


def test_rules_go_there_and_back() -> None:
    model = with_changes(ModelSettings("b", "d"), ['feedback.allow=["phone", "*@example.org", "+4930901*"]'])
    assert model.feedback.allow == ("phone", "*@example.org", "+4930901*")
    assert parse_table({"models": {"m": to_table(model)}}, source="here").models["m"] == model


def test_hosts_go_there_and_back() -> None:
    model = with_changes(ModelSettings("b", "d"), ['training.hosts=["10.0.0.1", "fe80::1"]'])
    assert model.training.hosts == ("10.0.0.1", "fe80::1")
    assert parse_table({"models": {"m": to_table(model)}}, source="here").models["m"] == model
    assert tomli_w.dumps(to_table(model))


def test_every_choice_can_be_written_and_read_again() -> None:
    """An enumeration that the reader does not know is read as plain text, and `init --set` writes and reads."""
    model = ModelSettings(base="b", base_digest="d")
    assert with_changes(model, ["training.rank=8"]) == replace(model, training=replace(model.training, rank=8))
