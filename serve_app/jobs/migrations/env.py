"""Alembic runs this; the connection, with its transaction begun, is `bring_up_to_date`'s."""

from alembic import context

from serve_app.jobs.migrations import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
