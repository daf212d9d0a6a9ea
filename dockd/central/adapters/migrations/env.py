"""Alembic runs this for every command: the versions, over the connection that `upgrading` was handed."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
