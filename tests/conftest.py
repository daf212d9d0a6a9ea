"""Settings of all tests."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# No test is timed: a machine that is busy for half a second is no defect of ours.
settings.register_profile("sealcam", deadline=None)
settings.load_profile("sealcam")


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    """A program that a test runs in this process sets its own, which must not stay for other tests."""
    mask = os.umask(0o022)
    yield
    os.umask(mask)
