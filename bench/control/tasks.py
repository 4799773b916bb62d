"""Small real trainings: the tasks and settings of the table of bench/control.

A task is data, a network, an optimizer and the rate that is right for it: of the grid 1, 3, 10 the
least whose test loss at the end is within 2 % of the best (mean of logarithms over three seeds that
are not the table's), found by `run.py --sweep` with nothing else in the loop. A setting changes one thing about it. Half of the tasks, KEPT, were chosen by
name before any policy was tried and are run only once a policy is settled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers
from sklearn import datasets

Arrays = tuple[Any, np.ndarray]


@dataclass(frozen=True)
class Task:
    """One training; rate is the right one, share the part of the samples that is trained on."""

    name: str
    data: Callable[[np.random.Generator], Arrays]
    build: Callable[[], keras.Model]
    optimizer: str
    rate: float
    loss: str
    metrics: tuple[str, ...] = ()
    batch: int = 32
    epochs: int = 30
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether it is kept away while a policy is designed."""
        return self.name in KEPT


@dataclass(frozen=True)
class Setting:
    """What differs from the task as it is."""

    name: str
    factor: float = 1.0  # of the rate
    samples: float = 1.0  # share of the training samples
    validation: int | None = None  # samples
    schedule: bool = False
    wrong: bool = False  # the rate is too high
    healthy: bool = False  # nothing is to be mended


SETTINGS = (
    Setting("right", healthy=True),
    Setting("too_high", 10.0, wrong=True),
    Setting("far_too_high", 100.0, wrong=True),
    Setting("too_low", 1 / 30),
    Setting("few_samples", samples=1 / 8, healthy=True),
    Setting("tiny_validation", validation=8, healthy=True),
    Setting("schedule_right", schedule=True, healthy=True),
    Setting("schedule_too_high", 10.0, schedule=True, wrong=True),
)


def standard(x: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and deviation 1."""
    return ((x - x.mean(0)) / (x.std(0) + 1e-9)).astype("float32")


def sequential(shape: tuple[int, ...], *body: layers.Layer) -> keras.Model:
    """Return the layers one after the other."""
    return keras.Sequential([keras.Input(shape), *body])


# Tables and images that come with scikit-learn.


def digits(flat: bool) -> Callable[[np.random.Generator], Arrays]:
    """Return the handwritten digits, as rows or as images."""

    def data(_rng: np.random.Generator) -> Arrays:
        found = datasets.load_digits()
        x = (found.images / 16).astype("float32")
        return (x.reshape(-1, 64) if flat else x[..., None]), found.target

    return data


def digits_themselves(rng: np.random.Generator) -> Arrays:
    """Return the digits as their own targets."""
    x, _ = digits(flat=True)(rng)
    return x, x


def digits_noisy(rng: np.random.Generator) -> Arrays:
    """Return digits with noise, and without as targets."""
    x, _ = digits(flat=False)(rng)
    return np.clip(x + rng.normal(0, 0.3, x.shape), 0, 1).astype("float32"), x


def table(load: Callable[..., Any], *, numbers: bool) -> Callable[[np.random.Generator], Arrays]:
    """Return a table in standard units, its targets too where they are numbers."""

    def data(_rng: np.random.Generator) -> Arrays:
        x, y = load(return_X_y=True)
        return standard(x), standard(y) if numbers else y

    return data


# Made ones.


def friedman(rng: np.random.Generator) -> Arrays:
    """Return Friedman's first regression, with noise."""
    x, y = datasets.make_friedman1(1400, 10, noise=1.0, random_state=int(rng.integers(1 << 30)))
    return x.astype("float32"), standard(y)


def moons(rng: np.random.Generator) -> Arrays:
    """Return two half moons that overlap."""
    x, y = datasets.make_moons(1400, noise=0.25, random_state=int(rng.integers(1 << 30)))
    return x.astype("float32"), y


def waves(rng: np.random.Generator) -> Arrays:
    """Return sums of two sines with noise, and the value that follows."""
    t = np.arange(25)
    period, phase = rng.uniform(5, 20, (1400, 2, 1)), rng.uniform(0, 6.3, (1400, 2, 1))
    x = np.sin(6.283 * t / period + phase).sum(1) + rng.normal(0, 0.1, (1400, 25))
    return x[:, :24, None].astype("float32"), x[:, 24].astype("float32")


def lorenz(rng: np.random.Generator) -> Arrays:
    """Return pieces of the Lorenz attractor, and where it is five steps later."""
    state, path = rng.normal(0, 1, 3) + [1, 1, 25], []
    for _ in range(6000):
        x, y, z = state
        state = state + 0.01 * np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])
        path.append(state)
    p = standard(np.array(path))
    at = rng.permutation(5900)[:1300]
    return np.stack([p[i : i + 20] for i in at]), np.stack([p[i + 25] for i in at])


