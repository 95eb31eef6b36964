"""What `replicate.py` runs: published results in groups, and how each is judged. Not installed."""
