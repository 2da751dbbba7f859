"""Servers that tests read from and write to, and what that costs."""
