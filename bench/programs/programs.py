"""What the small programs are made of: data, a registry, layers in short."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from sklearn import datasets

if TYPE_CHECKING:
    from collections.abc import Callable

layers = keras.layers
HEAD = "head_loss_mismatch"
METRIC = "metric_mismatch"
INITIAL = "initial_loss"


@dataclass
class Program:
    """One training: a compiled model, its data, and what fit is given."""

    model: keras.Model
    x: Any
    y: Any
    fit: dict[str, Any] = field(default_factory=dict)


@dataclass
class Entry:
    """A program that is yet to be built, and what is known of it."""

    name: str
    half: str
    fault: str  # empty: sound
    kinds: tuple[str, ...]  # the kinds that name the fault rightly
    task: str  # what the person wants, as opposed to what the loss says
    build: Callable[[], Program]


ENTRIES: list[Entry] = []


def program(half: str, task: str, fault: str = "", *kinds: str) -> Callable[[Any], Any]:
    """Enter a function that builds a program; one with a fault names the kinds for it."""

    def enter(build: Callable[[], Program]) -> Callable[[], Program]:
        ENTRIES.append(Entry(build.__name__, half, fault, kinds, task, build))
        return build

    return enter


def dense(
    x: Any,
    *head: Any,
    hidden: tuple[int, ...] = (32,),
    act: str = "relu",
) -> keras.Model:
    """Return a plain stack of dense layers with a head."""
    flat = [layers.Flatten()] if np.asarray(x).ndim > 2 else []
    body = [layers.Dense(n, act) for n in hidden]
    return keras.Sequential([keras.Input(np.asarray(x).shape[1:]), *flat, *body, *head])


def made(
    model: keras.Model,
    x: Any,
    y: Any,
    loss: Any,
    *metrics: Any,
    opt: Any = "adam",
    **fit: Any,
) -> Program:
    """Compile a model and return the program."""
    model.compile(opt, loss, metrics=list(metrics))
    return Program(model, x, y, fit)


def one_hot(y: Any, n: int | None = None) -> Any:
    """Return classes as rows with a single one."""
    return np.eye(n or int(y.max()) + 1, dtype="float32")[y]


def scaled(x: Any) -> Any:
    """Return columns with mean 0 and deviation 1."""
    return ((x - x.mean(0)) / (x.std(0) + 1e-9)).astype("float32")


def digits(*, raw: bool = False) -> tuple[Any, Any]:
    """1797 images of 8 x 8 and their classes 0 to 9."""
    x, y = datasets.load_digits(return_X_y=True)
    return (x if raw else x / 16).astype("float32"), y


def wine() -> tuple[Any, Any]:
    """178 rows, 3 classes."""
    x, y = datasets.load_wine(return_X_y=True)
    return scaled(x), y


def cancer(*, raw: bool = False) -> tuple[Any, Any]:
    """569 rows, classes 0 and 1."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return (x.astype("float32") if raw else scaled(x)), y


def diabetes() -> tuple[Any, Any]:
    """442 rows, a target of 25 to 346."""
    x, y = datasets.load_diabetes(return_X_y=True)
    return scaled(x), y.astype("float32")


def wave(n: int = 600, steps: int = 12) -> tuple[Any, Any]:
    """Windows of a noisy wave, and the value that follows each."""
    rng = np.random.default_rng(0)
    series = np.sin(np.arange(n + steps) / 5) + 0.1 * rng.normal(size=n + steps)
    x = np.stack([series[i : i + steps] for i in range(n)])[..., None]
    return x.astype("float32"), series[steps:].astype("float32")


def words(classes: int = 2) -> tuple[Any, Any]:
    """Sequences of word numbers whose class is the word met most."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, classes, 600)
    x = rng.integers(classes, 200, (600, 16))
    x[:, ::3] = y[:, None]
    return x, y


def labels(n: int = 5) -> tuple[Any, Any]:
    """Rows with several labels at once."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(600, 12)).astype("float32")
    return x, (x @ rng.normal(size=(12, n)) > 0).astype("float32")


def xor() -> tuple[Any, Any]:
    """The four cases of xor, many times."""
    x = np.tile(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32"), (50, 1))
    return x, (x[:, 0] != x[:, 1]).astype("float32")
