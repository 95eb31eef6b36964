"""JSON that remembers where each value stands in its file, so that every error can point at it."""
