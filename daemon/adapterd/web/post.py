"""What a post says: the body as JSON, and in it the records and the model that they are for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from adapterd.errors import InputError, NotFoundError
from adapterd.feedback import strict_json
from adapterd.feedback.checks import shown
from adapterd.feedback.formats import is_record

MAX_RECORDS = 10_000
MAX_VALUES = 10 * strict_json.MAX_VALUES
"""In all records of a post together: as many as make the longest post wait for seconds only."""


@dataclass(frozen=True)
class Post:
    """The records as they were sent, and the model if the body names one."""

    records: list[object]
    model: str | None


def read_post(body: bytes) -> Post:
    """The post in a body: a record, a list of records, or `{"model": …, "records": […]}`; raises InputError."""
    value = _decoded(body)
    if isinstance(value, dict) and "records" in value and not is_record(value):
        return _envelope(value)
    return Post(value if isinstance(value, list) else [value], None)


def chosen_model(named: Sequence[str | None], known: Collection[str]) -> str:
    """The model that is named, by query or body, or the only one there is; raises NotFoundError, else InputError."""
    names = {name for name in named if name is not None}
    if len(names) > 1:
        raise InputError("the post names two different models", hint="name one, in the query or in the body")
    listed = f"configured are: {', '.join(sorted(known))}" if known else "adapterctl init NAME --base TAG makes one"
    if names:
        name = names.pop()
        if name not in known:
            raise NotFoundError(f"no model named {shown(name)} is configured", hint=listed)
        return name
    if not known:
        raise NotFoundError("no model is configured", hint=listed)
    if len(known) > 1:
        raise InputError(f"which model? {listed}", hint="POST /v1/feedback?model=NAME")
    return next(iter(known))


def _decoded(body: bytes) -> object:
    try:
        return strict_json.decode(body.decode().removeprefix("\ufeff"), most_values=MAX_VALUES)
    except UnicodeDecodeError as exc:
        raise InputError(f"the body is not UTF-8 at its byte {exc.start + 1}") from exc
    except InputError as exc:
        raise InputError(f"the body {exc}") from exc


def _envelope(value: dict[str, object]) -> Post:
    records, model = value["records"], value.get("model")
    others = value.keys() - {"records", "model"}
    if others:
        raise InputError(f"the body has {shown(min(others))} beside records; only model may stand there")
    if not isinstance(records, list):
        raise InputError(f"records must be a list, not {shown(records)}")
    if model is not None and not isinstance(model, str):
        raise InputError(f"model must be a name, not {shown(model)}")
    return Post(records, model)
