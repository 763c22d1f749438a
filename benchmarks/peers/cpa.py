"""CPA (cpa-tools) on an export: `PEER/bin/python benchmarks/peers/cpa.py DIR OUT [EPOCHS [scaled]]`.

Its own sizes and training plan, counts with a negative binomial. Where an asked perturbation is not in training its
embedding is a linear map of the knowledge of its target, by the door it has for fingerprints of drugs; otherwise its
own embeddings. Perturbed cells are control cells with the perturbation swapped, drawn from its own likelihood
(`cpa.h5ad`); as its decoder also misses what the control cells are, `cpa-delta.h5ad` holds control cells moved by
the difference between its answers with and without the perturbation.
"""

import sys
import time
import types

import exchange

exchange.single_thread()

import numpy as np  # noqa: E402

DRAWS, BATCH = 4, 512


def main(folder, out, epochs=70, scale=""):
    epochs = int(epochs)
    packages = ["cpa-tools", "scvi-tools", "torch", "pytorch-lightning"]
    book = exchange.Book("cpa", out, packages, budget=f"{epochs} epochs of batches of {BATCH}")
    delta = exchange.Book("cpa-delta", out, packages, budget=f"{epochs} epochs of batches of {BATCH}")
    for fold, given in exchange.exports(folder):
        began = time.process_time()
        model, answer = trained(given, epochs, scale == "scaled")
        fitted = time.process_time()
        for question in exchange.questions(given):
            rows = exchange.starts(given, question)
            with_nf = predicted(model, given, rows, question["perturbation"])
            without_nf = predicted(model, given, rows, exchange.CONTROL)
            book.add(fold, question, with_nf)
            effect_f = with_nf.mean(axis=0) - without_nf.mean(axis=0)
            delta.add(fold, question, exchange.moved(given.x[rows], effect_f))
        seconds = {"train_cpu_s": round(fitted - began, 1), "predict_cpu_s": round(time.process_time() - fitted, 1)}
        for each in (book, delta):
            each.fold(fold, **seconds, **answer)
    for each in (book, delta):
        each.write(given.features, given.total)


def package():
    """Import it: its search over settings needs a package it does not use here."""
    tuner = types.ModuleType("cpa._tuner")
    tuner.run_autotune = None
    sys.modules["cpa._tuner"] = tuner
    import cpa

    return cpa


def trained(given, epochs, scale):
    import anndata
    import pandas as pd
    import torch

    cpa = package()
    torch.set_num_threads(1)
    label = given.perturbation
    obs = pd.DataFrame({"perturbation": label, "context": given.context})
    cells = anndata.AnnData(given.counts, obs=obs.set_index(np.arange(len(obs)).astype(str)))
    asked = {*given.asked["perturbation"]}
    names = ["<PAD>", exchange.CONTROL, *sorted({*label, *asked} - {exchange.CONTROL})]
    cpa.CPA.pert_encoder = {name: i for i, name in enumerate(names)}
    cpa.CPA.covars_encoder = None
    cpa._model.CPA_REGISTRY_KEYS.PADDING_IDX = 0
    cpa.CPA.setup_anndata(
        cells,
        perturbation_key="perturbation",
        control_group=exchange.CONTROL,
        is_count_data=True,
        categorical_covariate_keys=["context"],
        max_comb_len=1,
    )
    further = {}
    if not asked <= set(label):
        known = exchange.scaled(given.known) if scale else given.known
        table = np.stack([known.get(name, 0 * next(iter(known.values()))) for name in names])
        embedding = torch.nn.Embedding.from_pretrained(torch.tensor(table, dtype=torch.float32), padding_idx=0)
        further["drug_embeddings"] = embedding
    model = cpa.CPA(cells, recon_loss="nb", doser_type="linear", seed=0, **further)
    model.train(
        max_epochs=epochs,
        use_gpu=False,
        train_size=0.9,
        batch_size=BATCH,
        save_path=False,
        check_val_every_n_epoch=10,
        enable_progress_bar=False,
        plan_kwargs={"n_epochs_verbose": epochs + 1},
    )
    rounds = len(model.epoch_history) if model.epoch_history is not None else None
    return model, {"epochs": epochs, "history_rows": rounds, "conditioned_on": "knowledge" if further else "labels"}


def predicted(model, given, rows, perturbation):
    """Draws from its likelihood, as log1p profiles: `DRAWS` per control cell."""
    import torch

    cells = model.adata[rows].copy()
    code = model.pert_encoder[perturbation]
    cells.obsm["perts"] = np.full((len(rows), 1), code)
    cells.obsm["perts_doses"] = np.ones((len(rows), 1))
    model.predict(cells, batch_size=512)
    mean_nf = np.maximum(np.asarray(cells.obsm["CPA_pred"]), 1e-8)
    theta_f = torch.exp(model.module.px_r).detach().numpy()
    rng = np.random.default_rng(0)
    mean_nf = np.repeat(mean_nf, DRAWS, axis=0)
    counts = rng.poisson(rng.gamma(theta_f[None], mean_nf / theta_f[None])).astype(float)
    return np.log1p(counts * given.total / np.maximum(counts.sum(axis=1, keepdims=True), 1))


if __name__ == "__main__":
    main(*sys.argv[1:])
