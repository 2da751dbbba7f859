"""From a scene to a verified archive: what is decided, how tiles are coded to the target, what is written."""
