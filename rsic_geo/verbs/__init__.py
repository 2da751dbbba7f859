"""The verbs: what the package exports and the command line calls."""
