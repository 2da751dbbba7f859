"""Every verb of the command line, in the module of its name, as the command of its name."""
