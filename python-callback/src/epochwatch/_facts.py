"""What is trained: each fact taken only when it is cheap, and allowed to be missing."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final

import keras
import numpy as np

from ._contract import Optimizer, Output, RunStarted, Sample
from ._optimizers import find
from ._rate import read_rate
from ._sample import describe, length
from ._scaled import is_schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._optimizers import Held

_LAYERS: Final = 200
_DEEPEST: Final = 8
"""Activation layers looked through behind the output layer."""
_TRANSPARENT: Final = (
    "Reshape",
    "Flatten",
    "Dropout",
    "Identity",
    "Permute",
    "Pooling",
    "Cropping",
    "Noise",
)
"""Parts of the names of layers that pass on what they get."""
_LINEAR: Final = ("Normalization", "Rescaling", "EinsumDense")
"""The same of layers without an activation whose answers are not bounded."""
_SOLE: Final = frozenset({"Softmax", "ReLU", "LeakyReLU", "ELU", "PReLU"})
_MULTICLASS: Final = frozenset({"categorical_crossentropy", "sparse_categorical_crossentropy"})
_REGRESSION: Final = frozenset(
    {
        "mean_squared_error",
        "mean_absolute_error",
        "mean_squared_logarithmic_error",
        "mean_absolute_percentage_error",
        "huber",
        "log_cosh",
    }
)


def gather(
    model: Any,
    params: Mapping[str, Any] | None,
    fit: Mapping[str, Any],
    data: Any,
) -> RunStarted:
    """Describe a model that is about to be trained.

    fit holds the local variables of ``Model.fit`` where they could be seen, data is what
    the user gave as ``data=``.
    """
    body = RunStarted(keras=keras.__version__, backend=keras.backend.backend())
    params = params or {}

    def take(name: str, fact: Callable[[], Any]) -> None:
        try:
            value = fact()
        except Exception:  # noqa: BLE001 # any model, any shape: a fact may be missing
            return
        if value is not None:
            setattr(body, name, value)

    take("model", lambda: str(model.name))
    take("params", lambda: int(model.count_params()) if model.built else None)
    take("layers", lambda: [layer_name(each) for each in model.layers[:_LAYERS]] or None)
    take("outputs", lambda: outputs(model) or None)
    take("metrics", lambda: metric_names(model) or None)
    take("optimizers", lambda: _take_optimizers(find(model), body))
    take("planned_epochs", lambda: int(params["epochs"]))
    take("steps_per_epoch", lambda: int(params["steps"]))
    take("batch_size", lambda: batch_size(fit))
    take("samples", lambda: length(fit.get("x")))
    take("validation", lambda: fit["validation_data"] is not None)
    take("validation_samples", lambda: length(fit.get("validation_data")))
    take("initial_epoch", lambda: int(model._initial_epoch or fit["initial_epoch"]) or None)  # noqa: SLF001
    x, y = _seen(fit) if data is None else data if _is_pair(data) else (data, None)
    take("x", lambda: describe(x) if x is not None else None)
    take("y", lambda: describe(_first(y, body), targets=True) if y is not None else None)
    _take_losses(model, body, take)
    return body


def _is_pair(data: Any) -> bool:
    return isinstance(data, tuple) and len(data) == 2  # noqa: PLR2004


def _seen(fit: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return what fit was given where looking at it costs and changes nothing: arrays."""
    x, y = fit.get("x"), fit.get("y")
    return (x, y) if _is_array(x) and _is_array(y) else (None, None)


def _is_array(data: Any) -> bool:
    while isinstance(data, list | tuple | dict) and data:
        data = next(iter(data.values())) if isinstance(data, dict) else data[0]
    return isinstance(data, np.ndarray) or hasattr(data, "iloc")


def _first(value: Any, body: RunStarted) -> Any:
    """Return what belongs to the first output, of what is given by the outputs' names."""
    if isinstance(value, dict) and body.outputs and body.outputs[0].name in value:
        return value[body.outputs[0].name]
    return value


