"""The page of a home, and a browser that is let in or not."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from adapterd.home import Home
from adapterd.page.app import application
from adapterd.page.entry import Entry, new_key, ticket
from adapterd.page.jobs import Jobs

PORT = 11999
HERE = f"http://127.0.0.1:{PORT}"
OWN = {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}
CONFIG = '[models.m]\nbase = "t:1"\nbase_digest = "sha256:00"\n[ollama]\nhost = "http://127.0.0.1:9"\n'


@pytest.fixture
def entry() -> Entry:
    return Entry(new_key(), PORT)


@pytest.fixture
def page_home(tmp_path: Path) -> Home:
    """A home with one model."""
    home = Home(tmp_path / "home")
    home.create()
    home.config_file.write_text(CONFIG)
    return home


@pytest.fixture
def client(page_home: Home, entry: Entry) -> TestClient:
    """A browser that was not let in yet."""
    return TestClient(application(page_home, entry, Jobs()), base_url=HERE, follow_redirects=False)


@pytest.fixture
def inside(client: TestClient, entry: Entry) -> TestClient:
    """One that was."""
    assert client.get("/enter", params={"ticket": ticket(entry.key)}).status_code == 200
    return client
