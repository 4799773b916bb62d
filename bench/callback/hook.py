"""What the hook at the end of an epoch costs, timed around it as Keras calls it.

    python bench/callback/hook.py [--epochs 1000] [--milliseconds 50] [--no-rate] [--auto-lr]
        [--url nats://…]

Prints the median and the 99th percentile in microseconds of EpochWatch.on_epoch_end beside a
bare queue, CSVLogger and ReduceLROnPlateau in the same fit; how often each brought a value
from the device to the host; and the processor time of our threads for each epoch. The daemon
is found as EpochWatch finds it; start one to measure it connected. With --no-rate the hook
does not read the learning rate, which shows what that part costs; with --auto-lr it also
keeps the best weights, which here are better after almost every epoch.
"""

from __future__ import annotations

import argparse
import os
import queue
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

from epochwatch import EpochWatch
from epochwatch._rate import Rate

TICKS = os.sysconf("SC_CLK_TCK")


class Syncs:
    """Counts values brought from the device to the host, by the hook that was running."""

    def __init__(self) -> None:
        self.running = None
        self.counts = {}
        if keras.backend.backend() == "jax":
            from jax._src.array import ArrayImpl

            self._patch(ArrayImpl, ("__array__", "__float__", "__int__", "item", "tolist"))
            # np.asarray reads a JAX array's buffer and calls none of its methods.
            self._patch(np, ("asarray", "array"), only=ArrayImpl)
        elif keras.backend.backend() == "tensorflow":
            from tensorflow.python.framework.ops import EagerTensor

            self._patch(EagerTensor, ("numpy", "__array__", "__float__", "__int__"))

    def _patch(self, kind, names: tuple[str, ...], only: type = object) -> None:
        depth = threading.local()

        def counted(inner):
            def outer(*args, **kwargs):
                counts = self.running is not None and args and isinstance(args[0], only)
                if counts and not getattr(depth, "inside", False):
                    self.counts[self.running] = self.counts.get(self.running, 0) + 1
                before = getattr(depth, "inside", False)
                depth.inside = before or bool(counts)
                try:
                    return inner(*args, **kwargs)
                finally:
                    depth.inside = before

            return outer

        for name in names:
            if hasattr(kind, name):
                setattr(kind, name, counted(getattr(kind, name)))


class BareQueue(keras.callbacks.Callback):
    """The least that handing over can cost."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = queue.Queue()
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        while True:
            self.queue.get()

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.queue.put((epoch, dict(logs or {})))


class Pace(keras.callbacks.Callback):
    """Makes each epoch last, and keeps the machine's threads as a real one leaves them."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.until = time.perf_counter() + self.seconds

    def on_train_batch_begin(self, batch, logs=None) -> None:
        left = self.until - time.perf_counter()
        if batch == 0 and left > 0:
            time.sleep(left)


def timed(callback, name: str, times: dict, syncs: Syncs):
    """Wrap the hook on the instance, so that Keras calls the clock."""
    hook = callback.on_epoch_end

    def on_epoch_end(epoch, logs=None):
        syncs.running = name
        began = time.perf_counter_ns()
        hook(epoch, logs)
        times.setdefault(name, []).append((time.perf_counter_ns() - began) / 1000)
        syncs.running = None

    callback.on_epoch_end = on_epoch_end
    return callback


def threads_time() -> float:
    """Return the processor seconds of our threads so far (Linux)."""
    total = 0.0
    for thread in threading.enumerate():
        if thread.name.startswith("epochwatch-") and thread.native_id:
            stat = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
            user, system = stat.rpartition(")")[2].split()[11:13]
            total += (int(user) + int(system)) / TICKS
    return total


class Meter(keras.callbacks.Callback):
    """Reads our threads' processor time from the second epoch to the last."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.last = None

    def on_epoch_end(self, epoch, logs=None) -> None:
        if epoch == 19:  # connected, everything imported
            self.first = (epoch, threads_time())
        elif epoch > 19:
            self.last = (epoch, threads_time()) if epoch % 20 == 19 else self.last


def main() -> int:
    """Run the fit and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--milliseconds", type=float, default=50)
    parser.add_argument("--url")
    parser.add_argument("--no-rate", action="store_true")
    parser.add_argument("--auto-lr", action="store_true")
    args = parser.parse_args()
    if args.no_rate:
        Rate.read = Rate.step = staticmethod(lambda model: None)
    x = np.random.default_rng(0).random((640, 64), dtype="float32")
    y = np.random.default_rng(1).integers(0, 10, 640)
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(48, "relu"), keras.layers.Dense(10, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    times, syncs, meter = {}, Syncs(), Meter()
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [
            timed(EpochWatch(args.url, auto_lr=args.auto_lr), "EpochWatch", times, syncs),
            timed(BareQueue(), "bare queue", times, syncs),
            timed(keras.callbacks.CSVLogger(f"{folder}/log.csv"), "CSVLogger", times, syncs),
            timed(
                keras.callbacks.ReduceLROnPlateau("loss", patience=10**6),
                "ReduceLROnPlateau",
                times,
                syncs,
            ),
            Pace(args.milliseconds / 1000),
            meter,
        ]
        model.fit(x, y, epochs=args.epochs, verbose=0, callbacks=callbacks)
    print(f"{keras.backend.backend()}, {args.epochs} epochs of {args.milliseconds:g} ms or more")
    print(f"{'callback':20} {'median µs':>10} {'p99 µs':>10} {'syncs/epoch':>12}")
    for name, values in times.items():
        tail = statistics.quantiles(values, n=100)[98]
        each = syncs.counts.get(name, 0) / args.epochs
        print(f"{name:20} {statistics.median(values):10.1f} {tail:10.1f} {each:12.2f}")
    if meter.first and meter.last:
        epochs = meter.last[0] - meter.first[0]
        spent = (meter.last[1] - meter.first[1]) / epochs * 1e6
        print(f"processor time of our threads: {spent:.0f} µs an epoch")
    return 0


if __name__ == "__main__":
    sys.exit(main())
