"""Addresses of Ollama are read as Ollama reads OLLAMA_HOST, and no password is ever told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.config.addresses.ollama_address import OllamaAddress, address_of_environment, without_password
from adapterd.errors import ConfigError

SECRET = "s3cret-pass"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("studio.local", "http://studio.local:11434"),
        ("192.168.1.5", "http://192.168.1.5:11434"),
        ("192.168.1.5:8080", "http://192.168.1.5:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("http://studio", "http://studio:80"),
        ("https://studio", "https://studio:443"),
        ("HTTPS://studio:1", "https://studio:1"),
        ("ollama.com", "https://ollama.com:443"),
        ("https://studio/ollama/", "https://studio:443/ollama"),
        ("http://studio:1/a/b", "http://studio:1/a/b"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:1", "http://127.0.0.1:1"),
        ("http://0.0.0.0:1", "http://127.0.0.1:1"),
        ("::", "http://[::1]:11434"),
        ("[::]:1", "http://[::1]:1"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[fe80::1]:1", "http://[fe80::1]:1"),
        ("  'studio:1' ", "http://studio:1"),
    ],
)
def test_an_address_is_read_as_ollama_reads_it(text: str, url: str) -> None:
    assert OllamaAddress.parse(text).url == url


@pytest.mark.parametrize(
    "text",
    ["ftp://studio", "studio:port", "studio:0", "studio:65536", "studio:-1", "a b", "[studio]:1", "http://a?b"],
)
def test_what_is_no_address_is_a_sentence_about_it(text: str) -> None:
    with pytest.raises(ConfigError, match="is not an address: ") as caught:
        OllamaAddress.parse(text)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown", "authorization"),
    [
        (f"http://me:{SECRET}@studio:1/x", "http://me:***@studio:1/x", ("me", SECRET)),
        (f"me:{SECRET}@studio", "http://me:***@studio:11434", ("me", SECRET)),
        (f"http://me:a%40{SECRET}@studio:1", "http://me:***@studio:1", ("me", f"a@{SECRET}")),
        (f"http://me:a@b/{SECRET}@studio:1", "http://me:***@studio:1", ("me", f"a@b/{SECRET}")),
        (f"http://{SECRET}@studio:1", "http://***@studio:1", (SECRET, "")),
    ],
)
def test_name_and_password_are_sent_and_not_shown(text: str, shown: str, authorization: tuple[str, str]) -> None:
    address = OllamaAddress.parse(text)
    assert (address.shown, address.authorization) == (shown, authorization)
    assert SECRET not in address.url


@pytest.mark.parametrize("place", ["studio:port", "a b", "studio:99999", ""])
@pytest.mark.parametrize("userinfo", [f"me:{SECRET}", f"me:{SECRET}/{SECRET}", f"me:x@{SECRET}", SECRET])
def test_a_wrong_address_does_not_tell_its_password(userinfo: str, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OllamaAddress.parse(f"ftp://{userinfo}@{place}")
    assert SECRET not in str(caught.value) + caught.value.hint


@given(st.text(), st.text(alphabet=st.characters(exclude_characters="@"), min_size=1))
def test_no_text_makes_it_fail_otherwise_or_tell_what_stands_before_the_at(before: str, secret: str) -> None:
    text = f"http://u{before}:{secret}\N{SNOWMAN}@studio:1"
    try:
        shown = OllamaAddress.parse(text).shown
    except ConfigError as exc:
        shown = str(exc)
    assert f"{secret}\N{SNOWMAN}" not in shown
    assert f"{secret}\N{SNOWMAN}" not in without_password(text)


@pytest.mark.parametrize(("given", "read"), [({}, None), ({"OLLAMA_HOST": " '' "}, None), ({"OLLAMA_HOST": "a"}, "a")])
def test_an_empty_variable_says_nothing(given: dict[str, str], read: str | None) -> None:
    assert address_of_environment(given) == read
