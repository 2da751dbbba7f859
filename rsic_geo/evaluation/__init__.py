"""Workshop: numbers about speed and quality. Nothing of the library imports it but the verbs that run it."""
