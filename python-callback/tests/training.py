"""Small real fits for the tests."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

X = np.random.default_rng(0).random((64, 8), dtype="float32")
Y = np.random.default_rng(1).integers(0, 3, 64)


def build(
    optimizer: Any = None, *, loss: Any = "sparse_categorical_crossentropy", seed: int = 3
) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(4, activation="relu"),
            keras.layers.Dropout(0.2),  # uses the seeded generators: an extra draw would show
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer or keras.optimizers.SGD(0.5), loss, metrics=["accuracy"])
    return model


def fit(model: keras.Model, *callbacks: Any, epochs: int = 3, **options: Any) -> Any:
    given = {"batch_size": 16, "verbose": 0, "x": X, "y": Y} | options
    return model.fit(epochs=epochs, callbacks=list(callbacks), **given)


def weights(model: keras.Model) -> bytes:
    return b"".join(np.asarray(weight).tobytes() for weight in model.get_weights())
