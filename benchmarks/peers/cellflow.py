"""CellFlow (cellflow-tools) on an export: `PEER/bin/python benchmarks/peers/cellflow.py DIR OUT [ROUNDS [LR]]`.

Flow matching between control and perturbed cells in principal components of the cells given, coupled by its own
optimal transport. A perturbation is the knowledge of its target, or one-hot where every asked one is in training; a
context, where there are several, the mean of its control cells. Networks narrower than its defaults, which are made
for a GPU; pooling, dropout of the condition and probability path as it has them. Its decoder is the inverse of the
principal components.
"""

import sys
import time

import exchange

exchange.single_thread()

import numpy as np  # noqa: E402

AXES, BATCH = 100, 256
SOLVER = {}


def main(folder, out, rounds=2500, lr=1e-3):
    rounds, lr = int(rounds), float(lr)
    book = exchange.Book("cellflow", out, ["cellflow-tools", "jax"], budget=f"{rounds} rounds of {BATCH} cells")
    for fold, given in exchange.exports(folder):
        began = time.process_time()
        flow, axes, answer = trained(given, rounds, lr)
        fitted = time.process_time()
        for question in exchange.questions(given):
            book.add(fold, question, predicted(flow, axes, given, question))
        seconds = {"train_cpu_s": round(fitted - began, 1), "predict_cpu_s": round(time.process_time() - fitted, 1)}
        book.fold(fold, **seconds, lr=lr, **answer)
    book.write(given.features, given.total)


def trained(given, rounds, lr):
    import anndata
    import optax
    import pandas as pd
    from cellflow.model import CellFlow
    from sklearn.decomposition import PCA

    axes = PCA(AXES, random_state=0).fit(given.x)
    label, context = given.perturbation, given.context
    # It couples control cells with perturbed cells of the same context: those that were never perturbed teach nothing.
    used = np.isin(context, np.unique(context[label != exchange.CONTROL]))
    label, context, x_nf = label[used], context[used], given.x[used]
    obs = pd.DataFrame({"perturbation": label, "context": context, "is_control": label == exchange.CONTROL})
    obs = obs.set_index(np.arange(len(obs)).astype(str)).astype({"perturbation": "category", "context": "category"})
    cells = anndata.AnnData(x_nf, obs=obs)
    cells.obsm["axes"] = axes.transform(x_nf).astype(np.float32)
    cells.uns["knowledge"] = conditions(given)
    cells.uns["contexts"] = contexts(given, axes)
    several = len(cells.uns["contexts"]) > 1
    flow = CellFlow(cells, solver="otfm")
    flow.prepare_data(
        sample_rep="axes",
        control_key="is_control",
        perturbation_covariates={"perturbation": ("perturbation",)},
        perturbation_covariate_reps={"perturbation": "knowledge"},
        sample_covariates=["context"] if several else None,
        sample_covariate_reps={"context": "contexts"} if several else None,
        split_covariates=["context"] if several else None,
    )
    flow.prepare_model(
        pooling="mean",
        layers_before_pool=(),
        layers_after_pool=(),
        condition_embedding_dim=64,
        time_freqs=128,
        time_encoder_dims=(128, 128),
        hidden_dims=(256, 256),
        decoder_dims=(512, 512),
        conditioning_kwargs={},
        optimizer=optax.adam(lr),
        seed=0,
    )
    np.random.seed(0)  # noqa: NPY002 - its sampler draws from there
    flow.train(num_iterations=rounds, batch_size=BATCH, valid_freq=10 * rounds)
    losses = flow.trainer.training_logs["loss"]
    return flow, axes, {"rounds": rounds, "loss": round(float(np.mean(losses[-200:])), 3)}


def conditions(given):
    names = sorted(set(given.perturbation))
    if {*given.asked["perturbation"]} <= set(names):
        return dict(zip(names, np.eye(len(names), dtype=np.float32), strict=True))
    width = len(next(iter(given.known.values())))
    return {**exchange.scaled(given.known), exchange.CONTROL: np.zeros(width, dtype=np.float32)}


def contexts(given, axes):
    """Where the control cells of each context lie, in units of the spread of controls."""
    x_nd, of = axes.transform(given.x[given.controls]), given.context[given.controls]
    scale_d = x_nd.std(axis=0)
    return {str(each): ((x_nd[of == each].mean(axis=0)) / scale_d).astype(np.float32) for each in sorted(set(of))}


def predicted(flow, axes, given, question):
    import anndata
    import diffrax
    import pandas as pd

    # Its own solver; three digits are more than the sampling of cells leaves, and ten times faster than its five.
    SOLVER.setdefault("stepsize_controller", diffrax.PIDController(rtol=1e-3, atol=1e-3))
    SOLVER.setdefault("solver", diffrax.Tsit5())
    rows = exchange.starts(given, question)
    asked = {"perturbation": question["perturbation"], "context": exchange.context_of(question), "is_control": False}
    obs = pd.DataFrame(
        {"perturbation": exchange.CONTROL, "context": exchange.context_of(question), "is_control": True}, rows
    )
    begin = anndata.AnnData(given.x[rows], obs=obs.set_index(obs.index.astype(str)).astype({"context": "category"}))
    begin.obsm["axes"] = axes.transform(given.x[rows]).astype(np.float32)
    begin.uns.update(flow.adata.uns)
    found = flow.predict(begin, covariate_data=pd.DataFrame([asked]), sample_rep="axes", **SOLVER)
    (moved_nd,) = found.values()
    return axes.inverse_transform(np.asarray(moved_nd))


if __name__ == "__main__":
    main(*sys.argv[1:])
