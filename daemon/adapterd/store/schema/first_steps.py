"""The first steps of the schema; those that come are appended in `migrations.py`."""

FIRST_STEPS: tuple[str, ...] = (
    """
    CREATE TABLE feedback (
        id INTEGER PRIMARY KEY,
        model TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        prompt_hash TEXT NOT NULL,
        output_type TEXT,
        source_id TEXT,
        rating INTEGER,
        failure_tags TEXT NOT NULL,
        record TEXT NOT NULL,
        file TEXT NOT NULL,
        line INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        received_at TEXT NOT NULL,
        UNIQUE (model, content_hash)
    );
    CREATE TABLE feedback_files (
        model TEXT NOT NULL,
        path TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        lines INTEGER NOT NULL,
        accepted INTEGER NOT NULL,
        duplicates INTEGER NOT NULL,
        quarantined INTEGER NOT NULL,
        read_at TEXT NOT NULL,
        PRIMARY KEY (model, path)
    );
    CREATE TABLE quarantine (
        id INTEGER PRIMARY KEY,
        model TEXT NOT NULL,
        file TEXT NOT NULL,
        line INTEGER NOT NULL,
        reason TEXT NOT NULL,
        excerpt TEXT NOT NULL,
        kept TEXT NOT NULL,
        received_at TEXT NOT NULL,
        UNIQUE (model, file, line, kept)
    );
    CREATE TABLE evaluation_sets (
        model TEXT NOT NULL,
        number INTEGER NOT NULL,
        content_hash TEXT NOT NULL,
        cases TEXT NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (model, number)
    );
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        model TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        last_feedback_id INTEGER NOT NULL,
        version TEXT,
        error TEXT,
        hint TEXT,
        created_at TEXT NOT NULL,
        finished_at TEXT
    );
    CREATE TABLE stages (
        run_id TEXT NOT NULL REFERENCES runs (id),
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        key TEXT NOT NULL,
        result TEXT,
        progress TEXT,
        error TEXT,
        started_at TEXT NOT NULL,
        finished_at TEXT,
        PRIMARY KEY (run_id, name)
    );
    CREATE TABLE versions (
        model TEXT NOT NULL,
        version TEXT NOT NULL,
        run_id TEXT NOT NULL,
        digest TEXT NOT NULL,
        base_digest TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        metrics TEXT NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (model, version)
    );
    CREATE TABLE deployments (
        id INTEGER PRIMARY KEY,
        model TEXT NOT NULL,
        action TEXT NOT NULL,
        live TEXT NOT NULL,
        live_digest TEXT NOT NULL,
        previous TEXT,
        previous_digest TEXT,
        since TEXT NOT NULL
    );
    CREATE TABLE intents (
        id INTEGER PRIMARY KEY,
        model TEXT NOT NULL,
        action TEXT NOT NULL,
        target TEXT NOT NULL,
        withdrawn TEXT NOT NULL,
        state TEXT NOT NULL,
        created_at TEXT NOT NULL,
        finished_at TEXT
    );
    CREATE TABLE run_requests (
        id INTEGER PRIMARY KEY,
        model TEXT NOT NULL,
        reason TEXT NOT NULL,
        created_at TEXT NOT NULL,
        run_id TEXT,
        error TEXT
    );
    CREATE TABLE next_runs (
        model TEXT PRIMARY KEY,
        at TEXT NOT NULL
    );
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        model TEXT,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        detail TEXT NOT NULL
    );
    CREATE INDEX feedback_by_prompt ON feedback (model, prompt_hash);
    CREATE INDEX deployments_by_model ON deployments (model, id);
    CREATE INDEX events_by_model ON events (model, id);
    CREATE INDEX runs_by_model ON runs (model, created_at);
    """,
    "ALTER TABLE runs ADD COLUMN given TEXT;",
    """
    ALTER TABLE versions ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN retry_at TEXT;
    ALTER TABLE runs ADD COLUMN cancelled TEXT;
    CREATE TABLE outlooks (
        model TEXT PRIMARY KEY,
        scheduled_at TEXT,
        due TEXT,
        due_since TEXT,
        why_not TEXT,
        base_drift TEXT
    );
    INSERT INTO outlooks (model, scheduled_at) SELECT model, at FROM next_runs;
    DROP TABLE next_runs;
    CREATE TABLE pauses (
        model TEXT PRIMARY KEY,
        reason TEXT NOT NULL,
        since TEXT NOT NULL
    );
    """,
    "CREATE INDEX feedback_by_model ON feedback (model, id);",
    """
    ALTER TABLE runs RENAME COLUMN given TO adapter_source;
    CREATE TABLE schedule_states (
        model TEXT PRIMARY KEY,
        scheduled_at TEXT,
        due_reason TEXT,
        due_text TEXT,
        due_since TEXT,
        blocked_by TEXT,
        base_drift TEXT
    );
    INSERT INTO schedule_states (model, scheduled_at, due_reason, due_text, due_since, blocked_by, base_drift)
    SELECT
        model,
        scheduled_at,
        CASE
            WHEN due LIKE 'scheduled, %' THEN 'new_feedback'
            WHEN due = 'continued after an interruption' THEN 'interrupted'
            WHEN due LIKE 'tried again after%' THEN 'retry'
            WHEN due IS NOT NULL THEN 'base_changed'
        END,
        due,
        due_since,
        why_not,
        base_drift
    FROM outlooks;
    DROP TABLE outlooks;
    """,
    """
    ALTER TABLE runs ADD COLUMN training_provider TEXT;
    ALTER TABLE runs ADD COLUMN training_job TEXT;
    """,
)
