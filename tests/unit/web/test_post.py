"""What a body says, and which model it is for."""

from contextlib import suppress

import pytest
from hypothesis import given

from adapterd.errors import AdapterdError, InputError, NotFoundError
from adapterd.web.post import Post, chosen_model, read_post
from tests.support.web_bodies import bodies


@pytest.mark.parametrize(
    ("body", "post"),
    [
        (b'{"prompt": "a"}', Post([{"prompt": "a"}], None)),
        (b'[{"prompt": "a"}, 3]', Post([{"prompt": "a"}, 3], None)),
        (b'{"records": [1], "model": "m"}', Post([1], "m")),
        (b'{"records": [], "model": null}', Post([], None)),
        (b'{"prompt": "a", "records": 3}', Post([{"prompt": "a", "records": 3}], None)),
        (b'\xef\xbb\xbf {"prompt": "a", "model": 5}\n', Post([{"prompt": "a", "model": 5}], None)),
        (b"[]", Post([], None)),
        (b"7", Post([7], None)),
    ],
)
def test_the_forms_of_a_post(body: bytes, post: Post) -> None:
    assert read_post(body) == post


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the body is not JSON: expecting value at column 1"),
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not UTF-8 at its byte 1"),
        (b"[NaN]", "the body has NaN, which is not JSON"),
        (b'{"a": 1, "a": 2}', "the body has the key 'a' twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "thousands of digits"),
        (b'{"records": {}}', "records must be a list, not an object"),
        (b'{"records": [], "model": 4}', "model must be a name, not 4"),
        (b'{"records": [], "modle": "m"}', "the body has 'modle' beside records"),
        (b'{"records": [], "prompt": null}', "the body has 'prompt' beside records"),
    ],
)
def test_a_body_that_is_no_post_is_refused_with_the_reason(body: bytes, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        read_post(body)


def test_a_body_has_at_most_so_many_values() -> None:
    record = '{"prompt": "p", "scores": [' + "1," * 99 + "1]}"
    assert len(read_post(f"[{','.join([record] * 10_000)}]".encode()).records) == 10_000
    with pytest.raises(InputError, match="the body has more than 2,500,000 values in it"):
        read_post(f'{{"records": [{",".join([record] * 25_000)}]}}'.encode())


@given(bodies())
def test_any_body_is_a_post_or_refused_with_a_sentence(body: bytes) -> None:
    with suppress(InputError):
        assert isinstance(read_post(body), Post)


@pytest.mark.parametrize(
    ("named", "known", "chosen"),
    [
        ((None, None), ["m"], "m"),
        (("a", None), ["a", "b"], "a"),
        ((None, "b"), ["a", "b"], "b"),
        (("b", "b"), ["a", "b"], "b"),
    ],
)
def test_the_model_is_the_named_one_or_the_only_one(
    named: tuple[str | None, ...], known: list[str], chosen: str
) -> None:
    assert chosen_model(named, known) == chosen


@pytest.mark.parametrize(
    ("named", "known", "kind", "fault"),
    [
        ((None,), ["a", "b"], InputError, "which model"),
        ((None,), [], NotFoundError, "no model is configured"),
        (("",), ["a"], NotFoundError, "no model named ''"),
        (("c", None), ["a"], NotFoundError, "no model named 'c'"),
        (("a", "b"), ["a", "b"], InputError, "two different models"),
    ],
)
def test_a_model_that_is_not_clear_or_not_there_is_refused(
    named: tuple[str | None, ...], known: list[str], kind: type[AdapterdError], fault: str
) -> None:
    with pytest.raises(kind, match=fault):
        chosen_model(named, known)
