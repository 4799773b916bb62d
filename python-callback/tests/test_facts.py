from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from training import X, Y, build, fit, weights

from epochwatch import _contract as contract
from epochwatch._facts import from_logits, gather, layer_name, loss_name, outputs, task
from epochwatch._fit import Fit
from epochwatch._origin import add_origin, git_commit, is_chief
from epochwatch._sample import describe, length

layers = keras.layers
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def chain(*parts: Any) -> list[contract.Output]:
    return outputs(keras.Sequential([keras.Input((8,)), *parts]))


@pytest.mark.parametrize(
    ("parts", "units", "activation"),
    [
        ([layers.Dense(3, "softmax")], 3, "softmax"),
        ([layers.Dense(3)], 3, "linear"),
        ([layers.Dense(3), layers.Activation("softmax")], 3, "softmax"),
        ([layers.Dense(3, "relu"), layers.Activation("softmax")], 3, "relu+softmax"),
        ([layers.Dense(3), layers.Activation("relu"), layers.Activation("tanh")], 3, "relu+tanh"),
        ([layers.Dense(3), layers.Softmax()], 3, "softmax"),
        ([layers.Dense(4), layers.Dropout(0.1), layers.Reshape((2, 2))], 4, "linear"),
        ([layers.Reshape((8, 1)), layers.Dense(3, "tanh"), layers.GlobalMaxPooling1D()], 3, "tanh"),
        (
            [layers.Dense(3), layers.BatchNormalization(), layers.Activation("softmax")],
            3,
            "softmax",
        ),
        ([layers.Dense(3, "relu"), layers.BatchNormalization()], 3, "linear"),
        # Softmax along the steps, each of which has one unit.
        (
            [
                layers.Reshape((8, 1)),
                layers.TimeDistributed(layers.Dense(1)),
                layers.Flatten(),
                layers.Softmax(),
            ],
            8,
            "softmax",
        ),
        (
            [layers.Reshape((8, 1)), layers.TimeDistributed(layers.Dense(5, "softmax"))],
            5,
            "softmax",
        ),
        ([keras.Sequential([layers.Dense(4, "relu"), layers.Dense(2, "sigmoid")])], 2, "sigmoid"),
        ([layers.Dense(3), layers.ReLU(), layers.Softmax()], 3, "relu+softmax"),
        ([layers.Dense(3), layers.Lambda(lambda x: x * 2)], 3, None),
    ],
)
def test_the_output_is_seen_through_trailing_layers(
    parts: list[Any], units: int, activation: str | None
) -> None:
    (sequential,) = chain(*parts)
    assert (sequential.units, sequential.activation) == (units, activation)
    inputs = keras.Input((8,))
    tensor = inputs
    for part in parts:
        tensor = part(tensor)
    (functional,) = outputs(keras.Model(inputs, tensor))
    assert (functional.units, functional.activation) == (units, activation)


def test_several_outputs() -> None:
    inputs = keras.Input((8,))
    heads = {
        "kind": layers.Dense(3, "softmax", name="kind")(inputs),
        "size": layers.Dense(1, name="size")(inputs),
    }
    model = keras.Model(inputs, heads)
    model.compile("sgd", {"kind": "sparse_categorical_crossentropy", "size": "mse"})
    body = gather(model, {"epochs": 2, "steps": None}, {}, None)
    assert body.outputs is not None
    assert [(o.units, o.activation, o.loss) for o in body.outputs] == [
        (3, "softmax", "sparse_categorical_crossentropy"),
        (1, "linear", "mean_squared_error"),
    ]
    assert body.task is None
    assert body.steps_per_epoch is None


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (layers.Dense(64, "relu"), "Dense64/relu"),
        (layers.Dropout(0.5), "Dropout(0.5)"),
        (layers.Dense(10), "Dense10/linear"),
        (layers.Activation("softmax"), "Activation/softmax"),
        (layers.Conv2D(8, 3, activation="gelu"), "Conv2D8/gelu"),
        (layers.BatchNormalization(), "BatchNormalization"),
    ],
)
def test_layers_in_short(layer: Any, name: str) -> None:
    assert layer_name(layer) == name


def test_losses_by_name_function_or_object() -> None:
    losses = keras.losses
    assert loss_name("mse") == "mean_squared_error"
    assert loss_name(losses.CategoricalCrossentropy(name="mine")) == "categorical_crossentropy"
    assert loss_name(losses.binary_crossentropy) == "binary_crossentropy"
    assert from_logits(losses.CategoricalCrossentropy(from_logits=True)) is True
    assert from_logits(losses.BinaryCrossentropy()) is False
    assert from_logits("categorical_crossentropy") is False
    assert from_logits("mse") is None
    assert task("categorical_crossentropy", 10) == ("multiclass", 10)
    assert task("binary_crossentropy", 1) == ("binary", 2)
    assert task("binary_crossentropy", 7) == ("unknown", None)
    assert task("mean_squared_error", 1) == ("regression", None)


