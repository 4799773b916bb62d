"""What watching costs a whole fit, in interleaved rounds against the same fit left alone.

    python bench/callback/fits.py [--rounds 9] [--seconds 20] [only these scenarios …]

Each round trains the same model from the same weights once alone and once for each scenario,
in an order that turns from round to round: connected (to the daemon that EpochWatch finds),
absent (nobody listens), silent, rubbish, and dying (gone after three events). Prints the
median ratio of the epochs' time and of the whole fit's to the fit left alone in the same
round, and the longest time before the first epoch and after the last. Exits 1 when any
weight differs in any bit.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

from epochwatch import EpochWatch

TESTS = Path(__file__).parents[2] / "python-callback" / "tests"
SCENARIOS = ("connected", "absent", "silent", "rubbish", "dying")
X = np.random.default_rng(0).random((20_000, 256), dtype="float32")
Y = np.random.default_rng(1).integers(0, 10, 20_000)


class Stopwatch(keras.callbacks.Callback):
    """Runs after the others, so an epoch here includes what they did at its ends."""

    def on_epoch_begin(self, epoch, logs=None) -> None:
        if epoch == 0:
            self.first = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.last = time.perf_counter()


def build() -> keras.Model:
    """Return the model, with the same weights each time."""
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Dense(256, "relu"), keras.layers.Dropout(0.2)]
    model = keras.Sequential([keras.Input((256,)), *layers, keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(epochs: int, callbacks: list) -> tuple[dict, bytes]:
    """Fit a fresh model; return its times in seconds and its weights."""
    model, watch = build(), Stopwatch()
    began = time.perf_counter()
    model.fit(X, Y, batch_size=128, epochs=epochs, verbose=0, callbacks=[*callbacks, watch])
    ended = time.perf_counter()
    times = {
        "begin": watch.first - began,
        "epochs": watch.last - watch.first,
        "end": ended - watch.last,
        "fit": ended - began,
    }
    return times, b"".join(np.asarray(weight).tobytes() for weight in model.get_weights())


@contextlib.contextmanager
def broker(scenario: str):
    """Yield the address of a broker that behaves as the scenario says, in its own process."""
    if scenario == "connected":
        yield None
    elif scenario == "absent":
        with socket.socket() as taken:  # bound and not listening: refused, and nobody else's
            taken.bind(("127.0.0.1", 0))
            yield f"nats://127.0.0.1:{taken.getsockname()[1]}"
    else:
        serve = (
            "import sys; from broker import Broker; b = Broker(sys.argv[1]).__enter__(); "
            "print(b.url, flush=True); sys.stdin.read()"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", serve, scenario],
            cwd=TESTS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield child.stdout.readline().strip()
        finally:
            child.kill()
            child.wait()


def watched(scenario: str, epochs: int) -> tuple[dict, bytes]:
    """Fit with the callback, in a spool of its own."""
    with tempfile.TemporaryDirectory() as spool, broker(scenario) as url:
        return train(epochs, [EpochWatch(url, spool=spool)])


def main() -> int:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS)
    args = parser.parse_args()
    train(2, [])  # compiles
    probe, _ = train(5, [])
    epochs = max(3, round(args.seconds / probe["epochs"] * 5))
    print(f"{keras.backend.backend()}: {args.rounds} rounds of {epochs} epochs", flush=True)
    ratios = {name: {"epochs": [], "fit": []} for name in args.scenarios}
    longest = {name: {"begin": 0.0, "end": 0.0} for name in ("alone", *args.scenarios)}
    alone_seconds, differ = [], set()
    for turn in range(args.rounds):
        order = ["alone", *args.scenarios]
        order = order[turn % len(order) :] + order[: turn % len(order)]
        results = {
            name: train(epochs, []) if name == "alone" else watched(name, epochs) for name in order
        }
        base, weights = results["alone"]
        alone_seconds.append(base["fit"])
        for name, (times, got) in results.items():
            for part in ("begin", "end"):
                longest[name][part] = max(longest[name][part], times[part])
            if name != "alone":
                for part, values in ratios[name].items():
                    values.append(times[part] / base[part])
                if got != weights:
                    differ.add(name)
        print(f"round {turn + 1}: alone {base['fit']:.1f} s", file=sys.stderr, flush=True)
    print(f"alone: median {statistics.median(alone_seconds):.1f} s a fit")
    print(f"{'scenario':10} {'epochs':>7} {'fit':>7} {'begin s':>8} {'end s':>7}  weights")
    for name, parts in longest.items():
        epochs_ratio, fit_ratio = (
            [f"{statistics.median(values):.3f}" for values in ratios[name].values()]
            if name in ratios
            else ("", "")
        )
        same = "differ" if name in differ else "identical"
        print(
            f"{name:10} {epochs_ratio:>7} {fit_ratio:>7} "
            f"{parts['begin']:8.3f} {parts['end']:7.3f}  {same}"
        )
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
