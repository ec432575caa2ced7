"""Every row of one model, in whatever table: what is known of it, and how it is forgotten."""

from adapterd.store.database import Database


def tables_with_models(database: Database) -> list[str]:
    """The tables whose rows belong to a model each."""
    rows = database.rows(
        "SELECT m.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c "
        "WHERE m.type = 'table' AND c.name = 'model' ORDER BY m.name"
    )
    return [row[0] for row in rows]


def known_models(database: Database) -> set[str]:
    """The models of which any row but their history is left."""
    tables = [name for name in tables_with_models(database) if name != "events"]
    found = {row[0] for name in tables for row in database.rows(f"SELECT DISTINCT model FROM {name}")}  # noqa: S608 (a table of ours)
    return {model for model in found if model}


def rows_of(database: Database, model: str) -> dict[str, int]:
    """How many rows each table has of the model; tables without any are left out."""
    counted = {
        name: database.rows(f"SELECT count(*) FROM {name} WHERE model = ?", (model,))[0][0]  # noqa: S608 (a table of ours)
        for name in tables_with_models(database)
    }
    return {name: count for name, count in counted.items() if count}


def forget_model(database: Database, model: str) -> None:
    """Delete every row of the model, those that hang on others first. Belongs into a transaction."""
    database.execute("DELETE FROM stages WHERE run_id IN (SELECT id FROM runs WHERE model = ?)", (model,))
    database.execute("DELETE FROM removing WHERE removal IN (SELECT id FROM removals WHERE model = ?)", (model,))
    database.execute("DELETE FROM evidence WHERE comparison IN (SELECT id FROM comparisons WHERE model = ?)", (model,))
    for name in tables_with_models(database):
        database.execute(f"DELETE FROM {name} WHERE model = ?", (model,))  # noqa: S608 (a table of ours)


def forget_versions(database: Database, model: str) -> None:
    """Delete what tags would be put back by: versions, deployments and begun changes. Belongs into a transaction."""
    for name in ("intents", "deployments", "versions"):
        database.execute(f"DELETE FROM {name} WHERE model = ?", (model,))  # noqa: S608 (a table of ours)