def test_what_is_learnt_is_read_from_head_and_targets() -> None:
    def y(**facts: Any) -> contract.Sample:
        return contract.Sample(**facts)

    one_hot = y(integer=True, distinct=2, width=3, rows_sum_to_1=True)
    several = y(integer=True, distinct=2, width=3, rows_sum_to_1=False)
    assert task("mean_squared_error", 3, "softmax") == ("multiclass", 3)
    assert task("mean_squared_error", 3, "linear", one_hot) == ("multiclass", 3)
    assert task("mean_squared_error", 1, "sigmoid") == ("regression", None)
    assert task("binary_crossentropy", 3, "sigmoid", one_hot) == ("multiclass", 3)
    assert task("binary_crossentropy", 3, "sigmoid", several) == ("multilabel", None)
    assert task("binary_crossentropy", 1, "sigmoid", y(integer=False)) == ("unknown", None)


def test_loss_and_targets_by_name_go_with_the_first_output() -> None:
    inputs = keras.Input((8,))
    heads = {
        "kind": layers.Dense(3, "softmax", name="kind")(inputs),
        "size": layers.Dense(1, name="size")(inputs),
    }
    model = keras.Model(inputs, heads)
    model.compile("sgd", {"size": "mse", "kind": "sparse_categorical_crossentropy"})
    targets = {"size": np.linspace(-3, 3, 64), "kind": Y}
    body = gather(model, None, {}, (X, targets))
    assert body.outputs is not None
    assert [o.loss for o in body.outputs] == [
        "sparse_categorical_crossentropy",
        "mean_squared_error",
    ]
    assert body.loss == "sparse_categorical_crossentropy"
    assert body.output_units == 3
    assert body.y is not None
    assert body.y.distinct == 3


def test_arrays_given_to_fit_are_looked_at_and_nothing_else_is() -> None:
    body = gather(build(), None, {"x": X, "y": Y}, None)
    assert body.x is not None
    assert body.y is not None
    assert (body.x.shape, body.y.distinct) == ([64, 8], 3)

    class Untouchable:
        shape = (64, 8)

        def __getitem__(self, _: Any) -> Any:
            raise AssertionError

    def batches() -> Any:
        raise AssertionError
        yield

    for given in (Untouchable(), batches(), None, "text"):
        body = gather(build(), None, {"x": given, "y": None}, None)
        assert body.x is None
        assert body.y is None
    assert gather(build(), None, {"x": Untouchable(), "y": Y}, None).y is None
    assert gather(build(), None, {"x": X, "y": Y}, (X[:9], Y[:9])).x.shape == [9, 8]  # type: ignore[union-attr]


