"""Trackers of these tests write into a directory of their own, and tell nobody; their libraries read that early."""

import os
from tempfile import TemporaryDirectory

DATABASES = TemporaryDirectory()
os.environ["TRACKIO_DIR"] = DATABASES.name
os.environ["WANDB_ERROR_REPORTING"] = "false"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
