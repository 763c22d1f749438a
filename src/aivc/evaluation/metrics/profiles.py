"""Metric profiles: named sets of metrics for one purpose, or as another benchmark has them."""

from types import MappingProxyType

from aivc.core.errors import UnknownNameError
from aivc.core.registry import METRICS
from aivc.core.registry import PROFILES as REGISTERED
from aivc.evaluation.metrics.across import PEARSON_ACROSS, PEARSON_ACROSS_RELATIVE
from aivc.evaluation.metrics.distribution import MMD_RBF, VARIANCE_RATIO
from aivc.evaluation.metrics.effect_sizes import R2_WEIGHTED, RMSE_DELTA, WMSE
from aivc.evaluation.metrics.metric import Metric
from aivc.evaluation.metrics.uncertainty import ON_REQUEST as CALIBRATION
from aivc.evaluation.metrics.vcc2025 import THREE
from aivc.evaluation.metrics.vcc2026 import SIX

PROFILES = MappingProxyType(
    {
        "default": (
            "pearson-delta",
            "pearson-systema",
            "cosine-delta",
            "pds-cosine",
            "pds-relative",
            "pds-retrieval",
            "centroid-accuracy",
            "rank-perturbench",
            "mse-unbiased",
            "energy-distance",
            "coverage90",
            "width90",
            "interval-score",
        ),
        "perturbench": ("rmse-delta", "cosine-delta", "rank-perturbench"),
        "systema": ("pearson-systema", "centroid-accuracy"),
        "across": (
            "pearson-across",
            "pearson-across-relative",
            "mse-unbiased",
            "coverage90",
            "width90",
            "interval-score",
        ),
        "weighted": ("wmse", "r2-weighted"),
        "distribution": ("energy-distance", "mmd-rbf", "variance-ratio"),
        "calibration": (
            "coverage50",
            "coverage80",
            "coverage90",
            "coverage95",
            "width90",
            "crps",
            "crps-normalized",
            "interval-score",
            "width-error-spearman",
            "sigma-error-spearman",
            "aurc",
        ),
        "vcc2025": tuple(THREE),
        "vcc2026": tuple(SIX),
    }
)

_MORE = (
    RMSE_DELTA,
    WMSE,
    R2_WEIGHTED,
    MMD_RBF,
    VARIANCE_RATIO,
    PEARSON_ACROSS,
    PEARSON_ACROSS_RELATIVE,
    *CALIBRATION,
)
# Not registered, so that every report does not carry them.
_ON_REQUEST = MappingProxyType({each.name: each for each in _MORE} | dict(THREE) | dict(SIX))


def metric(name: str) -> Metric:
    """Return a metric by name, registered or kept for a profile.

    Raises:
        UnknownNameError: No metric has this name.

    >>> metric("wmse").direction
    'down'
    """
    if name in METRICS.names():
        found: Metric = METRICS.load(name)
        return found
    if name not in _ON_REQUEST:
        remedy = "A package adds one through the entry point aivc.metrics."
        raise UnknownNameError("metric", name, [*METRICS.names(), *_ON_REQUEST], remedy)
    return _ON_REQUEST[name]


def profile(name: str) -> tuple[Metric, ...]:
    """Return the metrics of a profile, in the order in which they are shown.

    Args:
        name: ``default`` (what every evaluation reports), ``across`` (tables of one reading), ``perturbench``,
            ``systema``, ``weighted``, ``distribution``, ``calibration``, ``vcc2025`` or ``vcc2026``; or one that a
            package registers under ``aivc.profiles``: names of metrics, in order.

    Raises:
        UnknownNameError: No such profile, or it names a metric that there is not.

    >>> [each.name for each in profile("systema")]
    ['pearson-systema', 'centroid-accuracy']
    """
    if name in PROFILES:
        return tuple(metric(each) for each in PROFILES[name])
    if name not in REGISTERED.names():
        remedy = "A package adds one through the entry point aivc.profiles."
        raise UnknownNameError("metric profile", name, [*PROFILES, *REGISTERED.names()], remedy)
    return tuple(metric(each) for each in REGISTERED.load(name))