def _take_losses(model: Any, body: RunStarted, take: Callable[[str, Any], None]) -> None:
    given = getattr(model, "loss", None)
    losses = flat(given)
    for output, loss in zip(body.outputs or [], losses, strict=False):
        own = given.get(output.name) if isinstance(given, dict) else loss
        output.loss = loss_name(own) if own is not None else None
    if not losses:
        return
    first = (flat(_first(given, body)) or losses)[0]
    take("loss", lambda: loss_name(first))
    take("from_logits", lambda: from_logits(first))
    if body.outputs:
        body.output_units = body.outputs[0].units
        body.output_activation = body.outputs[0].activation
    if len(losses) == 1 and len(body.outputs or []) <= 1:
        body.task, body.classes = task(body.loss, body.output_units, body.output_activation, body.y)


def task(
    loss: str | None, units: int | None, activation: str | None = None, y: Sample | None = None
) -> tuple[str, int | None]:
    """Return what the loss says is learnt, and how many classes; unknown where it may be two."""
    one_hot = y is not None and bool(y.rows_sum_to_1) and y.distinct == 2  # noqa: PLR2004
    binary = y is None or (bool(y.integer) and y.distinct == 2)  # noqa: PLR2004
    softmax = bool(activation) and str(activation).endswith("softmax") and (units or 0) > 1
    if loss in _MULTICLASS or (loss in _REGRESSION and (one_hot or softmax)):
        return "multiclass", units
    if loss in _REGRESSION:
        return "regression", None
    if loss == "binary_crossentropy" and units == 1:
        return ("binary", 2) if binary else ("unknown", None)
    if loss == "binary_crossentropy" and one_hot:
        return "multiclass", units
    if loss == "binary_crossentropy" and y is not None and binary and y.width == units:
        return "multilabel", None
    return "unknown", None


def flat(value: Any) -> list[Any]:
    """Return the leaves of a loss or metric as compile took it."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [leaf for each in value for leaf in flat(each)]
    return [] if value is None else [value]


def loss_name(loss: Any) -> str:
    """Return Keras' own name of a loss, however it was given."""
    if isinstance(loss, str):
        found = keras.losses.get(loss)
        return str(getattr(found, "__name__", None) or snake(type(found).__name__))
    if isinstance(loss, keras.losses.Loss):
        return snake(type(loss).__name__)
    return str(getattr(loss, "__name__", type(loss).__name__))


def from_logits(loss: Any) -> bool | None:
    """Whether the loss takes logits; None where it does not matter."""
    if isinstance(loss, keras.losses.Loss):
        value = loss.get_config().get("from_logits")
        return bool(value) if value is not None else None
    return False if "crossentropy" in loss_name(loss) else None


def snake(name: str) -> str:
    """Return CategoricalCrossentropy as categorical_crossentropy."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def metric_names(model: Any) -> list[str]:
    """Return the metrics that compile was given."""
    compiled = getattr(model, "_compile_metrics", None)
    return [_metric(each) for each in flat(getattr(compiled, "_user_metrics", None))]


def _metric(metric: Any) -> str:
    if isinstance(metric, str):
        return metric
    return str(getattr(metric, "name", None) or getattr(metric, "__name__", type(metric).__name__))


def _take_optimizers(optimizers: list[Held], body: RunStarted) -> list[Optimizer] | None:
    """Describe the optimizers. Which of several train is not known before the first step.

    So of class, rate and schedule of the run is told only what they have in common.
    """
    each = [_optimizer(held) for held in optimizers]
    for name in ("optimizer", "learning_rate", "schedule"):
        values = {getattr(one, name) for one in each}
        if len(values) == 1:
            setattr(body, name, values.pop())
    return each if len(each) > 1 else None


def _optimizer(held: Held) -> Optimizer:
    body = Optimizer(name=held.name, optimizer=type(held.inner).__name__)
    with contextlib.suppress(Exception):  # any optimizer: a fact may be missing
        body.learning_rate = read_rate(held.inner)
        rate = held.inner._learning_rate  # noqa: SLF001
        body.schedule = type(rate).__name__ if is_schedule(rate) else None
    return body


def batch_size(fit: Mapping[str, Any]) -> int | None:
    """Return the size of a batch: fit's argument, or what its data says."""
    adapter = getattr(fit.get("epoch_iterator"), "data_adapter", None)
    size = getattr(adapter, "batch_size", None) or fit.get("batch_size")
    return int(size) if size else None


