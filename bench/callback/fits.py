"""What watching costs a whole fit, in interleaved rounds against the same fit left alone.

    python bench/callback/fits.py [--rounds 9] [--seconds 20] [only these scenarios …]

Each round trains the same model from the same weights once alone and once for each scenario,
in an order that turns from round to round, each in a process of its own: connected (to the
daemon that EpochWatch finds), absent (nobody listens), silent, rubbish, and dying (gone after
three events). Prints the median ratio of the epochs' time (the first, which compiles, left
out) and of the whole fit's to the fit left alone in the same round, and the median time before
the first epoch and after the last. Exits 1 when any weight differs in any bit.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
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
            self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.last = time.perf_counter()
        if epoch == 0:
            self.first = self.last


def build() -> keras.Model:
    """Return the model, with the same weights each time."""
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Dense(256, "relu"), keras.layers.Dropout(0.2)]
    model = keras.Sequential([keras.Input((256,)), *layers, keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(epochs: int, callbacks: list) -> dict:
    """Fit a fresh model; return its times in seconds and a hash of its weights."""
    model, watch = build(), Stopwatch()
    began = time.perf_counter()
    model.fit(X, Y, batch_size=128, epochs=epochs, verbose=0, callbacks=[*callbacks, watch])
    ended = time.perf_counter()
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.asarray(weight).tobytes())
    return {
        "begin": watch.begun - began,
        "epochs": watch.last - watch.first,
        "end": ended - watch.last,
        "fit": ended - began,
        "weights": digest.hexdigest(),
    }


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


def one(scenario: str, epochs: int) -> dict:
    """Fit once, in a process of its own: what a fit leaves behind is not the next one's."""
    with tempfile.TemporaryDirectory() as spool, broker(scenario) as url:
        given = [sys.executable, __file__, "--one", scenario, "--epochs", str(epochs)]
        given += ["--spool", spool] + (["--url", url] if url else [])
        made = subprocess.run(given, stdout=subprocess.PIPE, check=True, text=True)
        return json.loads(made.stdout.splitlines()[-1])


def main() -> int:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS)
    for hidden, kind in (("one", str), ("epochs", int), ("spool", str), ("url", str)):
        parser.add_argument(f"--{hidden}", type=kind, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        watch = [] if args.one == "alone" else [EpochWatch(args.url, spool=args.spool)]
        print(json.dumps(train(args.epochs, watch)))
        return 0
    epochs = 1 + round(args.seconds / one("alone", 11)["epochs"] * 10)
    print(f"{keras.backend.backend()}: {args.rounds} rounds of {epochs} epochs", flush=True)
    order = ["alone", *args.scenarios]
    results = {name: [] for name in order}
    for turn in range(args.rounds):
        for name in order:
            results[name].append(one(name, epochs))
        order = [*order[1:], order[0]]
        print(f"round {turn + 1}: alone {results['alone'][-1]['fit']:.1f} s", flush=True)
    middle = lambda name, part: statistics.median(each[part] for each in results[name])  # noqa: E731
    print(f"{'scenario':10} {'epochs':>7} {'fit':>7} {'begin s':>8} {'end s':>7}  weights")
    differ = False
    for name in ("alone", *args.scenarios):
        pairs = list(zip(results[name], results["alone"], strict=True))
        epochs_ratio, fit_ratio = (
            statistics.median(own[part] / bare[part] for own, bare in pairs)
            for part in ("epochs", "fit")
        )
        same = all(own["weights"] == bare["weights"] for own, bare in pairs)
        differ = differ or not same
        print(
            f"{name:10} {epochs_ratio:7.3f} {fit_ratio:7.3f} {middle(name, 'begin'):8.3f} "
            f"{middle(name, 'end'):7.3f}  {'identical' if same else 'differ'}"
        )
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
