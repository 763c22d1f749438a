"""Entropic optimal transport between weighted point clouds: which of one could have become which of the other."""

from aivc.nn.transport.batched import pair, sinkhorn, squared_distances
from aivc.nn.transport.certificate import Certificate
from aivc.nn.transport.couple import PlanSettings, couple
from aivc.nn.transport.coupling import Coupling

__all__ = ["Certificate", "Coupling", "PlanSettings", "couple", "pair", "sinkhorn", "squared_distances"]
