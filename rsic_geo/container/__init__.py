"""Containers: files and their boxes. They know bytes, not pixels."""