def shapes(rng: np.random.Generator) -> Arrays:
    """Return noisy images of a disc, a square, a cross or a ring."""
    grid = np.mgrid[:12, :12].transpose(1, 2, 0)[None] + 0.0
    y = rng.integers(0, 4, 1400)
    d = grid - rng.uniform(4, 8, (1400, 1, 1, 2))
    r, near, size = np.hypot(*np.moveaxis(d, -1, 0)), np.abs(d), rng.uniform(2, 4, (1400, 1, 1))
    masks = [r < size, near.max(-1) < size * 0.9, near.min(-1) < 0.8, np.abs(r - size) < 0.9]
    x = np.choose(y[:, None, None], masks) + rng.normal(0, 0.5, (1400, 12, 12))
    return x[..., None].astype("float32"), y


def stripes(rng: np.random.Generator) -> Arrays:
    """Return noisy gratings in one of six directions."""
    grid, y = np.mgrid[:12, :12], rng.integers(0, 6, 1400)
    a, phase = y * np.pi / 6 + rng.normal(0, 0.1, 1400), rng.uniform(0, 6.3, 1400)
    along = np.cos(a)[:, None, None] * grid[0] + np.sin(a)[:, None, None] * grid[1]
    x = np.sin(along * 1.2 + phase[:, None, None]) + rng.normal(0, 1.2, (1400, 12, 12))
    return x[..., None].astype("float32"), y


def chain(rng: np.random.Generator) -> Arrays:
    """Return words of a random chain that looks two symbols back, and the symbol that follows."""
    odds = rng.dirichlet(np.full(8, 0.3), (8, 8)).cumsum(-1)
    text = [0, 1]
    for u in rng.random(3000):
        text.append(min(int(np.searchsorted(odds[text[-2], text[-1]], u)), 7))
    text = np.array(text)
    return np.stack([text[i : i + 4] for i in range(2400)]), text[4:2404]


def brackets(rng: np.random.Generator) -> Arrays:
    """Return rows of +1 and -1, and whether their running sum ever falls below -3."""
    x = rng.choice([-1.0, 1.0], (1600, 18, 1)).astype("float32")
    return x, (x.cumsum(1).min((1, 2)) < -3).astype("int32")


def ratings(rng: np.random.Generator) -> Arrays:
    """Return pairs of a user and an item, and a rating from hidden tastes, with noise."""
    users, items = rng.normal(0, 1, (60, 3)), rng.normal(0, 1, (40, 3))
    pairs = rng.permutation(2400)[:1800]
    u, i = pairs // 40, pairs % 40
    y = (users[u] * items[i]).sum(1) + rng.normal(0, 0.5, len(u))
    return np.stack([u, i], 1), y.astype("float32")


# Networks.


def factors() -> keras.Model:
    """Return a factorisation of ratings."""
    pair = keras.Input((2,), dtype="int32")
    user = layers.Embedding(60, 8)(pair[:, 0])
    item = layers.Embedding(40, 8)(pair[:, 1])
    return keras.Model(pair, layers.Dense(1)(layers.Dot(1)([user, item])))


