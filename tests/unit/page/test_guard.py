"""Who is let in, and what a page on the web cannot make the browser do."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from adapterd.page.entry import LINK_S, Entry, new_key, ticket
from tests.unit.page.conftest import HERE, OWN, PORT


def test_a_link_lets_in_once_and_the_cookie_is_for_this_page_alone(client: TestClient, entry: Entry) -> None:
    assert client.get("/").status_code == 401
    link = ticket(entry.key)
    answer = client.get("/enter", params={"ticket": link})
    cookie = answer.headers["set-cookie"].lower()
    assert ("httponly" in cookie, "samesite=strict" in cookie) == (True, True)
    assert client.get("/").status_code == 200
    client.cookies.clear()
    assert client.get("/enter", params={"ticket": link}).status_code == 404
    assert client.get("/").status_code == 401


@pytest.mark.parametrize("given", ["", "x", "a.b.c", "é", "x" * 10_000])
def test_a_link_that_is_none_lets_nobody_in(client: TestClient, given: str) -> None:
    assert client.get("/enter", params={"ticket": given}).status_code == 404


def test_a_link_of_another_process_or_an_old_one_lets_nobody_in(
    client: TestClient, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not entry.admits(ticket(new_key()))
    assert not entry.admits(entry.session())
    assert not entry.knows(ticket(entry.key))
    old, now = ticket(entry.key), time.time()
    monkeypatch.setattr(time, "time", lambda: now + LINK_S + 2)
    assert not entry.admits(old)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:80", f"evil.example:{PORT}", "", f"127.0.0.1.nip.io:{PORT}"]
)
def test_another_name_that_points_here_is_refused(inside: TestClient, host: str) -> None:
    assert inside.get("/", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8080"},
        {"Origin": f"https://127.0.0.1:{PORT}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": HERE, "Sec-Fetch-Site": "cross-site"},
        {},
    ],
)
def test_a_post_from_elsewhere_changes_nothing(inside: TestClient, headers: Mapping[str, str]) -> None:
    answer = inside.post("/versions/m/rollback", headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize("headers", [OWN, {"Origin": HERE}, {"Origin": f"http://localhost:{PORT}"}])
def test_a_post_of_the_page_is_let_through(inside: TestClient, headers: Mapping[str, str]) -> None:
    answer = inside.post("/review/m/undo", headers=headers)
    assert answer.status_code == 404
    assert "nothing was judged yet" in answer.text


def test_a_frame_or_an_image_of_another_page_gets_nothing(inside: TestClient) -> None:
    for mode in ("no-cors", "cors"):
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode}
        assert inside.get("/", headers=headers).status_code == 403
    followed = inside.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert followed.status_code == 200  # a link that somebody follows; the cookie would not have been sent


def test_without_the_cookie_nothing_is_done(client: TestClient) -> None:
    name = f"adapterd-page-{PORT}"
    for cookie in ("", "x", f"{name}=x", f"{name}=", f"adapterd-page={'x' * 40}"):
        assert client.post("/versions/m/rollback", headers={**OWN, "Cookie": cookie}).status_code == 401
    token = {"Authorization": "Bearer token-of-an-application-0123456789012345"}
    assert client.post("/versions/m/promote", headers={**OWN, **token}).status_code == 401


def test_every_answer_forbids_what_the_page_does_not_need(inside: TestClient) -> None:
    for path in ("/", "/nothing", "/static/page.js", "/enter"):
        policy = inside.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    assert inside.get("/").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["..%2fapp.py", "nothing.css", "page", "app.py", "%00.js"])
def test_nothing_but_static_files_is_given(inside: TestClient, name: str) -> None:
    assert inside.get(f"/static/{name}").status_code == 404


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=1&" * 2000, b"%ff=%ff"])
def test_a_form_that_is_none_is_refused_in_a_sentence(inside: TestClient, body: bytes) -> None:
    answer = inside.post("/review/m", content=body, headers=OWN)
    assert answer.status_code in (404, 409)
    assert "Traceback" not in answer.text


def test_a_form_that_is_too_large_is_refused(inside: TestClient) -> None:
    answer = inside.post("/review/m", content=b"a" * 8_000_001, headers=OWN)
    assert (answer.status_code, "larger than" in answer.text) == (409, True)


def test_a_faulty_configuration_is_told_on_the_page(inside: TestClient, tmp_path: Path) -> None:
    (tmp_path / "home" / "config.toml").write_text("[models.m]\nbase = 7\n")
    answer = inside.get("/")
    assert answer.status_code == 409
    assert "config.toml" in answer.text


def test_a_store_of_a_newer_release_is_told_on_the_page(inside: TestClient, tmp_path: Path) -> None:
    import sqlite3

    inside.get("/log")
    with sqlite3.connect(tmp_path / "home" / "state.db") as connection:
        connection.execute("PRAGMA user_version = 9999")
    answer = inside.get("/versions/m")
    assert answer.status_code == 409
    assert "Traceback" not in answer.text


def test_a_bug_is_told_without_its_details(inside: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **_more: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("adapterd.page.views.log.read", broken)
    client = TestClient(inside.app, base_url=HERE, raise_server_exceptions=False, cookies=inside.cookies)
    answer = client.get("/log")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("beside", ["a[b]=1", '{json}={"a":1}', 'x="un', "=", "adapterd-page-80=y", "é=1", ""])
@pytest.mark.parametrize("first", [True, False])
def test_cookies_of_others_at_this_machine_keep_nobody_out(
    client: TestClient, entry: Entry, beside: str, first: bool
) -> None:
    ours = f"{entry.cookie}={entry.session()}"
    cookie = "; ".join((beside, ours) if first else (ours, beside))
    assert client.get("/settings", headers=[(b"Cookie", cookie.encode())]).status_code == 200


def test_looking_at_a_link_does_not_use_it_up(client: TestClient, entry: Entry) -> None:
    link = ticket(entry.key)
    assert client.head("/enter", params={"ticket": link}).status_code == 404
    assert client.get("/enter", params={"ticket": link}).status_code == 200


def test_only_who_was_let_in_keeps_the_page_open(client: TestClient, entry: Entry) -> None:
    entry.used_at = before = -1.0
    client.get("/")
    client.get("/settings", headers={"Cookie": f"{entry.cookie}=x"})
    assert entry.used_at == before
    client.get("/settings", headers={"Cookie": f"{entry.cookie}={entry.session()}"})
    assert entry.used_at > before


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "1e3", "x", "٣", "0x10", "%00"])
def test_an_id_that_is_none_is_said(inside: TestClient, number: str) -> None:
    for answer in (
        inside.get(f"/feedback/m/{number}"),
        inside.get("/feedback/m", params={"before": number}),
        inside.post("/feedback/m/release", data={"record": number}, headers=OWN),
        inside.post("/choice/m", data={"choice": number, "vote": "left"}, headers=OWN),
    ):
        assert answer.status_code == 404
        assert "Traceback" not in answer.text


def test_a_text_to_look_for_has_an_end(inside: TestClient) -> None:
    answer = inside.get("/feedback/m", params={"text": "x" * 10_000})
    assert (answer.status_code, "characters" in answer.text) == (409, True)


def test_a_rollback_from_what_is_not_live_any_more_does_nothing(inside: TestClient) -> None:
    answer = inside.post("/versions/m/rollback", data={"live": "1.0.0", "to": "base"}, headers=OWN)
    assert (answer.status_code, "another version went live" in answer.text) == (409, True)


def test_what_an_address_says_is_not_told(inside: TestClient) -> None:
    assert "owned" not in inside.get("/versions/m", params={"said": "owned"}).text


def test_a_damaged_file_of_captures_is_told_at_home(inside: TestClient, tmp_path: Path) -> None:
    (tmp_path / "home" / "captures.db").write_bytes(b"no database" * 500)
    answer = inside.get("/")
    assert (answer.status_code, "captures.db" in answer.text) == (200, True)
