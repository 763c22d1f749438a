"""What a change to a gene amounts to, where its text alone says so."""

from aivc.core.errors import MoleculeError
from aivc.core.perturbation import Agent, Perturbation
from aivc.core.variant import Variant


def consequence(perturbation: Perturbation) -> Perturbation:
    """Say a perturbation in terms that every manipulator knows.

    A variant that ends its protein early, by a stop codon or a frame shift, is a knock-out of its gene; one that
    changes no amino acid does nothing. What other variants do is not in their text: they stay as they are.

    >>> str(consequence(Perturbation.parse("variant:TP53:p.R175* + drug:nutlin-3@10uM")))
    'drug:nutlin-3@10uM + ko:TP53'
    >>> consequence(Perturbation.parse("variant:TP53:p.R175=")).is_control
    True
    """
    if not any(agent.kind == "variant" for agent in perturbation.agents):
        return perturbation
    agents = dict.fromkeys(found for agent in perturbation.agents if (found := _consequence(agent)) is not None)
    return Perturbation(tuple(agents), perturbation.hours if agents else None)


def _consequence(agent: Agent) -> Agent | None:
    _, _, text = agent.target.partition(":")
    if agent.kind != "variant" or not text:
        return agent
    try:
        variant = Variant.parse(text)
    except MoleculeError:
        # Written in a way of its own, such as a haplotype's name: it is a label, and looked up as one.
        return agent
    if variant.is_synonymous:
        return None
    return Agent("ko", agent.molecule, where=agent.where) if variant.ends_early else agent
