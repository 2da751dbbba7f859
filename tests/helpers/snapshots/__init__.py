"""Scenes that say something unusual of themselves, and programs that look at them."""
