import pytest

from aivc.service.rate_limits import RateLimit
from aivc.service.refusals import TooOftenError


def test_a_bucket_empties_and_fills_up_again():
    now = [0.0]
    limit = RateLimit(60, clock=lambda: now[0])
    for _ in range(60):
        limit.take("ada")
    with pytest.raises(TooOftenError) as caught:
        limit.take("ada")
    assert caught.value.headers["Retry-After"] == "2"
    limit.take("bob")
    now[0] = 1.0
    limit.take("ada")
    with pytest.raises(TooOftenError):
        limit.take("ada")
