"""Runs the migrations on the connection that `collector.store.schema` hands over, inside its transaction."""

from alembic import context

from collector.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can take back DDL too, once sqlite3's own transactions are out of the way.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
