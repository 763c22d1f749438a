"""Pre-train the sequence language model ``xs`` on proteins, coding RNA and regulatory DNA and RNA; ship and measure it.

Run: AIVC_DATA=/path/to/data python benchmarks/pretrain_sequences.py
The weights, their card and their test vectors go into the package, the numbers into benchmarks/results. A run that was
interrupted goes on where it was. The proteins come from Debian's package mmseqs2-examples (needs ``apt-get`` and
``dpkg-deb`` unless --proteins names the file).
"""

import argparse
import csv
import gzip
import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from aivc.core.molecule import Molecule
from aivc.core.state import State, write_text
from aivc.representations.molecular import pretrain
from aivc.representations.molecular.alphabet import LETTERS, MASK, STOP, SYMBOLS, coding_rna, encode, first_symbol
from aivc.representations.molecular.pretrain import Crops, SequenceSource
from aivc.representations.molecular.sequence_model import WEIGHTS, SequenceModel
from aivc.representations.molecular.sequence_network import SequenceNetwork, shape_of
from aivc.training.checkpoint import Checkpoints, arrays_of, load_arrays
from aivc.training.loop import Batch, TrainingRecipe, Validation, train

RESULT = Path(__file__).parent / "results" / "pretrain_sequences.json"
WORK = Path("out/pretrain_sequences")
ARCHIVE = "usr/share/doc/mmseqs2/example-data/DB.fasta.gz"
CROP, SEED, ROUND = 128, 0, 100
# Barcoded constructs share these ends; what lies between them is the element that was tested.
FLANK = 15
RATE = 2.5e-3
LICENSE = "Apache-2.0 (weights). Trained on: UniProt (CC BY 4.0); others as the catalog says of each data set."
LIMITS = [
    "A small model, trained for minutes on one processor core: it knows composition and short patterns, and no folds.",
    "Held-out proteins were drawn at random, so that some have relatives among the training proteins; the numbers for "
    "those that share no 8 letters with any are given too.",
    "DNA and RNA were seen as short elements of four assays and as drawn coding sequences, not as genomes.",
    "Coding RNAs were drawn with human codon usage; no natural transcript was seen.",
    "No measured value of any data set was used.",
]


class PlateauOverError(Exception):
    """The minutes given for the plateau are over."""


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--preset", default="xs")
    ask.add_argument("--plateau", type=int, default=1200, help="steps at the full learning rate")
    ask.add_argument("--cool", type=int, default=300, help="steps over which it falls")
    ask.add_argument("--minutes", type=float, default=None, help="end the plateau after so many minutes instead")
    ask.add_argument("--precision", default="32-true")
    ask.add_argument("--accelerator", default="cpu")
    ask.add_argument("--devices", type=int, default=1)
    ask.add_argument("--proteins", type=Path, default=None, help="DB.fasta.gz of mmseqs2-examples")
    ask.add_argument("--work", type=Path, default=WORK)
    args = ask.parse_args()
    torch.set_num_threads(1)
    files = data_files(args)
    sources, held = corpus(files)
    print({source.name: len(source.sequences) for source in sources}, len(held), flush=True)
    network, log = learn(args, sources, held)
    ship(network, args, sources, held, files, log)


