"""A JSON reader that keeps the place of each value in its file, so that errors can point at it."""
