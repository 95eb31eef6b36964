"""Statistics of a study: pure functions of its `Results`."""