def learn(args: argparse.Namespace, sources: list[SequenceSource], held: list[str]) -> tuple[SequenceNetwork, dict]:
    """A plateau, then a fall to almost nothing; both can be interrupted."""
    crops = Crops(sources, CROP, SEED)
    torch.manual_seed(SEED)
    network = SequenceNetwork(shape_of(args.preset))
    common = TrainingRecipe(
        args.plateau,
        seed=SEED,
        rate=RATE,
        warmup=100,
        floor=1.0,
        decay=0.05,
        precision=args.precision,
        accelerator=args.accelerator,
        devices=args.devices,
        strategy="auto" if args.devices == 1 else "ddp",
    )
    note = args.work / "plateau.json"
    start = time.monotonic()

    def progress(step: int, losses: dict[str, float]) -> None:
        if step % 20 == 0:
            shown = {name: round(value, 3) for name, value in losses.items()}
            print(step, round(time.monotonic() - start), shown, flush=True)

    def timed(step: int, losses: dict[str, float]) -> None:
        progress(step, losses)
        # One step after a checkpoint, which is therefore whole.
        if args.minutes and step % ROUND == 1 and step > ROUND and time.monotonic() - start > 60 * args.minutes:
            raise PlateauOverError

    plateau = Checkpoints(args.work / "plateau", every=ROUND)
    try:
        if not note.exists():
            train(network, pretrain.objective, crops, common, checkpoints=plateau, progress=timed)
            write_text(note, json.dumps({"steps": common.steps}))
    except PlateauOverError:
        write_text(note, json.dumps({"steps": int(plateau.latest().name.removeprefix("step-"))}))
    done = json.loads(note.read_text())["steps"]
    take_weights(network, plateau)

    def later(step: int, rank: int, world: int) -> Batch:
        return crops(done + step, rank, world)

    def score(model: torch.nn.Module) -> float:
        return pretrain.guess_hidden(model, held[:300], crop=CROP)["loss"]

    recipe = replace(common, steps=args.cool, warmup=10, floor=0.02)
    cooled = Checkpoints(args.work / "cool", every=ROUND)
    history = train(
        network,
        pretrain.objective,
        later,
        recipe,
        checkpoints=cooled,
        validation=Validation(score, every=ROUND),
        progress=progress,
    )
    log = {"plateau": done, "cool": history.steps, "validation": history.scores, "best": history.best}
    return network, log


def take_weights(network: SequenceNetwork, where: Checkpoints) -> None:
    """The weights of a finished plateau."""
    arrays = State.load(where.latest()).arrays
    load_arrays(network, {k.removeprefix("model."): v for k, v in arrays.items() if k.startswith("model.")})


def data_files(args: argparse.Namespace) -> dict[str, Path]:
    """Every file that is read, by the name it has on the card."""
    folder = Path(os.environ["AIVC_DATA"]) / "G"
    return {
        "UniProt proteins (Debian mmseqs2-examples, DB.fasta.gz)": args.proteins or fetched(args.work),
        "yeast proteins": folder / "yeast_proteins_5664.fasta.gz",
        "lentiMPRA HepG2": folder / "lentimpra_agarwal" / "val_HepG2.tsv.gz",
        "lentiMPRA WTC11": folder / "lentimpra_agarwal" / "val_WTC11.tsv.gz",
        "fast-UTR": folder / "fastutr_mpra_jurkat.tsv.gz",
        "sort-seq": folder / "mavenn" / "sortseq_data.csv.gz",
        "MPSA": folder / "mavenn" / "mpsa_data.csv.gz",
    }


