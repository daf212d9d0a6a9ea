"""Settings of all tests."""

from hypothesis import settings

# No test is timed: a machine that is busy for half a second is no defect of ours.
settings.register_profile("sealcam", deadline=None)
settings.load_profile("sealcam")