def normed_cnn() -> keras.Model:
    """Return a convolutional network with batch normalisation."""
    return sequential(
        (12, 12, 1),
        layers.Conv2D(8, 3, use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.ReLU(),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(4, activation="softmax"),
    )


CLASSES = {"loss": "sparse_categorical_crossentropy", "metrics": ("accuracy",)}
TWO = {"loss": "binary_crossentropy", "metrics": ("accuracy",)}
NUMBERS = {"loss": "mse", "metrics": ("mae",)}
SGD: dict[str, Any] = {"optimizer": "SGD", "options": {"momentum": 0.9}}

TASKS = (
    Task(
        "digits-mlp",
        digits(flat=True),
        lambda: sequential(
            (64,),
            layers.Dense(48, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ),
        rate=3e-2,
        **SGD,
        **CLASSES,
    ),
    Task(
        "digits-cnn",
        digits(flat=False),
        lambda: sequential(
            (8, 8, 1),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ),
        optimizer="Adam",
        rate=3e-3,
        **CLASSES,
    ),
    Task(
        "diabetes-mlp",
        table(datasets.load_diabetes, numbers=True),
        lambda: sequential((10,), layers.Dense(16, activation="relu"), layers.Dense(1)),
        optimizer="Adam",
        rate=1e-3,
        epochs=40,
        batch=16,
        **NUMBERS,
    ),
    Task(
        "cancer-mlp",
        table(datasets.load_breast_cancer, numbers=False),
        lambda: sequential(
            (30,), layers.Dense(24, activation="tanh"), layers.Dense(1, activation="sigmoid")
        ),
        optimizer="RMSprop",
        rate=1e-3,
        **TWO,
    ),
    Task(
        "waves-gru",
        waves,
        lambda: sequential((24, 1), layers.GRU(16), layers.Dense(1)),
        optimizer="Adam",
        rate=1e-2,
        epochs=25,
        **NUMBERS,
    ),
    Task("shapes-cnn", shapes, normed_cnn, rate=3e-2, epochs=25, **SGD, **CLASSES),
    Task(
        "digits-autoencoder",
        digits_themselves,
        lambda: sequential(
            (64,),
            layers.Dense(32, activation="elu"),
            layers.Dense(8),
            layers.Dense(32, activation="elu"),
            layers.Dense(64),
        ),
        optimizer="Adam",
        rate=1e-2,
        **NUMBERS,
    ),
    Task(
        "chain-embedding",
        chain,
        lambda: sequential(
            (4,),
            layers.Embedding(8, 6),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(8, activation="softmax"),
        ),
        rate=1e-2,
        **SGD,
        **CLASSES,
    ),
    Task(
        "wine-mlp",
        table(datasets.load_wine, numbers=False),
        lambda: sequential(
            (13,), layers.Dense(16, activation="tanh"), layers.Dense(3, activation="softmax")
        ),
        rate=3e-2,
        batch=8,
        **SGD,
        **CLASSES,
    ),
    Task(
        "friedman-mlp",
        friedman,
        lambda: sequential(
            (10,),
            layers.Dense(48, activation="relu"),
            layers.Dense(24, activation="relu"),
            layers.Dense(1),
        ),
        optimizer="RMSprop",
        rate=1e-2,
        **NUMBERS,
    ),
    Task(
        "stripes-cnn",
        stripes,
        lambda: sequential(
            (12, 12, 1),
            layers.Conv2D(8, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(6, activation="softmax"),
        ),
        optimizer="Adam",
        rate=1e-2,
        epochs=25,
        **CLASSES,
    ),
    Task(
        "lorenz-lstm",
        lorenz,
        lambda: sequential((20, 3), layers.LSTM(24), layers.Dense(3)),
        optimizer="RMSprop",
        rate=1e-3,
        epochs=25,
        **NUMBERS,
    ),
    Task(
        "moons-deep",
        moons,
        lambda: sequential(
            (2,),
            *(layers.Dense(24, activation="relu") for _ in range(4)),
            layers.Dense(1, activation="sigmoid"),
        ),
        optimizer="Adam",
        rate=1e-3,
        **TWO,
    ),
    Task(
        "brackets-gru",
        brackets,
        lambda: sequential((18, 1), layers.GRU(16), layers.Dense(1, activation="sigmoid")),
        optimizer="RMSprop",
        rate=3e-2,
        epochs=25,
        **TWO,
    ),
    Task(
        "digits-denoiser",
        digits_noisy,
        lambda: sequential(
            (8, 8, 1),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Conv2D(1, 3, padding="same"),
        ),
        rate=3e-1,
        epochs=25,
        **SGD,
        **NUMBERS,
    ),
    Task("ratings-factors", ratings, factors, optimizer="Adam", rate=3e-3, **NUMBERS),
)

KEPT = frozenset(
    {
        "wine-mlp",
        "friedman-mlp",
        "stripes-cnn",
        "lorenz-lstm",
        "moons-deep",
        "brackets-gru",
        "digits-denoiser",
        "ratings-factors",
    }
)
"""The half that is kept away while a policy is designed."""
