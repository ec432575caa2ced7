"""The schema, as numbered steps. Only ever append: a database remembers how many of them it has seen.

A step may call the functions of FUNCTIONS, where SQL alone cannot compute what a column has to hold.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping

from adapterd.chat import from_dicts
from adapterd.record import prompt_hash
from adapterd.store.schema.first_steps import FIRST_STEPS


def _prompt_hash_of(record: str, known: str) -> str:
    """The hash of the prompt of a record in JSON; the one that is `known` where nobody can read the record."""
    try:
        return prompt_hash(from_dicts(json.loads(record)["messages"]))
    except (ValueError, KeyError, TypeError):
        return known


FUNCTIONS: Mapping[str, Callable[[str, str], str]] = {"prompt_hash_of": _prompt_hash_of}
"""The functions of two arguments that steps use, by their names in SQL."""

MIGRATIONS: tuple[str, ...] = (
    *FIRST_STEPS,
    "ALTER TABLE versions ADD COLUMN label TEXT;",
    "ALTER TABLE runs ADD COLUMN training_jobs_ended INTEGER NOT NULL DEFAULT 0;",
    """
    CREATE TABLE said (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        model TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        prompt_hash TEXT NOT NULL,
        output_type TEXT,
        source_id TEXT,
        rating INTEGER,
        failure_tags TEXT NOT NULL,
        record TEXT NOT NULL,
        origin TEXT NOT NULL,
        application TEXT,
        document TEXT NOT NULL,
        file TEXT NOT NULL,
        line INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        received_at TEXT NOT NULL,
        withdrawn_at TEXT,
        repeats INTEGER
    );
    INSERT INTO said
    SELECT
        id, model, content_hash, prompt_hash, output_type, source_id, rating, failure_tags, record,
        CASE
            WHEN file = 'http' THEN 'http'
            WHEN file GLOB '*/import-????????????????-*' THEN 'import'
            WHEN file GLOB '*/feedback-????????????????????????????????.jsonl' THEN 'add'
            ELSE 'file'
        END,
        NULL,
        CASE
            WHEN file = 'http' THEN ''
            WHEN file GLOB '*/import-????????????????-*'
            THEN 'import:' || substr(file, length(rtrim(file, replace(file, '/', ''))) + 25)
            ELSE file
        END,
        file, line, created_at, received_at, NULL, NULL
    FROM feedback ORDER BY id;
    DROP TABLE feedback;
    ALTER TABLE said RENAME TO feedback;
    CREATE VIEW feedback_in_force AS
    SELECT * FROM feedback WHERE withdrawn_at IS NULL AND (
        repeats IS NULL OR NOT EXISTS (
            SELECT 1 FROM feedback AS first WHERE first.id = feedback.repeats AND first.withdrawn_at IS NULL
        )
    );
    CREATE INDEX feedback_by_content ON feedback (model, content_hash, created_at);
    CREATE INDEX feedback_by_prompt ON feedback (model, prompt_hash, created_at);
    CREATE INDEX feedback_by_document ON feedback (model, document);
    CREATE INDEX feedback_by_model ON feedback (model, id);
    ALTER TABLE feedback_files ADD COLUMN document TEXT NOT NULL DEFAULT '';
    ALTER TABLE feedback_files ADD COLUMN digest TEXT NOT NULL DEFAULT '';
    UPDATE feedback_files SET document = CASE
        WHEN path GLOB '*/import-????????????????-*'
        THEN 'import:' || substr(path, length(rtrim(path, replace(path, '/', ''))) + 25)
        ELSE path
    END;
    CREATE INDEX feedback_files_by_document ON feedback_files (model, document);
    """,
    """
    CREATE TABLE feedback_reading (
        model TEXT NOT NULL,
        path TEXT NOT NULL,
        given TEXT,
        read_with TEXT,
        PRIMARY KEY (model, path)
    );
    """,
    "UPDATE feedback SET prompt_hash = prompt_hash_of(record, prompt_hash);",
    """
    CREATE TABLE screenings (
        model TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        scanner INTEGER NOT NULL,
        findings TEXT NOT NULL,
        released_at TEXT,
        PRIMARY KEY (model, content_hash)
    ) WITHOUT ROWID;
    CREATE INDEX screenings_with_findings ON screenings (model) WHERE findings != '[]';
    """,
    """
    CREATE TABLE prompts (
        id INTEGER PRIMARY KEY,
        model TEXT NOT NULL,
        prompt_hash TEXT NOT NULL,
        messages TEXT NOT NULL,
        origin TEXT NOT NULL,
        source_id TEXT,
        output_type TEXT,
        added_at TEXT NOT NULL,
        UNIQUE (model, prompt_hash)
    );
    CREATE TABLE prompt_keys (
        model TEXT NOT NULL,
        key TEXT NOT NULL,
        prompt_hash TEXT NOT NULL,
        PRIMARY KEY (model, key)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE removals (
        id INTEGER PRIMARY KEY,
        model TEXT NOT NULL,
        why TEXT NOT NULL,
        records INTEGER NOT NULL,
        pieces INTEGER NOT NULL,
        state TEXT NOT NULL,
        begun_at TEXT NOT NULL,
        finished_at TEXT
    );
    CREATE TABLE removing (
        removal INTEGER NOT NULL REFERENCES removals (id),
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        file TEXT NOT NULL,
        line INTEGER NOT NULL
    );
    CREATE TABLE removed_statements (
        model TEXT NOT NULL,
        hash TEXT NOT NULL,
        removal INTEGER NOT NULL,
        PRIMARY KEY (model, hash)
    ) WITHOUT ROWID;
    CREATE TABLE versions_of_removed (
        model TEXT NOT NULL,
        version TEXT NOT NULL,
        removal INTEGER NOT NULL,
        learned INTEGER NOT NULL,
        judged INTEGER NOT NULL,
        PRIMARY KEY (model, version, removal)
    );
    CREATE TABLE reduced_evaluation_sets (
        model TEXT NOT NULL,
        number INTEGER NOT NULL,
        former_hash TEXT NOT NULL,
        cases INTEGER NOT NULL,
        PRIMARY KEY (model, number, former_hash)
    );
    """,
    """
    CREATE TABLE releases (
        schema INTEGER PRIMARY KEY,
        adapterd TEXT NOT NULL,
        since TEXT NOT NULL
    );
    """,
    """
    ALTER TABLE feedback_files ADD COLUMN inode TEXT NOT NULL DEFAULT '';
    ALTER TABLE feedback_files ADD COLUMN position TEXT NOT NULL DEFAULT '';
    ALTER TABLE feedback_files ADD COLUMN log TEXT NOT NULL DEFAULT '';
    CREATE INDEX feedback_files_by_inode ON feedback_files (model, inode) WHERE inode != '';
    CREATE INDEX feedback_files_by_log ON feedback_files (model, log) WHERE log != '';
    """,
    """
    CREATE TABLE unreadable (
        model TEXT NOT NULL,
        path TEXT NOT NULL,
        reason TEXT NOT NULL,
        hint TEXT NOT NULL,
        since TEXT NOT NULL,
        PRIMARY KEY (model, path)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE http_tokens (
        name TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, in_file INTEGER NOT NULL, created_at TEXT NOT NULL,
        revoked_at TEXT
    ) WITHOUT ROWID;
    CREATE TABLE http_posts (
        day TEXT NOT NULL, application TEXT NOT NULL, model TEXT NOT NULL, posts INTEGER NOT NULL,
        records INTEGER NOT NULL, last_at TEXT NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (day, application, model)
    ) WITHOUT ROWID;
    CREATE TABLE http_refusals (
        day TEXT NOT NULL, status INTEGER NOT NULL, refusals INTEGER NOT NULL, event INTEGER NOT NULL,
        PRIMARY KEY (day, status)
    ) WITHOUT ROWID;
    CREATE TABLE http_places (place TEXT PRIMARY KEY, address TEXT NOT NULL, fault TEXT, hint TEXT) WITHOUT ROWID;
    """,
    """
    DROP INDEX feedback_by_content;
    DROP INDEX feedback_by_prompt;
    CREATE INDEX feedback_by_content ON feedback (substr(content_hash, 1, 12), model, created_at);
    CREATE INDEX feedback_by_prompt ON feedback (substr(prompt_hash, 1, 12), model, created_at);
    """,
    """
    CREATE TABLE comparisons (
        id INTEGER PRIMARY KEY,
        model TEXT NOT NULL,
        purpose TEXT NOT NULL,
        ours TEXT NOT NULL,
        ours_digest TEXT NOT NULL,
        theirs TEXT NOT NULL,
        theirs_digest TEXT NOT NULL,
        level REAL NOT NULL,
        horizon INTEGER NOT NULL,
        after_id INTEGER NOT NULL,
        seen_id INTEGER NOT NULL,
        began_at TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        ended_at TEXT,
        log_capital REAL,
        standing TEXT NOT NULL DEFAULT '{}'
    );
    CREATE UNIQUE INDEX one_open_comparison ON comparisons (model, purpose) WHERE state = 'open';
    CREATE TABLE evidence (
        comparison INTEGER NOT NULL REFERENCES comparisons (id),
        look INTEGER NOT NULL,
        at TEXT NOT NULL,
        case_id TEXT NOT NULL,
        record TEXT NOT NULL,
        origin TEXT NOT NULL,
        source TEXT,
        kind TEXT NOT NULL,
        counts TEXT NOT NULL,
        differences TEXT NOT NULL,
        UNIQUE (comparison, case_id)
    );
    CREATE TABLE error_budgets (
        model TEXT NOT NULL,
        purpose TEXT NOT NULL,
        left_over REAL NOT NULL,
        staked REAL NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (model, purpose)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE evaluation_sets ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE evaluation_sets ADD COLUMN grown_from INTEGER;
    ALTER TABLE evaluation_sets ADD COLUMN bridge TEXT;
    UPDATE evaluation_sets SET by_hand = 1 WHERE EXISTS (
        SELECT 1 FROM events WHERE events.model = evaluation_sets.model AND events.kind = 'evaluation.frozen'
        AND events.text LIKE '%: evaluation set ' || evaluation_sets.number || ' frozen by hand with %'
    );
    """,
    """
    CREATE TABLE rubric_scores (
        model TEXT NOT NULL, version TEXT NOT NULL, "case" TEXT NOT NULL, metric TEXT NOT NULL, score REAL NOT NULL,
        given_by TEXT NOT NULL, given_at TEXT NOT NULL, PRIMARY KEY (model, version, "case", metric)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE reviews (
        model TEXT NOT NULL, capture TEXT NOT NULL, slice TEXT NOT NULL, why TEXT NOT NULL, outcome TEXT NOT NULL,
        record TEXT, chance REAL NOT NULL, chosen_at TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (model, capture)
    );
    CREATE TABLE choices (
        id INTEGER PRIMARY KEY,
        model TEXT NOT NULL,
        prompt_hash TEXT NOT NULL,
        messages TEXT NOT NULL,
        ours TEXT NOT NULL,
        ours_digest TEXT NOT NULL,
        ours_answer TEXT NOT NULL,
        theirs TEXT NOT NULL,
        theirs_digest TEXT NOT NULL,
        theirs_answer TEXT NOT NULL,
        ours_first INTEGER NOT NULL,
        made_at TEXT NOT NULL,
        vote TEXT,
        voted_at TEXT,
        record TEXT,
        UNIQUE (model, ours_digest, theirs_digest, prompt_hash)
    );
    DROP INDEX feedback_by_model;
    CREATE INDEX feedback_by_model ON feedback (model, id, withdrawn_at, repeats);
    """,
    """
    CREATE TABLE case_facts (
        model TEXT NOT NULL, "case" TEXT NOT NULL, facts TEXT NOT NULL, changed_at TEXT NOT NULL,
        PRIMARY KEY (model, "case")
    ) WITHOUT ROWID;
    CREATE TABLE rubric_marks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        model TEXT NOT NULL,
        "case" TEXT NOT NULL,
        answer TEXT NOT NULL,
        facts TEXT NOT NULL,
        total INTEGER NOT NULL,
        ticked TEXT NOT NULL,
        on_topic INTEGER NOT NULL,
        marked_at TEXT NOT NULL,
        UNIQUE (model, "case", answer)
    );
    """,
    """
    CREATE TABLE teacher_requests (
        model TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, teacher TEXT NOT NULL, teacher_model TEXT NOT NULL,
        request TEXT NOT NULL, records TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL,
        reply TEXT, reason TEXT, prompt_tokens INTEGER NOT NULL DEFAULT 0, answer_tokens INTEGER NOT NULL DEFAULT 0,
        seconds REAL NOT NULL DEFAULT 0, asked_at TEXT NOT NULL, ended_at TEXT, PRIMARY KEY (model, key)
    );
    CREATE TABLE synthetic_examples (
        id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, kind TEXT NOT NULL, teacher TEXT NOT NULL,
        teacher_model TEXT NOT NULL, prompt_hash TEXT NOT NULL, messages TEXT NOT NULL, answer TEXT NOT NULL,
        rejected TEXT, sources TEXT NOT NULL, source_ids TEXT NOT NULL, records TEXT NOT NULL, request_key TEXT,
        state TEXT NOT NULL, filter TEXT, reason TEXT, run TEXT, created_at TEXT NOT NULL
    );
    CREATE INDEX synthetic_examples_by_state ON synthetic_examples (model, state);
    CREATE INDEX synthetic_examples_by_prompt ON synthetic_examples (prompt_hash);
    """,
    """
    ALTER TABLE synthetic_examples ADD COLUMN decided_at TEXT;
    ALTER TABLE synthetic_examples ADD COLUMN earlier TEXT NOT NULL DEFAULT '[]';
    DROP INDEX synthetic_examples_by_state;
    CREATE INDEX synthetic_examples_by_state ON synthetic_examples (model, state, filter, run);
    CREATE INDEX synthetic_examples_by_decision ON synthetic_examples (model, decided_at)
        WHERE decided_at IS NOT NULL;
    """,
    """
    CREATE TABLE judges (
        model TEXT NOT NULL, judge TEXT NOT NULL, settings TEXT NOT NULL, name TEXT NOT NULL, judge_model TEXT NOT NULL,
        digest TEXT NOT NULL, warnings TEXT NOT NULL, advice TEXT NOT NULL, used_at TEXT NOT NULL,
        PRIMARY KEY (model, judge)
    ) WITHOUT ROWID;
    CREATE TABLE judge_verdicts (
        model TEXT NOT NULL, judge TEXT NOT NULL, choice INTEGER NOT NULL REFERENCES choices (id) ON DELETE CASCADE,
        ours_first REAL, theirs_first REAL, again REAL, at TEXT NOT NULL, PRIMARY KEY (choice, judge)
    ) WITHOUT ROWID;
    CREATE TABLE judge_looks (
        model TEXT NOT NULL, comparison INTEGER NOT NULL REFERENCES comparisons (id) ON DELETE CASCADE,
        number INTEGER NOT NULL, judge TEXT NOT NULL, votes INTEGER NOT NULL, pool INTEGER NOT NULL,
        level REAL NOT NULL, value REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL, advice TEXT NOT NULL,
        at TEXT NOT NULL, PRIMARY KEY (comparison, number)
    ) WITHOUT ROWID;
    """,
)


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one; a semicolon in a text, a comment or a trigger ends none."""
    begun = ""
    for piece in script.split(";"):
        begun += piece
        if sqlite3.complete_statement(f"{begun};"):
            if begun.strip():
                yield f"{begun.strip()};"
            begun = ""
        else:
            begun += ";"
    if rest := begun.removesuffix(";").strip():
        yield rest
