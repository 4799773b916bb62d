"""A real Keras training that says on its own what happened: the record the tests trust.

One JSON object a line. An epoch is printed at the end of the next one, so that what is
printed was handed over at least one epoch earlier.
"""

import argparse
import json
import os
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

from epochwatch import Control, EpochWatch

parser = argparse.ArgumentParser()
parser.add_argument("--run", required=True)
parser.add_argument("--first", type=int, default=0)
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--rate", type=float, default=0.05)
parser.add_argument("--pause", type=float, default=0.05)
parser.add_argument("--auto-lr", action="store_true")
parser.add_argument("--ask", action="store_true")
args = parser.parse_args()


def say(**record):
    print(json.dumps(record), flush=True)


class Record(keras.callbacks.Callback):
    """Comes after EpochWatch in the list, and looks at the optimizer by itself."""

    def __init__(self):
        super().__init__()
        self.last = None

    def on_train_begin(self, logs=None):
        say(started=os.getpid())

    def on_epoch_begin(self, epoch, logs=None):
        self.rate = float(self.model.optimizer.learning_rate)
        time.sleep(args.pause)

    def on_epoch_end(self, epoch, logs=None):
        if self.last:
            say(**self.last)
        self.last = {"epoch": epoch, "loss": float(logs["loss"]), "rate": self.rate}

    def on_train_end(self, logs=None):
        say(**self.last)


keras.utils.set_random_seed(args.first + 1)
rng = np.random.default_rng(7)
x = rng.normal(size=(512, 16)).astype("float32")
w = rng.normal(size=(16, 4))
y = np.argmax(x @ w + rng.normal(size=(512, 4)), axis=1)
model = keras.Sequential(
    [
        keras.Input((16,)),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(4, activation="softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.SGD(args.rate, momentum=0.9),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
control = Control(mode="ask", allow={"reduce_lr", "rollback", "stop"}) if args.ask else None
watch = EpochWatch(project="e2e", run=args.run, auto_lr=args.auto_lr, control=control)
model.fit(
    x,
    y,
    batch_size=32,
    initial_epoch=args.first,
    epochs=args.first + args.epochs,
    verbose=0,
    callbacks=[watch, Record()],
)
say(done=True)
