"""Counts as what they are: a negative binomial likelihood, and an autoencoder that decodes shares of a total."""

from typing import final

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

_HIDDEN, _DROPOUT, _SPAN = 128, 0.1, 9.0


def nb_log_likelihood(
    count_nf: Float[Tensor, "n f"], log_mean_nf: Float[Tensor, "n f"], log_dispersion_f: Float[Tensor, " f"]
) -> Float[Tensor, "n f"]:
    """Log probability of each count under a negative binomial of variance ``mean + mean**2 / dispersion``.

    Args:
        count_nf: Zero or more; not only whole numbers, so that corrected counts have a likelihood too.
        log_mean_nf: Natural log of the mean.
        log_dispersion_f: Natural log of the dispersion of each feature; the larger, the nearer to a Poisson.

    >>> once = nb_log_likelihood(torch.ones(1, 1), torch.zeros(1, 1), torch.zeros(1))
    >>> round(float(once.exp()), 4)
    0.25
    """
    size_f = log_dispersion_f.exp()
    above_nf = log_mean_nf - log_dispersion_f
    likely_nf = count_nf * above_nf - (count_nf + size_f) * F.softplus(above_nf)
    # A count of zero can come about in one way only: the factorials, which cost most, are those of few entries.
    some_nf = count_nf > 0
    count_k, size_k = count_nf[some_nf], size_f.expand_as(count_nf).masked_select(some_nf)
    ways_k = torch.lgamma(count_k + size_k) - torch.lgamma(size_k) - torch.lgamma(count_k + 1)
    return likely_nf + torch.zeros_like(likely_nf).masked_scatter(some_nf, ways_k)


@final
class CountNetwork(nn.Module):
    """A variational autoencoder of counts with one hidden layer on either side (Lopez et al. 2018).

    Normalization is within a cell, so that what a cell becomes does not depend on those beside it.

    Args:
        features: Counts of a cell.
        dim: Axes of a state.
        batches: Columns that tell the decoder where a cell is from; 0 for none.
    """

    def __init__(self, features: int, dim: int, batches: int) -> None:
        super().__init__()
        self.read = nn.Sequential(nn.Linear(features, _HIDDEN), nn.LayerNorm(_HIDDEN), nn.ReLU(), nn.Dropout(_DROPOUT))
        self.mean = nn.Linear(_HIDDEN, dim)
        self.spread = nn.Linear(_HIDDEN, dim)
        self.write = nn.Sequential(nn.Linear(dim + batches, _HIDDEN), nn.LayerNorm(_HIDDEN), nn.ReLU())
        self.share = nn.Linear(_HIDDEN, features)
        self.log_dispersion = nn.Parameter(torch.zeros(features))

    def posterior(self, count_nf: Float[Tensor, "n f"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """Mean and variance of each state."""
        seen_nh = self.read(torch.log1p(count_nf))
        return self.mean(seen_nh), self.spread(seen_nh).clamp(-_SPAN, _SPAN).exp()

    def log_shares(self, z_nd: Float[Tensor, "n d"], batch_nb: Float[Tensor, "n b"]) -> Float[Tensor, "n f"]:
        """Natural log of the expected share of each feature in a cell's total; shares add up to one."""
        return self.share(self.write(torch.cat([z_nd, batch_nb], dim=1))).log_softmax(dim=1)

    def forward(
        self, count_nf: Float[Tensor, "n f"], batch_nb: Float[Tensor, "n b"]
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"], Float[Tensor, "n f"]]:
        """Mean and variance of each state, and the log likelihood of the counts given one draw of it.

        The total of a cell is taken as it was observed.
        """
        mean_nd, variance_nd = self.posterior(count_nf)
        z_nd = mean_nd + variance_nd.sqrt() * torch.randn_like(mean_nd)
        log_mean_nf = self.log_shares(z_nd, batch_nb) + count_nf.sum(dim=1, keepdim=True).log()
        likely_nf = nb_log_likelihood(count_nf, log_mean_nf, self.log_dispersion.clamp(-_SPAN, _SPAN))
        return mean_nd, variance_nd, likely_nf
