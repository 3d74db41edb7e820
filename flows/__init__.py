"""Prefect flows and the `cleanplate` command: what a person or a schedule starts."""
