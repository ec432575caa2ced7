"""Secrets and personal data in texts: what is found in many spellings, and what only looks like them."""

import random
import time
from itertools import pairwise, permutations

import pytest
from bench.personal_data import PLANTS, clean_text
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.config.choices import PERSONAL_DATA_KINDS
from adapterd.personal_data.finding import Kind, Span
from adapterd.personal_data.plain import PlainText
from adapterd.personal_data.scan import scan_lines, scan_text


def found(text: str) -> list[tuple[str, str]]:
    return [(str(kind), text[span.start : span.end]) for kind, span in scan_text(text)]


@pytest.mark.parametrize(
    "text",
    [
        "jane.doe@example.org", "jane.doe (at) example (dot) org", "jane [at] example.org", "jane AT example DOT com",
        "jane%40example.org", "jane＠example.org", "jana@müller.de",
    ],
)  # fmt: skip
def test_email_is_found_however_it_is_spelled(text: str) -> None:
    assert found(f"Write to {text}, please.") == [("email", text)]


HIDDEN = [
    ("email", "jane@exam\N{ZERO WIDTH SPACE}ple.org"), ("email", "ja\N{SOFT HYPHEN}ne@ex\N{SOFT HYPHEN}ample.org"),
    ("email", "ｊａｎｅ＠ｅｘａｍｐｌｅ．ｏｒｇ"), ("iban", "DE89\N{ZERO WIDTH SPACE}3704 0044 0532 0130 00"),
    ("iban", "ＤＥ８９３７０４００４４０５３２０１３０００"),
    ("card", "4111\N{THIN SPACE}1111\N{THIN SPACE}1111\N{THIN SPACE}1111"),
    *(("email", f"jane.do{hidden}e@exam{hidden}ple.org") for hidden in "\0\u034f\u115f\u17b4\u180b\u3164\ufe0f"),
    ("email", "jane\U000e0100@exam\uffa0ple.org"), ("card", "4111\u28001111\u20281111\u28001111"),
    ("phone", "+49\N{LEFT-TO-RIGHT MARK}30\N{WORD JOINER}901820"), ("secret", f"npm_{'aB3dE5gHjK12' * 3}"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), HIDDEN)
def test_invisible_characters_and_other_widths_hide_nothing(kind: str, text: str) -> None:
    around = f"\N{SOFT HYPHEN}Write to {text}, please\N{ZERO WIDTH SPACE}."
    assert found(around) == [(kind, text)]


@given(st.text(alphabet="a ٣４\0\u00ad\u034f\u200b\u2800\u3000＠\U000e0100", max_size=40))
def test_places_of_a_plain_text_are_those_of_the_original(text: str) -> None:
    plain = PlainText.of(text)
    for place, character in enumerate(plain.text):
        span = plain.original(Span(place, place + 1))
        assert PlainText.of(text[span.start : span.end]).text == character


@pytest.mark.parametrize(
    "text", ["git@github.com:owner/name.git", "logo@2x.png", "follow @anna@mastodon.social", "lodash@4.17.21"]
)
def test_name_with_an_at_sign_is_no_address(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "+49 30 901820", "0049 30 901820", "+1 212 736 5000", "(212) 736-5000", "212-736-5000", "+44 20 7946 0018",
        "+55 11 91234-5678",
    ],
)  # fmt: skip
def test_phone_number_that_says_its_country_is_found(text: str) -> None:
    assert found(f"Der Rat {text} tagt.") == [("phone", text)]


@pytest.mark.parametrize(
    "text",
    [
        "Tel. 030 901820", "Téléphone : 01 42 68 53 00", "Тел.: 8 (495) 123-45-67", "电话：138 0013 8000",
        "هاتف: ٠٥٠١٢٣٤٥٦٧", "☎ 03-3581-1234",
    ],
)  # fmt: skip
def test_phone_number_is_found_behind_a_word_for_it(text: str) -> None:
    assert [kind for kind, _ in found(text)] == ["phone"]


@pytest.mark.parametrize(
    "text",
    [
        "The score was 105-98 on 2024-05-12 at 18:30.", "12 345 678 people, +12,5 %", "+12 345 678 000 euros",
        "+33 123 456 789 € more", "ISBN 978-3-16-148410-0", "https://news.example/2024/05/12/123456789012345",
        "10.1038/s41586-020-2649-2", "Az. 12 O 345/2024", "030 901820",
    ],
)  # fmt: skip
def test_other_number_is_no_phone_number(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text", ["DE89 3704 0044 0532 0130 00", "gb29nwbk60161331926819", "FR14-2004-1010-0505-0001-3M02-606"]
)
def test_account_is_found_by_its_check_digits(text: str) -> None:
    assert found(f"Konto {text} bei der Bank") == [("iban", text)]


