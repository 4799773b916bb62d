"""The optimizers of a model: found wherever they hang, named, and told from those unused.

A model need not train with ``model.optimizer``: a GAN that calls ``super().compile(loss=…)``
has a default one there that trains nothing. What counts is which ones make steps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import keras
import numpy as np

from ._decide import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST: Final = 32
_LONGEST: Final = 120


class Held:
    """One optimizer with a rate of its own, and what wraps it."""

    def __init__(self, name: str, inner: Any, wrappers: tuple[Any, ...] = ()) -> None:
        self.name = name
        """Where it hangs: the same in the next process that trains this model."""
        self.inner = inner
        """The one whose rate counts; that of loss scaling around it is a decoy of 0."""
        self.wrappers = wrappers
        """The optimizers around it, the outermost first: they hold its variables, too."""
        self.began = 0
        """The steps it had made when the fit began."""
        self._stepped = False

    @property
    def outer(self) -> Any:
        """What hangs in the model."""
        return self.wrappers[0] if self.wrappers else self.inner

    @property
    def steps(self) -> int:
        """How many batches it has seen; -1 where that is not known."""
        try:
            return int(np.asarray(self.inner._iterations.value))  # noqa: SLF001
        except Exception:  # noqa: BLE001 # any optimizer
            return -1

    @property
    def trains(self) -> bool:
        """Whether it made a step in this fit."""
        built = getattr(self.inner, "built", True)
        self._stepped = self._stepped or bool(built and self.steps > self.began)
        return self._stepped

    @property
    def size(self) -> int:
        """How many numbers it trains; 0 before it is built."""
        trained = getattr(self.inner, "_trainable_variables", None) or []
        return sum(math.prod(variable.shape) for variable in trained)


def find(model: Any) -> list[Held]:
    """Return the optimizers of a model, that of compile first."""
    found: dict[int, Held] = {}
    for name, optimizer in _hanging(model):
        for held in _opened(name[:_LONGEST], optimizer, ()):
            if len(found) < _MOST:
                found.setdefault(id(held.inner), held)
    return list(found.values())


def _hanging(model: Any) -> Iterator[tuple[str, Any]]:
    optimizer = getattr(model, MAIN, None)
    if optimizer is not None:
        yield MAIN, optimizer
    for name, value in list(getattr(model, "__dict__", {}).items()):
        if name.startswith("_self_"):  # TensorFlow's own list of the same objects
            continue
        for path, each in _parts(name, value):
            if isinstance(each, keras.optimizers.Optimizer):
                yield path, each
            elif isinstance(each, keras.Model) and not name.startswith("_"):
                own = getattr(each, MAIN, None)  # a model in it that was compiled by itself
                if isinstance(own, keras.optimizers.Optimizer):
                    yield f"{path}.{MAIN}", own


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f"{name}.{key}", each) for key, each in value.items())
    elif isinstance(value, list | tuple):
        yield from ((f"{name}.{index}", each) for index, each in enumerate(value))
    else:
        yield name, value


def _opened(name: str, optimizer: Any, wrappers: tuple[Any, ...]) -> Iterator[Held]:
    inner = getattr(optimizer, "inner_optimizer", None)
    several = getattr(optimizer, "optimizers", None)
    if inner is not None:
        yield from _opened(name, inner, (*wrappers, optimizer))
    elif isinstance(several, list | tuple):
        for index, each in enumerate(several):
            yield from _opened(f"{name}.{index}", each, (*wrappers, optimizer))
    else:
        yield Held(name, optimizer, wrappers)


def main_of(training: list[Held]) -> Held | None:
    """Return the one whose rate stands for the run's: that of compile, else the largest.

    A command that names none is about this one's rate and changes all by the same factor, so
    it only decides which number is shown: it has to be the same one all the time.
    """
    if not training:
        return None
    plain = [held for held in training if held.name == MAIN]
    return plain[0] if plain else max(training, key=lambda held: held.size)  # the first of equals
