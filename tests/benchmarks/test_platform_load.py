import pytest
from platform_load import Load, percentile


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 10), (0.95, 19), (1.0, 20), (0.01, 1)])
def test_a_percentile_is_a_value_that_was_met(share, wanted):
    assert percentile([float(i) for i in range(1, 21)], share) == wanted


def test_figures_say_how_many_and_how_long():
    met = Load()
    met.seconds["read"] += [0.3, 0.1, 0.2]
    assert met.figures("read") == {"n": 3, "p50_s": 0.2, "p95_s": 0.3}
