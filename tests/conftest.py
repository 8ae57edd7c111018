"""Settings that all tests share."""

import os
import sys

from hypothesis import HealthCheck, settings

# The helper modules beside the tests are imported by name.
sys.path.insert(0, os.path.dirname(__file__))

settings.register_profile(
    "kdexent",
    deadline=None,  # the first example of a kernel compiles it
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", parent=settings.get_profile("kdexent"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "kdexent"))
