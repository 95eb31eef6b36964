"""The study file: its format, its designs, and the variants it describes."""