def fetched(work: Path) -> Path:
    """The proteins of Debian's package of examples, downloaded once."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / ARCHIVE).exists():
        if not list(work.glob("mmseqs2-examples_*.deb")):
            subprocess.run(["apt-get", "download", "mmseqs2-examples"], cwd=work, check=True)
        archive = next(work.glob("mmseqs2-examples_*.deb"))
        subprocess.run(["dpkg-deb", "-x", archive.name, "."], cwd=work, check=True)
    return work / ARCHIVE


def corpus(files: dict[str, Path]) -> tuple[list[SequenceSource], list[str]]:
    """What is trained on, and the proteins that are held out."""
    uniprot, yeast, hepg2, wtc11, utr, sort_seq, mpsa = files.values()
    proteins = {name: sorted(set(fasta(path))) for name, path in (("uniprot", uniprot), ("yeast", yeast))}
    held = sorted({s for found in proteins.values() for s in found if is_held(s)})
    kept = {name: [s for s in found if not is_held(s)] for name, found in proteins.items()}
    elements = sorted({row["seq"][FLANK:-FLANK] for path in (hepg2, wtc11) for row in table(path, "\t")})
    utrs = sorted({line.split("\t")[0] for line in lines(utr)})
    return [
        SequenceSource("UniProt proteins", "protein", kept["uniprot"], rows=24, coding=5),
        SequenceSource("yeast proteins", "protein", kept["yeast"], rows=5, coding=1),
        SequenceSource("lentiMPRA elements, half of the families", "dna", halved(elements, both_strands=True), rows=3),
        SequenceSource("sort-seq promoters, training set", "dna", training(sort_seq), rows=1),
        SequenceSource("fast-UTR 3'UTR, half of the families", "rna", halved(utrs, both_strands=False), rows=2),
        SequenceSource("MPSA 5' splice sites, training set", "rna", training(mpsa), rows=1),
    ], held


def is_held(sequence: str) -> bool:
    """One protein in twenty, by its hash."""
    return hashlib.sha256(sequence.encode()).digest()[0] < 13


def halved(sequences: list[str], *, both_strands: bool) -> list[str]:
    """The families of `pretrain.seen_half`; an element and its reverse complement are of one."""
    turned = str.maketrans("ACGT", "TGCA")
    named = [min(s, s.translate(turned)[::-1]) if both_strands else s for s in sequences]
    return [s for s, seen in zip(sequences, pretrain.seen_half(named), strict=True) if seen]


def training(path: Path) -> list[str]:
    return sorted({row["x"] for row in table(path, ",") if row["set"] == "training"})


def lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as opened:
        yield from (line.rstrip("\n") for line in opened)


def table(path: Path, separator: str) -> Iterable[dict[str, str]]:
    return csv.DictReader(lines(path), delimiter=separator)


def fasta(path: Path) -> Iterator[str]:
    letters: list[str] = []
    for line in lines(path):
        if line.startswith(">"):
            if letters:
                yield "".join(letters)
            letters = []
        else:
            letters.append(line.strip())
    yield "".join(letters)


def ship(
    network: SequenceNetwork,
    args: argparse.Namespace,
    sources: list[SequenceSource],
    held: list[str],
    files: dict[str, Path],
    log: dict,
) -> None:
    """Write the weights with their card and test vectors into the package, and the numbers into the results."""
    cards = [source.card() for source in sources]
    model = SequenceModel(
        shape_of(args.preset), arrays_of(network), {"sequences": cards, "license": LICENSE}, pretrain.marks(sources)
    )
    folder = WEIGHTS / args.preset
    model.state().save(folder)
    # What is measured is what was written.
    model = SequenceModel.from_state(State.load(folder))
    numbers = measure(model, sources, held)
    body = {
        "command": f"python benchmarks/pretrain_sequences.py --plateau {log['plateau']} --cool {log['cool']}",
        "training": {**log, "crop": CROP, "rows": sum(s.rows + s.coding for s in sources), "rate": RATE},
        "numbers": numbers,
        "machine": machine(),
    }
    write_text(RESULT, json.dumps(body, indent=1) + "\n")
    card = {
        "name": f"{model.name} {args.preset}",
        "digest": model.provenance["digest"],
        "parameters": sum(array.size for array in model.weights.values()),
        "license": LICENSE,
        "command": body["command"],
        "training": body["training"],
        "saw": cards,
        "files": {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()},
        "held_out": "One protein in twenty, by the first byte of its sha256 (below 13); of lentiMPRA and fast-UTR half "
        "of the families of sequences that share 20 letters; of sort-seq and MPSA all but the published training set.",
        "numbers": numbers,
        "limits": LIMITS,
    }
    write_text(folder / "card.json", json.dumps(card, indent=1) + "\n")
    write_text(folder / "vectors.json", json.dumps(vectors(model), indent=1) + "\n")
    print(json.dumps(body, indent=1))


def measure(model: SequenceModel, sources: list[SequenceSource], held: list[str]) -> dict:
    """Hidden letters of held-out proteins beside counts, codons read, RNA matched to its protein, and speed."""
    train_on = [s for source in sources if source.kind == "protein" for s in source.sequences]
    known = {s[i : i + 8] for s in train_on for i in range(len(s) - 7)}
    fresh = [s for s in held if not any(s[i : i + 8] in known for i in range(len(s) - 7))]
    found = {}
    for name, proteins in (("held_out_proteins", held), ("held_out_proteins_sharing_no_8_letters", fresh)):
        own = pretrain.guess_hidden(model.network, proteins, crop=CROP)
        found[name] = {
            "proteins": len(proteins),
            "model": own,
            **pretrain.guess_by_counts(train_on, proteins, crop=CROP),
        }
    return {**found, "codons": codons(model, held[:300]), "speed": speed(model, held[:300])}


def codons(model: SequenceModel, proteins: list[str]) -> dict:
    """Amino acids read from drawn RNAs, with codons in sight and hidden; and RNAs matched to proteins by vector."""
    rng = np.random.default_rng(1)
    crops = [p[:40] for p in proteins if set(p[:40]) <= set(LETTERS["protein"]) and len(p) >= 40]
    amino = np.stack([encode(crop, "protein") for crop in crops])
    rna = np.stack([coding_rna(row, rng) for row in amino])
    hidden = rna.copy()
    hidden[:, 57:60] = MASK
    read = {}
    with torch.inference_mode():
        for name, symbols in (("in_sight", rna), ("hidden", hidden)):
            logits = model.network(torch.from_numpy(symbols), torch.full((len(rna),), 1))[1][:, 1::3]
            guess = logits[..., first_symbol("protein") : STOP + 1].argmax(-1).numpy() + first_symbol("protein")
            right = guess == amino
            read[name] = float(right.mean() if name == "in_sight" else right[:, 19].mean())
    texts = ["".join(SYMBOLS[c] for c in row).replace("T", "U") for row in rna]
    of_rna = model.embed([Molecule("rna", text) for text in texts]).values
    of_protein = model.embed([Molecule("protein", "crop", sequence=crop) for crop in crops]).values
    of_rna, of_protein = (x - x.mean(0) for x in (of_rna, of_protein))
    cosine = (of_rna @ of_protein.T) / np.outer(np.linalg.norm(of_rna, axis=1), np.linalg.norm(of_protein, axis=1))
    rank = (cosine > np.diag(cosine)[:, None]).sum(1)
    return {
        "amino_acid_read_from_codon_in_sight": read["in_sight"],
        "amino_acid_guessed_from_hidden_codon": read["hidden"],
        "rna_finds_its_protein_top1": float((rank == 0).mean()),
        "rna_finds_its_protein_median_rank": float(np.median(rank) + 1),
        "among": len(crops),
    }


def speed(model: SequenceModel, proteins: list[str]) -> dict:
    start = time.perf_counter()
    model.embed([Molecule("protein", "held", sequence=p) for p in proteins])
    letters = sum(map(len, proteins))
    return {"letters_per_second_one_thread": round(letters / (time.perf_counter() - start)), "letters": letters}


def vectors(model: SequenceModel) -> dict:
    """Inputs and what the model says of them, to be asked again wherever the weights are used."""
    ubiquitin = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"
    inputs = [
        ("protein", ubiquitin),
        ("protein", ubiquitin * 5),
        ("dna", "TTGACATGATAGACTCGATATAATGGCGCGATCCA"),
        ("rna", "AUGCAGAUUUUCGUGAAAACCCUUACGGGGAAG"),
    ]
    found = model.embed([Molecule(kind, "input", sequence=text) for kind, text in inputs]).values
    changes = [ubiquitin.replace("TIENVKAK", "TIEPVKAK"), ubiquitin.replace("LIFAG", "LIYAG"), ubiquitin[:-2]]
    return {
        "tolerance": 1e-4,
        "inputs": [
            {"kind": kind, "sequence": text, "first": np.round(row[:8], 7).tolist()}
            for (kind, text), row in zip(inputs, found, strict=True)
        ],
        "variants": [
            {
                "kind": "protein",
                "reference": ubiquitin,
                "variant": change,
                "score": model.score_variant(ubiquitin, change),
            }
            for change in changes
        ],
    }


def machine() -> dict:
    return {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "torch", "numpy", "lightning-fabric")},
    }


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
