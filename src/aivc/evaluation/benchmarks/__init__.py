"""The frozen benchmarks that come with the package: one stamped JSON each, found through entry points."""

from pathlib import Path

_HERE = Path(__file__).parent

PAPALEXI_UNSEEN_TARGET = _HERE / "papalexi-unseen-target.json"
KANG_UNSEEN_CELL_TYPE = _HERE / "kang-unseen-cell-type.json"
KANG_UNSEEN_DONOR = _HERE / "kang-unseen-donor.json"
REPLOGLE_UNSEEN_GENE = _HERE / "replogle-unseen-gene.json"
REPLOGLE_K562_TO_RPE1 = _HERE / "replogle-k562-to-rpe1.json"
TAHOE_UNSEEN_PAIR = _HERE / "tahoe-unseen-pair.json"
OP3_UNSEEN_PAIR = _HERE / "op3-unseen-pair.json"
SCIPLEX3_UNSEEN_PAIR = _HERE / "sciplex3-unseen-pair.json"
HORLBECK_UNSEEN_PAIRS = _HERE / "horlbeck-unseen-pairs.json"
NORMAN_GEOMETRY = _HERE / "norman-geometry.json"
TAHOE_UNSEEN_DRUG = _HERE / "tahoe-unseen-drug.json"
OP3_UNSEEN_DRUG = _HERE / "op3-unseen-drug.json"
GLIOBLASTOMA_UNSEEN_PATIENT = _HERE / "glioblastoma-unseen-patient.json"
GDSC_FEW_SHOT_LINE = _HERE / "gdsc-few-shot-line.json"
HORLBECK_HIDDEN_PAIRS = _HERE / "horlbeck-hidden-pairs.json"
OP3_FEW_SHOT_TYPE = _HERE / "op3-few-shot-type.json"
OP3_UNSEEN_DRUG_FAMILY = _HERE / "op3-unseen-drug-family.json"
SCIPLEX3_UNSEEN_DRUG = _HERE / "sciplex3-unseen-drug.json"
TAHOE_NEW_LINE = _HERE / "tahoe-new-line.json"
TAHOE_NEW_LINE_TEN = _HERE / "tahoe-new-line-ten.json"
TAHOE_UNSEEN_DRUG_FAMILY = _HERE / "tahoe-unseen-drug-family.json"
