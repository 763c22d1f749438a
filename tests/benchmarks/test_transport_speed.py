"""Which way of OTT is quoted: the quickest whose returned plan is within the tolerance that others are held to."""

import pytest


def test_a_way_outside_of_the_tolerance_is_not_quoted() -> None:
    pytest.importorskip("ot")
    import transport_speed

    good = {"cpu_s": 3.0, "converged": True, "error": 0.0008}
    ways = {
        "slow": {**good, "cpu_s": 5.0},
        "good": good,
        "off": {**good, "cpu_s": 1.0, "error": 0.01},
        "not converged": {**good, "cpu_s": 0.5, "converged": False},
        "no number": {**good, "cpu_s": 0.1, "error": None},
    }
    assert transport_speed.fastest(ways) == "good"
    assert transport_speed.fastest({"off": ways["off"]}) is None
