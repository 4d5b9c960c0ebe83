"""The Python environment: the twin of `../../node/`, file by file where the languages allow it."""