def layer_name(layer: Any) -> str:
    """Return a layer in short: Dense64/relu, Dropout(0.5), Activation/softmax."""
    kind = type(layer).__name__
    size = getattr(layer, "units", None) or getattr(layer, "filters", None)
    rate = getattr(layer, "rate", None)
    name = kind
    if isinstance(size, int):
        name += str(size)
    elif isinstance(rate, int | float):
        name += f"({rate:g})"
    activation = activation_name(layer)
    return f"{name}/{activation}" if activation else name


def activation_name(layer: Any) -> str | None:
    """Return the activation of a layer, or None."""
    activation = getattr(layer, "activation", None)
    if activation is None:
        return None
    return str(getattr(activation, "__name__", None) or type(activation).__name__)


def outputs(model: Any) -> list[Output]:
    """Describe the output layers, seen through trailing layers that only pass on."""
    if isinstance(model, keras.Sequential):
        chain = list(reversed(model.layers))
        return [_output(chain)] if chain else []
    tensors = flat(model.outputs)
    names = list(getattr(model, "output_names", []))
    found = []
    for index, tensor in enumerate(tensors):
        output = _output(_chain(tensor))
        if index < len(names):
            output.name = str(names[index])
        found.append(output)
    return found


def _chain(tensor: Any) -> list[Any]:
    """Return the layer that made a tensor and those before it, last first."""
    chain = []
    for _ in range(_DEEPEST):
        operation = tensor._keras_history.operation  # noqa: SLF001
        chain.append(operation)
        before = flat(operation.input) if getattr(operation, "_inbound_nodes", None) else []
        if len(before) != 1 or isinstance(operation, keras.layers.InputLayer):
            break
        tensor = before[0]
    return chain


def _output(chain: list[Any]) -> Output:
    activations: list[str] = []
    units: int | None = None
    named = str(chain[0].name)
    maker, known = chain[0], False
    for layer in _opened(chain)[:_DEEPEST]:
        kind = type(layer).__name__
        maker = layer
        own = activation_name(layer)
        if kind in _SOLE:
            activations.append(snake(kind) if kind != "ReLU" else "relu")
        elif not own and any(part in kind for part in _TRANSPARENT):
            if kind == "Flatten" and units is None:
                units = _width(layer)
            continue
        else:
            known = own is not None or any(part in kind for part in _LINEAR)
            activations.append(own or "linear")
        if activations[-1] == "softmax" and units is None:
            units = _width(layer, getattr(layer, "axis", -1))
        if kind not in _SOLE and kind != "Activation":
            break
    bent = [name for name in reversed(activations) if name != "linear"]
    units = units or getattr(maker, "units", None) or getattr(maker, "filters", None)
    if not isinstance(units, int):
        units = _width(chain[0])
    # A layer whose answers are not known (Lambda, a mean of several) is not called linear.
    return Output(
        name=named, units=units, activation="+".join(bent) or ("linear" if known else None)
    )


def _opened(chain: list[Any]) -> list[Any]:
    """Return the chain with wrappers taken off and models in it opened, last first."""
    found: list[Any] = []
    for layer in chain:
        if isinstance(layer, keras.Sequential):
            found += _opened(list(reversed(layer.layers)))
        elif isinstance(layer, keras.Model) and len(flat(getattr(layer, "outputs", None))) == 1:
            found += _opened(_chain(flat(layer.outputs)[0]))
        elif isinstance(layer, keras.layers.Wrapper):
            found.append(layer.layer)
        else:
            found.append(layer)
    return found


def _width(layer: Any, axis: Any = -1) -> int | None:
    """Return how many numbers a layer gives along an axis, where it is built."""
    try:
        size = layer.output.shape[axis]
    except Exception:  # noqa: BLE001 # not built, or several
        return None
    return int(size) if size is not None else None