def test_a_fit_says_what_it_is_given() -> None:
    known: dict[str, Any] = {}

    class Look(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
            known.update(Fit(lambda *_: None).begin())

    model = build()
    before = weights(model)
    copies = X.copy(), Y.copy()
    fit(model, Look(), epochs=0)
    assert known["y"] is Y
    body = gather(model, model.history.params, known, None)
    assert body.y is not None
    assert weights(model) == before
    assert np.array_equal(X, copies[0])
    assert np.array_equal(Y, copies[1])


def test_a_model_in_full() -> None:
    fit = {"x": X, "batch_size": 16, "initial_epoch": 2, "validation_data": (X[:5], Y[:5])}
    body = gather(build(), {"epochs": 4, "steps": 4}, fit, (X, Y))
    want = {
        "task": "multiclass",
        "classes": 3,
        "loss": "sparse_categorical_crossentropy",
        "from_logits": False,
        "output_units": 3,
        "output_activation": "softmax",
        "optimizer": "SGD",
        "learning_rate": 0.5,
        "metrics": ["accuracy"],
        "batch_size": 16,
        "samples": 64,
        "validation_samples": 5,
        "steps_per_epoch": 4,
        "planned_epochs": 4,
        "params": 8 * 4 + 4 + 4 * 3 + 3,
        "layers": ["Dense4/relu", "Dropout(0.2)", "Dense3/softmax"],
        "validation": True,
        "initial_epoch": 2,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
    }
    assert {name: getattr(body, name) for name in want} == want
    assert body.y is not None
    assert body.y.distinct == 3


def test_a_model_that_says_nothing_costs_only_the_facts() -> None:
    class Silent:
        name = property(lambda _: 1 / 0)
        optimizer = None
        built = False

    body = gather(Silent(), None, {}, object())
    assert body.keras == keras.__version__
    assert body.layers is None


def test_statistics_of_inputs_and_targets() -> None:
    x = np.linspace(0, 1, 1000 * 4, dtype="float32").reshape(1000, 4)
    x[0, 0] = np.nan
    sample = describe(x)
    assert sample is not None
    assert sample.shape == [256, 4]
    assert sample.non_finite == 1
    assert 0 <= (sample.min or 0) < 0.01
    assert 0.3 < (sample.max or 0) <= 1
    assert sample.integer is None
    labels = describe(np.arange(1000) % 10, targets=True)
    assert labels is not None
    assert (labels.integer, labels.distinct, labels.width) == (True, 10, 1)
    one_hot = describe(np.eye(4)[np.array([0, 0, 0, 1, 2, 3])], targets=True)
    assert one_hot is not None
    assert (one_hot.rows_sum_to_1, one_hot.width, one_hot.distinct) == (True, 4, 2)
    assert one_hot.commonest_share == 0.5
    soft = describe(np.full((4, 2), 0.5), targets=True)
    assert soft is not None
    assert (soft.rows_sum_to_1, soft.integer) == (True, False)


@pytest.mark.parametrize("odd", [None, [], {}, "text", np.array(3.0), np.array(["a"]), object()])
def test_what_cannot_be_counted_has_no_statistics(odd: Any) -> None:
    assert describe(odd) is None


def test_the_first_of_several_inputs_counts() -> None:
    for data in ({"a": X, "b": Y}, [X, Y], (X, Y)):
        sample = describe(data)
        assert sample is not None
        assert sample.shape == [64, 8]
        assert length(data) == 64
    assert length(object()) is None
    assert describe([1.0, 2.0]) is not None


def test_large_data_is_only_sampled() -> None:
    class Huge:
        shape = (10**9, 512, 512)
        asked: Any = None

        def __getitem__(self, key: Any) -> Any:
            self.asked = key
            return np.zeros((2, 512, 512), "uint8")

    began = time.perf_counter()
    sample = describe(Huge())
    assert time.perf_counter() - began < 0.5
    assert sample is not None


def test_the_commit_is_read_from_the_files(tmp_path: Path) -> None:
    git = tmp_path / ".git"
    (git / "refs/heads").mkdir(parents=True)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert git_commit(below) is None
    (git / "packed-refs").write_text(f"# pack-refs\n{COMMIT} refs/heads/main\n")
    assert git_commit(below) == COMMIT
    (git / "refs/heads/main").write_text("f" * 40 + "\n")
    assert git_commit(below) == "f" * 40
    (git / "HEAD").write_text(COMMIT)
    assert git_commit(below) == COMMIT
    (git / "HEAD").write_text("ref: ../../../etc/passwd")
    assert git_commit(below) is None
    assert git_commit(Path("/")) is None


def test_the_commit_is_what_git_says(tmp_path: Path) -> None:
    def git(*words: str, cwd: Path = tmp_path) -> str:
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *who, *words], cwd=cwd, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    git("worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    git("commit", "-q", "--allow-empty", "-m", "two", cwd=tmp_path / "tree")
    assert git_commit(tmp_path) == git("rev-parse", "HEAD")
    assert git_commit(tmp_path / "tree") == git("rev-parse", "HEAD", cwd=tmp_path / "tree")
    assert git_commit(tmp_path) != git_commit(tmp_path / "tree")


def test_origin() -> None:
    body = add_origin(contract.RunStarted(), "1.2.3")
    assert body.callback == "1.2.3"
    assert body.pid
    assert body.python
    assert body.host


@pytest.mark.parametrize(
    ("environ", "chief"),
    [
        ({}, True),
        ({"RANK": "0", "WORLD_SIZE": "4"}, True),
        ({"RANK": "3", "WORLD_SIZE": "4"}, False),
        ({"RANK": "3", "WORLD_SIZE": "1"}, True),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, False),
        ({"TF_CONFIG": "rubbish"}, True),
        ({"TF_CONFIG": '{"task":{"type":"worker","index":0}}'}, True),
        ({"TF_CONFIG": '{"task":{"type":"worker","index":2}}'}, False),
        ({"TF_CONFIG": '{"cluster":{"chief":["a"]},"task":{"type":"worker","index":0}}'}, False),
        ({"TF_CONFIG": '{"cluster":{"chief":["a"]},"task":{"type":"chief","index":0}}'}, True),
        ({"TF_CONFIG": '{"cluster":{},"task":{"type":"evaluator","index":0}}'}, False),
    ],
)
def test_who_speaks_for_a_distributed_run(environ: dict[str, str], chief: bool) -> None:  # noqa: FBT001
    assert is_chief("tensorflow", environ) is chief
