"""Imported before ONNX Runtime: nothing of what it runs is reported to anyone.

From 1.29 on its packages for Linux and macOS send events to their maker, as those for Windows did before, and keep a
device identifier in the user's cache, unless ``ORT_DISABLE_TELEMETRY`` says no before they are loaded (pull requests
27379 and 29843 of microsoft/onnxruntime). Set it to 0 to let them. A host that has loaded ONNX Runtime before has
decided for itself.
"""

import os
import sys

if "onnxruntime" not in sys.modules:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
