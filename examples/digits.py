"""A learning rate that is plainly too high, left alone and watched.

The handwritten digits that come with scikit-learn, each also moved by a pixel, one hidden
layer, SGD with momentum. At a rate of 0.25 the loss climbs and swings instead of falling; at
0.03 all is well; at 1 the network is dead after an epoch, unless someone goes back to its
first weights with a lower rate. The same training runs twice from the same weights: once left
alone, once with EpochWatch. Nothing else differs, and nothing here knows what the daemon will
find or do.

    python examples/digits.py [--seed N] [--rate R]

Exits 1 unless the rate of the watched run fell and its final loss is at most 0.7 of that
of the run left alone.
"""

import argparse
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from sklearn.datasets import load_digits

from epochwatch import EpochWatch

EPOCHS = 20


def build(rate):
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(48, activation="elu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def data():
    """Each image, and the same moved by a pixel each way."""
    digits = load_digits()
    images = digits.images.astype("float32") / 16
    ways = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    moved = np.concatenate([np.roll(images, way, axis=(1, 2)) for way in ways])
    return moved.reshape(-1, 64), np.tile(digits.target, len(ways))


class Witness(keras.callbacks.Callback):
    """Looks at the run by itself: the loss, and the rate each epoch was trained with."""

    def __init__(self, beside=None):
        super().__init__()
        self.rates, self.losses, self.beside = [], [], beside

    def on_epoch_begin(self, epoch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["loss"])
        if self.beside:
            print(
                f"  epoch {epoch:2}  rate {self.rates[-1]:<9.4g} loss {logs['loss']:.3f}"
                f"   left alone {self.beside[epoch]:.3f}",
                flush=True,
            )


def train(seed, rate, callbacks):
    keras.utils.set_random_seed(seed)  # the same weights, the same order of samples
    x, y = data()
    build(rate).fit(
        x,
        y,
        epochs=EPOCHS,
        batch_size=32,
        verbose=0,
        callbacks=callbacks,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.25)
    args = parser.parse_args()

    print(f"Left alone: {EPOCHS} epochs at a rate of {args.rate:g} ...", flush=True)
    alone = Witness()
    train(args.seed, args.rate, [alone])

    print("Watched: the same training from the same weights, with EpochWatch(auto_lr=True)", flush=True)
    watched = Witness(beside=alone.losses)
    watch = EpochWatch(project="demo", name=f"digits, seed {args.seed}", auto_lr=True)
    train(args.seed, args.rate, [watch, watched])

    ratio = watched.losses[-1] / alone.losses[-1]
    fell = min(watched.rates) < args.rate
    print(
        f"\nlearning rate  {watched.rates[0]:.4g} -> {watched.rates[-1]:.4g}"
        f"\nfinal loss     {alone.losses[-1]:.3f} left alone, {watched.losses[-1]:.3f} watched"
        f" ({ratio:.2f} of it)"
    )
    if not fell:
        print("The rate never fell.")
    if not ratio <= 0.7:
        print("The watched run did not end at 0.7 of the loss of the run left alone, or below.")
    return 0 if fell and ratio <= 0.7 else 1


if __name__ == "__main__":
    sys.exit(main())
