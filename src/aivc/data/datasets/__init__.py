"""The few lines per dataset that turn its original file into a measurement."""

from aivc.data.datasets.gdsc import GDSC
from aivc.data.datasets.image_sets import IMAGES
from aivc.data.datasets.kang2018 import KANG, KANG_LABELLED
from aivc.data.datasets.knowledge_files import KNOWLEDGE
from aivc.data.datasets.norman2019 import NORMAN
from aivc.data.datasets.osmfish import OSMFISH
from aivc.data.datasets.papalexi2021 import PAPALEXI
from aivc.data.datasets.rank_scores import OP3, SCIPLEX, TAHOE
from aivc.data.datasets.record import Dataset
from aivc.data.datasets.replogle2022 import REPLOGLE
from aivc.data.datasets.sachs2005 import SACHS
from aivc.data.datasets.screen_tables import HORLBECK, SCREENS
from aivc.data.datasets.sequence_files import SEQUENCES
from aivc.data.datasets.tissues import TISSUES
from aivc.data.datasets.zhao2021 import ZHAO

_MEASUREMENTS = (
    PAPALEXI,
    KANG,
    KANG_LABELLED,
    NORMAN,
    OSMFISH,
    REPLOGLE,
    TAHOE,
    OP3,
    SCIPLEX,
    GDSC,
    SCREENS,
    HORLBECK,
    SACHS,
    ZHAO,
    *TISSUES,
    *IMAGES,
)

ENTRIES: dict[str, Dataset] = {dataset.name: dataset for dataset in (*_MEASUREMENTS, *KNOWLEDGE, *SEQUENCES)}
