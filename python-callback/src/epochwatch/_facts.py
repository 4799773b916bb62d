"""What is trained: each fact taken only when it is cheap, and allowed to be missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import keras

from ._contract import Output, RunStarted
from ._rate import Rate, _inner
from ._sample import describe, length
from ._scaled import is_schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LAYERS: Final = 200
_DEEPEST: Final = 8
"""Activation layers looked through behind the output layer."""
_TRANSPARENT: Final = frozenset({"Reshape", "Flatten", "Dropout", "Identity", "Permute"})
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
    model: Any, params: Mapping[str, Any] | None, fit: Mapping[str, Any], data: Any
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
    take("optimizer", lambda: type(_inner(model.optimizer)).__name__)
    take("learning_rate", lambda: Rate.read(model))
    take("schedule", lambda: schedule(model))
    take("planned_epochs", lambda: int(params["epochs"]))
    take("steps_per_epoch", lambda: int(params["steps"]))
    take("batch_size", lambda: batch_size(fit))
    take("samples", lambda: length(fit.get("x")))
    take("validation", lambda: fit["validation_data"] is not None)
    take("validation_samples", lambda: length(fit.get("validation_data")))
    take("initial_epoch", lambda: int(model._initial_epoch or fit["initial_epoch"]) or None)  # noqa: SLF001
    _take_losses(model, body, take)
    if data is not None:
        x, y = data if isinstance(data, tuple) and len(data) == 2 else (data, None)  # noqa: PLR2004
        take("x", lambda: describe(x))
        take("y", lambda: describe(y, targets=True) if y is not None else None)
    return body


def _take_losses(model: Any, body: RunStarted, take: Callable[[str, Any], None]) -> None:
    losses = flat(getattr(model, "loss", None))
    for output, loss in zip(body.outputs or [], losses, strict=False):
        output.loss = loss_name(loss)
    if not losses:
        return
    take("loss", lambda: loss_name(losses[0]))
    take("from_logits", lambda: from_logits(losses[0]))
    if body.outputs:
        body.output_units = body.outputs[0].units
        body.output_activation = body.outputs[0].activation
    if len(losses) == 1 and len(body.outputs or []) <= 1:
        body.task, body.classes = task(body.loss, body.output_units)


def task(loss: str | None, units: int | None) -> tuple[str, int | None]:
    """Return what the loss says is learnt, and how many classes; unknown where it may be two."""
    if loss in _MULTICLASS:
        return "multiclass", units
    if loss in _REGRESSION:
        return "regression", None
    if loss == "binary_crossentropy" and units == 1:
        return "binary", 2
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


def schedule(model: Any) -> str | None:
    """Return the class of the schedule, when there is one."""
    rate = _inner(model.optimizer)._learning_rate  # noqa: SLF001
    return type(rate).__name__ if is_schedule(rate) else None


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
    """Describe the output layers, seen through trailing Activation layers."""
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
    maker = chain[0]
    for layer in chain[:_DEEPEST]:
        kind = type(layer).__name__
        maker = layer
        if kind in _SOLE:
            activations.append(snake(kind) if kind != "ReLU" else "relu")
        elif kind not in _TRANSPARENT:
            activations.append(activation_name(layer) or "linear")
            if kind != "Activation":
                break
    known = [name for name in reversed(activations) if name != "linear"]
    units = getattr(maker, "units", None) or getattr(maker, "filters", None)
    if not isinstance(units, int):
        last = chain[0].output.shape[-1]
        units = int(last) if last is not None else None
    return Output(name=str(chain[0].name), units=units, activation="+".join(known) or "linear")