def test_account_with_a_wrong_check_digit_is_none() -> None:
    assert found("DE88 3704 0044 0532 0130 00") == []


@pytest.mark.parametrize(
    "text", ["4111 1111 1111 1111", "5105-1051-0510-5100", "3782 822463 10005", "4242424242424242"]
)
def test_card_is_found_by_its_check_digit(text: str) -> None:
    assert found(f"paid with {text} today") == [("card", text)]


@pytest.mark.parametrize("text", ["4111 1111 1111 1112", "order 4111111111111111", "ISBN 9783161484100"])
def test_other_number_is_no_card(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "sk-proj-" + "aB3" * 15,
        "password: hunter2hunter", "Passwort=Geheim123!", 'password = "correcthorse"', "密码：abc12345",
        "https://admin:s3cret!@db.example.org/", "Bearer abcdef0123456789abcdef0123", "-----BEGIN RSA PRIVATE KEY-----",
    ],
)  # fmt: skip
def test_secret_is_found(text: str) -> None:
    assert [kind for kind, _ in found(f"use {text}")] == ["secret"]


@pytest.mark.parametrize(
    "text",
    [
        "the password policy: nobody agreed", "the secret vote: 105-98", "token: distribution of tokens",
        "commit 3f3fd5e0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6", "123e4567-e89b-12d3-a456-426614174000",
        "password: $DB_PASSWORD", "secret: https://news.example/2024",
    ],
)  # fmt: skip
def test_talk_of_secrets_is_none(text: str) -> None:
    assert found(text) == []


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(PLANTS)))
def test_findings_lie_within_the_text_and_do_not_overlap(seed: int, kind: Kind) -> None:
    draw = random.Random(seed)
    text = f"{clean_text(draw)} {PLANTS[kind](draw)} {PLANTS[Kind.EMAIL](draw)}"
    spans = [span for _, span in scan_text(text)]
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(one.end <= other.start for one, other in pairwise(spans))


def test_row_that_is_no_record_has_no_findings() -> None:
    assert scan_lines(["{}", "jane@example.org"]) == [[], []]


def test_long_token_is_found_as_a_whole() -> None:
    token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0" * 200 + ".dozjgNryP4J3jVmNHl0w5N"
    assert found(f"{'word ' * 380}Bearer {token} end") == [("secret", token)]


@pytest.mark.parametrize("piece", ["sk-a", "://a:", "4111 ", "a ( ", "password: ", "DE12 ", "+1 "])
def test_hostile_text_takes_no_quadratic_time(piece: str) -> None:
    started = time.perf_counter()
    scan_text(piece * (40_000 // len(piece)))
    assert time.perf_counter() - started < 5, "some of these take a minute if a text is searched as a whole"


def test_a_token_that_goes_on_and_on_takes_no_quadratic_time() -> None:
    token = "AKIA" * 150_000
    started = time.perf_counter()
    assert found(token) == [("secret", token)]
    assert time.perf_counter() - started < 5, "it takes a minute if its end is looked for again and again"


def test_tokens_that_stand_together_are_all_found() -> None:
    tokens = [f"ghp_{'a1B2' * 9}", "AKIAIOSFODNN7EXAMPLE", f"hf_{'aB3dE5gHjK' * 4}"]
    for first, second in permutations(tokens, 2):
        assert found(f"{first} and {second}") == [("secret", first), ("secret", second)]


@pytest.mark.parametrize("between", [" ", " 4111 1111 1111 1111 "])
def test_many_findings_take_no_quadratic_time(between: str) -> None:
    text = between.join(f"a{number}@bank{number}.com" for number in range(20_000))
    started = time.perf_counter()
    spans = [span for _, span in scan_text(text)]
    assert time.perf_counter() - started < 10, "it takes half a minute if each is compared with all before it"
    assert len(spans) == (20_000 if between == " " else 39_999)
    assert all(one.end <= other.start for one, other in pairwise(spans))


def test_rule_may_name_every_kind() -> None:
    assert set(PERSONAL_DATA_KINDS) == set(Kind)
