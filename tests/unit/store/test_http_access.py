"""Tokens, posts and refusals, and the places where the daemon listens."""

from adapterd.store import Store
from adapterd.store.http_access.places import Place
from tests.support.hand_clock import HandClock

DAY_S = 86_400


def test_a_token_is_its_applications_until_it_is_revoked(store: Store) -> None:
    store.http_tokens.put("one", "secret 1")
    store.http_tokens.put("two", "secret 2")
    assert [store.http_tokens.owner(f"secret {number}") for number in (1, 2, 3)] == ["one", "two", None]
    assert [store.http_tokens.revoke("one") for _ in range(2)] == [True, False]
    assert [store.http_tokens.owner(f"secret {number}") for number in (1, 2)] == [None, "two"]


def test_of_a_token_only_a_hash_is_kept(store: Store) -> None:
    store.http_tokens.put("one", "very secret")
    assert "very secret" not in "".join(str(tuple(row)) for row in store.rows("SELECT * FROM http_tokens"))


def test_a_new_token_of_a_name_replaces_the_old_one(store: Store, clock: HandClock) -> None:
    store.http_tokens.put("one", "old")
    store.http_tokens.revoke("one")
    later = clock.move_on()
    store.http_tokens.put("one", "new")
    assert (store.http_tokens.owner("old"), store.http_tokens.owner("new")) == (None, "one")
    known = store.http_tokens.get("one")
    assert known is not None
    assert (known.created_at, known.revoked_at) == (later, None)


def test_the_same_token_again_changes_nothing(store: Store, clock: HandClock) -> None:
    store.http_tokens.put("one", "same", in_file=True)
    first = store.http_tokens.get("one")
    clock.move_on()
    store.http_tokens.put("one", "same", in_file=True)
    assert store.http_tokens.get("one") == first


def test_posts_are_one_line_a_day_for_each_application_and_model(store: Store, clock: HandClock) -> None:
    for application, model, records in (("a", "m", 2), ("a", "m", 0), ("a", "n", 1), (None, "m", 5)):
        store.http_traffic.add_post(application, model, records)
    clock.move_on(DAY_S)
    store.http_traffic.add_post("a", "m", 3)
    assert [(event.model, event.text) for event in reversed(store.events.latest())] == [
        ("m", "a: 2 posts, 2 new records"),
        ("n", "a: 1 post, 1 new record"),
        ("m", "without a token, over the Unix socket: 1 post, 5 new records"),
        ("m", "a: 1 post, 3 new records"),
    ]
    found = store.http_traffic.posts()
    assert {name: (each.posts, each.records) for name, each in found.items()} == {"": (1, 5), "a": (4, 6)}
    assert found["a"].last_at == clock.now


def test_refusals_are_one_line_a_day_for_each_kind(store: Store, clock: HandClock) -> None:
    store.http_traffic.add_refusals({401: 9})
    clock.move_on(2 * DAY_S)
    store.http_traffic.add_refusals({401: 2, 429: 1})
    store.http_traffic.add_refusals({401: 1})
    assert [event.text for event in reversed(store.events.latest())] == [
        "refused over HTTP: 401 Unauthorized, 9 times",
        "refused over HTTP: 401 Unauthorized, 3 times",
        "refused over HTTP: 429 Too Many Requests, 1 time",
    ]
    assert store.http_traffic.refusals_since_yesterday() == {"401 Unauthorized": 3, "429 Too Many Requests": 1}
    clock.move_on(DAY_S)
    assert store.http_traffic.refusals_since_yesterday() == {"401 Unauthorized": 3, "429 Too Many Requests": 1}
    clock.move_on(DAY_S)
    assert store.http_traffic.refusals_since_yesterday() == {}


def test_places_are_as_they_were_said_last(store: Store) -> None:
    store.http_places.replace([Place("tcp", "127.0.0.1:1", "taken", "free it"), Place("unix", "/s")])
    store.http_places.replace([Place("unix", "/s"), Place("tcp", "127.0.0.1:1")])
    assert store.http_places.all() == [Place("tcp", "127.0.0.1:1"), Place("unix", "/s")]
