"""Logits whose calibration is known, and each calibrator in turn."""

import pytest
from calibrators import OF_MANY, over_confident


@pytest.fixture
def drawn():
    return over_confident


@pytest.fixture(params=sorted(OF_MANY))
def calibrator(request):
    """Each calibrator of three classes, not fitted."""
    return OF_MANY[request.param]()
