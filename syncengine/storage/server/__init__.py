"""A Postgres server of our own, for users without one."""
