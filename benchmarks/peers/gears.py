"""GEARS (cell-gears) on an export: `PEER/bin/python benchmarks/peers/gears.py DIR OUT [EPOCHS [CELLS]]`.

Its own sizes, losses and training, on up to CELLS cells of each perturbation and of the control. Its graph between
perturbations is made as it makes it, from shared terms of GO (Jaccard above 0.1, twenty nearest), but of the terms in
the export, because its own table is fetched from the net. It keeps its best epoch by other cells of the perturbations
it is trained on, so that all of these stay in training. `gears.h5ad` holds its output on control cells,
`gears-delta.h5ad` control cells moved by the difference between its outputs with and without the perturbation.
"""

import pickle
import sys
import tempfile
import time
from pathlib import Path

import exchange

exchange.single_thread()

import numpy as np  # noqa: E402


def main(folder, out, epochs=10, most=150):
    epochs, most = int(epochs), int(most)
    budget = f"{epochs} epochs, up to {most} cells a perturbation"
    packages = ["cell-gears", "torch", "torch_geometric"]
    book, delta = (exchange.Book(name, out, packages, budget=budget) for name in ("gears", "gears-delta"))
    for fold, given in exchange.exports(folder):
        began = time.process_time()
        with tempfile.TemporaryDirectory() as scratch:
            model, answer = trained(given, Path(scratch), epochs, most)
        fitted = time.process_time()
        for question in exchange.questions(given):
            rows = exchange.starts(given, question)
            gene = given.targets[question["perturbation"]]
            with_nf = predicted(model, given.x[rows], [model.pert_list.index(gene)])
            without_nf = predicted(model, given.x[rows], [-1])
            book.add(fold, question, with_nf)
            delta.add(fold, question, exchange.moved(given.x[rows], (with_nf - without_nf).mean(axis=0)))
        seconds = {"train_cpu_s": round(fitted - began, 1), "predict_cpu_s": round(time.process_time() - fitted, 1)}
        for each in (book, delta):
            each.fold(fold, **seconds, **answer)
    for each in (book, delta):
        each.write(given.features, given.total)


def trained(given, scratch, epochs, most):
    import anndata
    import pandas as pd
    import torch
    from gears import GEARS, PertData
    from scipy import sparse

    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - it draws control cells from there
    rng = np.random.default_rng(0)
    label = given.perturbation
    kept = [rng.permutation(np.flatnonzero(label == each))[:most] for each in set(label) - {exchange.CONTROL}]
    rows = np.sort(np.concatenate([*kept, given.controls]))
    named = {text: f"{gene}+ctrl" for text, gene in given.targets.items()} | {exchange.CONTROL: "ctrl"}
    obs = pd.DataFrame({"condition": [named[each] for each in label[rows]], "cell_type": "cells"})
    cells = anndata.AnnData(sparse.csr_matrix(given.x[rows]), obs=obs.set_index(rows.astype(str)))
    cells.var = pd.DataFrame({"gene_name": given.features}, index=given.features)
    targets = set(given.targets.values())
    # A target without any term stands alone in the graph; its embedding then stays as it was drawn.
    terms = {gene: given.terms.get(gene, {f"only {gene}"}) for gene in {*targets, *given.features}}
    for file, held in {"gene2go_all.pkl": terms, "genes.pkl": sorted(terms)}.items():
        (scratch / file).write_bytes(pickle.dumps(held))
    data = PertData(str(scratch), gene_set_path=str(scratch / "genes.pkl"))
    data.new_data_process("export", adata=cells)
    data.dataset_processed["ctrl"] = data.dataset_processed["ctrl"][:most]
    asked = {given.targets[text] for text in given.asked["perturbation"]}
    training = sorted(set(obs["condition"]) - {"ctrl"})
    assert not {f"{gene}+ctrl" for gene in asked} & set(training)
    # What prepare_split does for its split without a test set, with our own choice of what is set apart.
    data.dataset_processed["apart"] = []
    for each in training:
        graphs = data.dataset_processed[each]
        cut = max(1, len(graphs) // 10)
        data.dataset_processed["apart"] += graphs[:cut]
        data.dataset_processed[each] = graphs[cut:]
    data.split, data.seed, data.train_gene_set_size, data.subgroup = "no_test", 0, 0.75, None
    data.set2conditions = {"train": ["ctrl", *training], "val": ["apart"]}
    data.get_dataloader(batch_size=32, test_batch_size=128)
    model = GEARS(data, device="cpu")
    graph, weight = ontology(terms, data)
    model.model_initialize(hidden_size=64, G_go=graph, G_go_weight=weight)
    model.train(epochs=epochs)
    return model, {"epochs": epochs, "cells": len(rows)}


def ontology(terms, data, nearest=20):
    """Its graph: genes that share more than a tenth of their terms, the nearest twenty of each."""
    import pandas as pd
    from gears.utils import GeneSimNetwork

    edges = []
    names = list(data.pert_names)
    for one in names:
        for other in names:
            shared = len(terms[one] & terms[other]) / len(terms[one] | terms[other])
            if shared > 0.1:
                edges.append((one, other, shared))
    table = pd.DataFrame(edges, columns=["source", "target", "importance"])
    table = table.sort_values("importance", ascending=False, kind="stable").groupby("target").head(nearest + 1)
    network = GeneSimNetwork(table.reset_index(drop=True), names, node_map=data.node_map_pert)
    return network.edge_index, network.edge_weight


def predicted(model, x_nf, perturbed):
    import torch
    from gears.utils import create_cell_graph_for_prediction
    from torch_geometric.loader import DataLoader

    graphs = [create_cell_graph_for_prediction(each[None], perturbed, []) for each in x_nf]
    model.best_model.eval()
    with torch.no_grad():
        return np.concatenate([model.best_model(batch).numpy() for batch in DataLoader(graphs, 300, shuffle=False)])


if __name__ == "__main__":
    main(*sys.argv[1:])
