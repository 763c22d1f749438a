"""State's transition model (arc-state) on an export: `PEER/bin/python benchmarks/peers/state.py DIR OUT [STEPS [LR]]`.

Its own class, loss and training step, set as its default configuration is, but smaller: 256 wide and 4 layers deep
instead of 768 and 8, in sets of 64 cells instead of 512; attention goes both ways. Cells enter as log1p profiles over
all genes, perturbations as the knowledge of their targets, or as one-hot where every asked perturbation is in training.
Sets are drawn as its loader draws them: every cell once a round, sets of one perturbation and context, controls among
them, and as many random control cells of the same context beside them. `state.h5ad` holds its answers,
`state-delta.h5ad` control cells moved by the difference between its answers with and without the perturbation, which is
free of what its decoder misses in control cells.
"""

import sys
import time

import exchange

exchange.single_thread()

import numpy as np  # noqa: E402

SET, SETS, WIDTH = 64, 8, 256


def main(folder, out, steps=300, lr=1e-3):
    steps, lr = int(steps), float(lr)
    packages, budget = ["arc-state", "torch", "lightning"], f"{steps} steps of {SETS}x{SET}"
    book, delta = (exchange.Book(name, out, packages, budget=budget) for name in ("state", "state-delta"))
    for fold, given in exchange.exports(folder):
        began = time.process_time()
        book.cost["conditioning"] = delta.cost["conditioning"] = conditioning(given)[1]
        model, answer = trained(given, steps, lr)
        fitted = time.process_time()
        for question in exchange.questions(given):
            rows = exchange.starts(given, question)
            with_nf = predicted(model, given, rows, question["perturbation"])
            without_nf = predicted(model, given, rows, exchange.CONTROL)
            book.add(fold, question, with_nf)
            delta.add(fold, question, exchange.moved(given.x[rows], (with_nf - without_nf).mean(axis=0)))
        seconds = {"train_cpu_s": round(fitted - began, 1), "predict_cpu_s": round(time.process_time() - fitted, 1)}
        for each in (book, delta):
            each.fold(fold, **seconds, lr=lr, **answer)
    for each in (book, delta):
        each.write(given.features, given.total)


def conditioning(given):
    """Numbers of each perturbation, and what they are."""
    names = sorted(set(given.perturbation))
    if {*given.asked["perturbation"]} <= set(names):
        return dict(zip(names, np.eye(len(names), dtype=np.float32), strict=True)), "one-hot"
    width = len(next(iter(given.known.values())))
    return {**given.known, exchange.CONTROL: np.zeros(width, dtype=np.float32)}, "knowledge of the targets"


def trained(given, steps, lr, without=()):
    """The model after so many steps; `without` leaves perturbations out."""
    import lightning
    import torch
    from state.tx.models.state_transition import StateTransitionPerturbationModel

    torch.set_num_threads(1)
    lightning.seed_everything(0, verbose=False)
    of, _ = conditioning(given)
    genes, width = len(given.features), len(of[exchange.CONTROL])
    backbone = {
        "bidirectional_attention": True,
        "max_position_embeddings": SET,
        "vocab_size": 32,
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": WIDTH // 4,
        "use_cache": False,
        "attention_dropout": 0.0,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": False,
    }
    model = StateTransitionPerturbationModel(
        input_dim=genes,
        hidden_dim=WIDTH,
        output_dim=genes,
        pert_dim=width,
        gene_dim=genes,
        predict_residual=True,
        distributional_loss="energy",
        transformer_backbone_key="llama",
        transformer_backbone_kwargs=backbone,
        output_space="gene",
        cell_set_len=SET,
        blur=0.05,
        loss="energy",
        n_encoder_layers=1,
        n_decoder_layers=1,
        gene_decoder_bool=False,
        embed_key=None,
        control_pert=exchange.CONTROL,
        dropout=0.1,
        lr=lr,
    )
    # The energy distance of geomloss from 64 cells to 64 fits in memory; no other backend is looked for.
    model.loss_fn.backend = "tensorized"
    data = Sets(given, of, steps, without)
    trainer = lightning.Trainer(
        max_steps=steps,
        accelerator="cpu",
        devices=1,
        gradient_clip_val=10,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, torch.utils.data.DataLoader(data, batch_size=None))
    model.eval()
    return model, {"steps": steps, "parameters": sum(each.numel() for each in model.parameters() if each.requires_grad)}


class Sets:
    """Batches of sets, a map-style dataset as long as the training."""

    def __init__(self, given, of, steps, without):
        import torch

        self.torch, self.given, self.of, self.steps = torch, given, of, steps
        self.rng = np.random.default_rng(0)
        label, context = given.perturbation, given.context
        keys = sorted({(p, c) for p, c in zip(label, context, strict=True) if p not in without})
        self.rows = [np.flatnonzero((label == p) & (context == c)) for p, c in keys]
        self.keys, self.queue = keys, []
        self.controls = {c: given.controls[context[given.controls] == c] for c in set(context)}

    def __len__(self):
        return self.steps

    def __getitem__(self, step):
        parts = []
        while len(parts) < SETS:
            if not self.queue:
                self.queue = self.round()
            parts.append(self.queue.pop())
        rows = np.concatenate([rows for _, rows, _ in parts])
        begin = np.concatenate([begin for _, _, begin in parts])
        numbers = np.repeat([self.of[p] for p, _, _ in parts], SET, axis=0).astype(np.float32)
        make = self.torch.from_numpy
        return {
            "pert_cell_emb": make(self.given.x[rows]),
            "ctrl_cell_emb": make(self.given.x[begin]),
            "pert_emb": make(numbers),
        }

    def round(self):
        """Every cell once, in sets; a last short set is filled up with cells of its own group."""
        found = []
        for (p, c), rows in zip(self.keys, self.rows, strict=True):
            rows = self.rng.permutation(rows)
            if short := -len(rows) % SET:
                rows = np.concatenate([rows, self.rng.choice(rows, short)])
            found += [(p, each, self.rng.choice(self.controls[c], SET)) for each in rows.reshape(-1, SET)]
        return [found[i] for i in self.rng.permutation(len(found))]


def predicted(model, given, rows, perturbation):
    import torch

    # Whole sets, as in training; the last is filled up and cut off again.
    filled = np.concatenate([rows, rows[: -len(rows) % SET]])
    of, _ = conditioning(given)
    numbers = np.repeat(of[perturbation][None], len(filled), axis=0).astype(np.float32)
    batch = {"ctrl_cell_emb": torch.from_numpy(given.x[filled]), "pert_emb": torch.from_numpy(numbers)}
    with torch.no_grad():
        return model(batch).numpy()[: len(rows)]


if __name__ == "__main__":
    main(*sys.argv[1:])
