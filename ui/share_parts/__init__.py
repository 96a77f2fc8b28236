"""The parts of `ui.share`: who may come in, what they may do there, and what they see."""

import os

# Libraries read these when they are imported: nothing is reported to anybody, no version is looked up.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
