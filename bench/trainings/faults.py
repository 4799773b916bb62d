"""What is said of small real trainings with a planted fault, and of sound ones.

    python bench/trainings/faults.py [--seeds 3] [--epochs 30] [--daemon FILE] [--keep DIR]

Trains a small network on the digits for each fault and seed, writes its CSVLogger file, and asks
`epochwatch diagnose --json` twice: of the log alone, and with the optimizer and its rate as
context. Prints fault by verdict, and of the sound runs how many were told anything. Exits 1
when a sound run gets a warning.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[2]


@dataclass
class Plan:
    """One training: what differs from the sound one, and which verdicts name it."""

    optimizer: str = "Adam"
    rate: float = 1e-3
    dropout: float = 0.0
    scale: float = 1 / 16
    shift: float = 0.0
    dead: bool = False
    wrong: float = 0.0  # share of labels drawn anew
    validation: int = 360
    right: tuple[str, ...] = ("healthy",)


LOW, HIGH = (
    ("lr_too_low", "slow_progress", "not_learning"),
    ("lr_too_high", "divergence", "loss_nan", "not_learning", "constant_metric"),
)
PLANS = {
    "sound: Adam 1e-3": Plan(),
    "sound: Adam 3e-4": Plan(rate=3e-4),
    "sound: Adam 3e-3": Plan(rate=3e-3),
    "sound: SGD 1e-2": Plan("SGD", 1e-2),
    "sound: SGD 1e-1": Plan("SGD", 1e-1),
    "sound: RMSprop 1e-3": Plan("RMSprop"),
    "sound: dropout 0.2": Plan(dropout=0.2),
    "rate: Adam 1e-6": Plan(rate=1e-6, right=LOW),
    "rate: Adam 1e-5": Plan(rate=1e-5, right=LOW),
    "rate: SGD 1e-5": Plan("SGD", 1e-5, right=LOW),
    "rate: SGD 1e-4": Plan("SGD", 1e-4, right=LOW),
    "rate: Adam 1e-1": Plan(rate=1e-1, right=HIGH),
    "rate: Adam 1": Plan(rate=1.0, right=HIGH),
    "rate: SGD 3": Plan("SGD", 3.0, right=HIGH),
    "dead units": Plan(dead=True, right=("not_learning", "constant_metric")),
    "shuffled labels": Plan(
        wrong=1.0, right=("overfitting", "not_learning", "generalization_gap", "slow_progress")
    ),
    "6 validation samples": Plan(
        rate=3e-4, wrong=0.3, validation=6, right=("noisy_validation", "overfitting")
    ),
    "dropout 0.8": Plan(dropout=0.8, rate=3e-3, right=("val_better_than_train", "slow_progress")),
    "no scaling": Plan("SGD", 1e-2, scale=100.0, shift=5000.0, right=(*HIGH, "slow_progress")),
}


def train(plan: Plan, seed: int, epochs: int, log: Path) -> None:
    """Train as planned and leave the log."""
    keras.utils.set_random_seed(seed)
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order].astype("float32") * plan.scale + plan.shift, y[order]
    rng = np.random.default_rng(seed + 1)
    y = np.where(rng.random(len(y)) < plan.wrong, rng.integers(0, 10, len(y)), y)
    cut = len(x) - 360
    bias = keras.initializers.Constant(-100.0 if plan.dead else 0.0)
    layers: list[keras.layers.Layer] = [keras.layers.Input((64,))]
    for units in (64, 32):
        layers.append(keras.layers.Dense(units, activation="relu", bias_initializer=bias))
        if plan.dropout:
            layers.append(keras.layers.Dropout(plan.dropout, seed=seed))
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    optimizer = getattr(keras.optimizers, plan.optimizer)(learning_rate=plan.rate)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x[:cut],
        y[:cut],
        validation_data=(x[cut : cut + plan.validation], y[cut : cut + plan.validation]),
        epochs=epochs,
        batch_size=32,
        verbose=0,
        callbacks=[keras.callbacks.CSVLogger(str(log))],
    )


def diagnose(daemon: Path, log: Path, context: dict[str, object] | None) -> dict:
    """Return what the daemon says of a log."""
    command = [str(daemon), "diagnose", "--json"]
    if context:
        facts = log.with_suffix(".json")
        facts.write_text(json.dumps(context))
        command += ["--context", str(facts)]
    done = subprocess.run([*command, str(log)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> int:
    """Train everything, print the matrix."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--epochs", type=int, default=30)
    p.add_argument("--daemon", type=Path, default=ROOT / "bin" / "epochwatch")
    p.add_argument("--keep", type=Path, help="leave the logs here, and take those that are there")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        alarmed = report(args, folder)
    return 1 if alarmed else 0


def report(args: argparse.Namespace, folder: Path) -> int:
    """Print a line for each plan; return how many sound runs were warned of."""
    alarmed = sound = told = right = faults = 0
    print(f"{'planted':24}{'named':>8}  verdict of the log alone | with optimizer and rate")
    for name, plan in PLANS.items():
        verdicts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        named = 0
        context = {
            "optimizer": plan.optimizer,
            "learning_rate": plan.rate,
            "task": "multiclass",
            "classes": 10,
            "loss": "sparse_categorical_crossentropy",
        }
        for seed in range(args.seeds):
            log = folder / f"{''.join(c if c.isalnum() else '_' for c in name)}_{seed}.csv"
            if not log.exists():
                train(plan, seed, args.epochs, log)
            for i, facts in enumerate((None, context)):
                said = diagnose(args.daemon, log, facts)
                verdicts[i][said["verdict"]["kind"]] += 1
                if name.startswith("sound"):
                    sound += 1
                    told += bool(said["findings"])
                    alarmed += any(f["severity"] != "info" for f in said["findings"])
                else:
                    named += said["verdict"]["kind"] in plan.right
        if not name.startswith("sound"):
            right, faults = right + named, faults + 2 * args.seeds
        share = "" if name.startswith("sound") else f"{named}/{2 * args.seeds}"
        columns = " | ".join(", ".join(f"{k} {n}" for k, n in v.most_common()) for v in verdicts)
        print(f"{name:24}{share:>8}  {columns}", flush=True)
    print(
        f"\nfaults named {right} of {faults}; sound runs told anything {told} of {sound}, warned {alarmed}"
    )
    return alarmed


if __name__ == "__main__":
    sys.exit(main())
