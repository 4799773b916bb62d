"""Programs written after the rules."""

from __future__ import annotations

import keras
import numpy as np
from programs import (
    HEAD,
    INITIAL,
    METRIC,
    Program,
    cancer,
    dense,
    diabetes,
    digits,
    labels,
    layers,
    made,
    one_hot,
    program,
    scaled,
    wave,
    wine,
    words,
    xor,
)

D, A = layers.Dense, layers.Activation
LOSSES = keras.losses
SPARSE, CCE, BCE = (
    "sparse_categorical_crossentropy",
    "categorical_crossentropy",
    "binary_crossentropy",
)


def images() -> tuple[np.ndarray, np.ndarray]:
    x, y = digits()
    return x.reshape(-1, 8, 8, 1), y


def convolved(*head: object, hidden: str = "relu") -> keras.Model:
    body = [
        layers.Conv2D(8, 3, activation=hidden),
        layers.MaxPooling2D(),
        layers.Flatten(),
    ]
    return keras.Sequential([keras.Input((8, 8, 1)), *body, *head])


def read(*head: object) -> keras.Model:
    return keras.Sequential([keras.Input((16,)), layers.Embedding(200, 8), *head])


@program("second", "binary", "one softmax unit", HEAD)
def text_softmax_one() -> Program:
    x, y = words()
    return made(read(layers.LSTM(8), D(1, "softmax")), x, y, BCE, "accuracy")


@program("second", "binary", "one softmax unit", HEAD)
def functional_softmax_one() -> Program:
    x, y = cancer()
    inputs = keras.Input((30,))
    model = keras.Model(inputs, layers.Softmax()(D(1)(D(16, "relu")(inputs))))
    return made(model, x, y, "mse", "accuracy")


@program("second", "binary", "one softmax unit", HEAD)
def hinge_softmax_one() -> Program:
    x, y = cancer()
    return made(dense(x, D(1, "softmax")), x, 2 * y - 1, "hinge")


@program("second", "multiclass", "linear head", HEAD)
def convolved_linear() -> Program:
    x, y = images()
    return made(convolved(D(10)), x, y, SPARSE, "accuracy")


@program("second", "binary", "linear head", HEAD)
def text_linear() -> Program:
    x, y = words()
    return made(
        read(layers.GRU(8), D(1)), x, y, LOSSES.BinaryCrossentropy(), "accuracy"
    )


@program("second", "multiclass", "relu head", HEAD)
def relu_classes() -> Program:
    x, y = wine()
    return made(dense(x, D(3, "relu")), x, one_hot(y), CCE, "accuracy")


@program("second", "multiclass", "tanh head", HEAD)
def tanh_classes() -> Program:
    x, y = digits()
    return made(dense(x, D(10, "tanh")), x, y, SPARSE, "accuracy")


@program("second", "binary", "relu before sigmoid", HEAD)
def relu_sigmoid() -> Program:
    x, y = cancer()
    return made(dense(x, D(1, "relu"), A("sigmoid")), x, y, BCE, "accuracy")


@program("second", "multiclass", "relu before softmax", HEAD)
def relu_softmax_functional() -> Program:
    x, y = images()
    return made(convolved(D(10, "relu"), layers.Softmax()), x, y, SPARSE, "accuracy")


@program("second", "multiclass", "logits twice", HEAD)
def softmax_cce_logits() -> Program:
    x, y = wine()
    loss = LOSSES.CategoricalCrossentropy(from_logits=True)
    return made(dense(x, D(3, "softmax")), x, one_hot(y), loss, "accuracy")


@program("second", "regression", "sigmoid against a range", HEAD)
def sigmoid_wave() -> Program:
    x, y = wave()
    model = keras.Sequential([keras.Input((12, 1)), layers.LSTM(8), D(1, "sigmoid")])
    return made(model, x, y, "mae")


@program("second", "regression", "softmax of a regression", HEAD)
def softmax_regression() -> Program:
    x, y = diabetes()
    return made(dense(x, D(3, "softmax")), x, np.stack([y, y / 2, y / 3], 1), "mse")


@program("second", "regression", "relu against negatives", HEAD)
def relu_standardised() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1, "relu")), x, (y - y.mean()) / y.std(), LOSSES.Huber())


@program("second", "unknown", "sigmoid against a range", HEAD)
def autoencoder_standardised() -> Program:
    x, _ = wine()
    return made(dense(x, D(13, "sigmoid"), hidden=(4,)), x, x, "mse")


@program("second", "regression", "tanh against a range", HEAD)
def lstm_as_head() -> Program:
    x, y = wave()
    model = keras.Sequential(
        [keras.Input((12, 1)), layers.LSTM(8, return_sequences=True), layers.LSTM(1)]
    )
    return made(model, x, 50 + 20 * y, "mse")


@program("second", "multiclass", "sparse labels out of range", HEAD)
def negative_labels() -> Program:
    x, y = wine()
    return made(dense(x, D(3, "softmax")), x, y - 1, SPARSE, "accuracy")


@program("second", "multiclass", "categorical with one unit", HEAD)
def sparse_one() -> Program:
    x, y = cancer()
    return made(dense(x, D(1, "sigmoid")), x, y, SPARSE, "accuracy")


@program("second", "multiclass", "one-hot and sparse", HEAD)
def sparse_one_hot() -> Program:
    x, y = wine()
    return made(dense(x, D(3, "softmax")), x, one_hot(y), SPARSE)


@program("second", "multiclass", "class numbers and categorical", HEAD)
def categorical_numbers() -> Program:
    x, y = wine()
    return made(dense(x, D(3, "softmax")), x, y, CCE)


@program("second", "multiclass", "mse on class numbers", HEAD, METRIC)
def mse_relu_classes() -> Program:
    x, y = wine()
    return made(dense(x, D(1, "relu")), x, y, "mse", "accuracy")


@program("second", "binary", "labels outside the loss", HEAD)
def mse_sigmoid_signs() -> Program:
    x, y = cancer()
    return made(dense(x, D(1, "sigmoid")), x, 2 * y - 1, "mse", "accuracy")


@program("second", "unknown", "labels outside the loss", HEAD)
def poisson_standardised() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1, "softplus")), x, (y - y.mean()) / y.std(), "poisson")


@program("second", "multiclass", "sigmoid for classes", HEAD)
def sigmoid_classes() -> Program:
    x, y = digits()
    return made(dense(x, D(10, "sigmoid")), x, one_hot(y), CCE, "accuracy")


@program("second", "multilabel", "softmax for several labels", HEAD)
def softmax_labels_mse() -> Program:
    x, y = labels()
    return made(dense(x, D(5, "softmax")), x, y, "mse")


@program("second", "multiclass", "hidden softmax", HEAD)
def hidden_softmax() -> Program:
    x, y = images()
    return made(convolved(D(32, "softmax"), D(10, "softmax")), x, y, SPARSE, "accuracy")


@program("second", "binary", "relu head", HEAD)
def relu_xor() -> Program:
    x, y = xor()
    return made(dense(x, D(1, "relu"), hidden=(4,)), x, y, "mse", "accuracy")


@program("second", "regression", "accuracy of a regression", METRIC)
def series_accuracy() -> Program:
    x, y = wave()
    model = keras.Sequential([keras.Input((12, 1)), layers.GRU(8), D(1)])
    return made(model, x, y, "mse", "accuracy")


@program("second", "multiclass", "the wrong accuracy", METRIC)
def binary_accuracy_of_ten() -> Program:
    x, y = digits()
    return made(dense(x, D(10, "softmax")), x, one_hot(y), CCE, "binary_accuracy")


@program("second", "regression", "data not finite", HEAD, "loss_nan")
def hole_in_inputs() -> Program:
    x, y = diabetes()
    x[::7, 2] = np.nan
    return made(dense(x, D(1)), x, y, "mse")


@program(
    "second", "regression", "unscaled inputs", INITIAL, "lr_too_high", "divergence"
)
def regression_unscaled() -> Program:
    x, y = diabetes()
    return made(
        dense(1e4 * x, D(1), hidden=(64, 64)), 1e4 * x, (y - y.mean()) / y.std(), "mse"
    )


# Meant as a sound one; it turned out to learn nothing.
@program("second", "binary", "unscaled inputs", INITIAL, "not_learning", "lr_too_high")
def cancer_raw() -> Program:
    x, y = cancer(raw=True)
    return made(dense(x, layers.Dropout(0.2), D(1, "sigmoid")), x, y, BCE, "accuracy")


# Sound ones.


@program("second", "multiclass")
def squeezed_pooling() -> Program:
    x, y = images()
    parts = [
        layers.Conv2D(16, 3, activation="relu"),
        layers.Conv2D(10, 3),
        layers.GlobalAveragePooling2D(),
        layers.Softmax(),
    ]
    return made(
        keras.Sequential([keras.Input((8, 8, 1)), *parts]), x, y, SPARSE, "accuracy"
    )


@program("second", "multiclass")
def normalised_head() -> Program:
    x, y = digits()
    head = [D(10), layers.BatchNormalization(), A("softmax")]
    return made(dense(x, *head), x, one_hot(y), CCE, "accuracy")


@program("second", "multiclass")
def nested() -> Program:
    x, y = images()
    base = convolved(D(16, "relu"))
    model = keras.Sequential([keras.Input((8, 8, 1)), base, D(10, "softmax")])
    return made(model, x, y, SPARSE, "accuracy")


@program("second", "multiclass")
def averaged() -> Program:
    x, y = wine()
    inputs = keras.Input((13,))
    model = keras.Model(
        inputs, layers.Average()([D(3, "softmax")(inputs), D(3, "softmax")(inputs)])
    )
    return made(model, x, y, SPARSE, "accuracy")


@program("second", "multiclass")
def lambda_head() -> Program:
    x, y = wine()
    head = [D(3), layers.Lambda(keras.ops.softmax, output_shape=(3,))]
    return made(dense(x, *head), x, y, SPARSE, "accuracy")


@program("second", "multiclass")
def attention() -> Program:
    x, y = words(4)
    inputs = keras.Input((16,))
    states = layers.LSTM(8, return_sequences=True)(layers.Embedding(200, 8)(inputs))
    scores = layers.Softmax(axis=1)(D(1)(states))
    seen = layers.Lambda(lambda t: keras.ops.sum(t, axis=1), output_shape=(8,))(
        layers.Multiply()([scores, states])
    )
    return made(keras.Model(inputs, D(4, "softmax")(seen)), x, y, SPARSE, "accuracy")


@program("second", "multiclass")
def pointer() -> Program:
    x, _ = words()
    y = x.argmax(1)
    head = [
        layers.LSTM(8, return_sequences=True),
        layers.TimeDistributed(D(1)),
        layers.Flatten(),
        layers.Softmax(),
    ]
    return made(read(*head), x, y, SPARSE, "accuracy")


@program("second", "multiclass")
def tagging() -> Program:
    x, _ = words()
    head = [
        layers.Bidirectional(layers.LSTM(8, return_sequences=True)),
        layers.TimeDistributed(D(3, "softmax")),
    ]
    return made(read(*head), x, x % 3, SPARSE, "accuracy")


@program("second", "regression")
def sequence_out() -> Program:
    x, _ = wave()
    model = keras.Sequential(
        [
            keras.Input((12, 1)),
            layers.LSTM(8, return_sequences=True),
            layers.TimeDistributed(D(1)),
        ]
    )
    return made(model, x[:-1], x[1:, :, 0], "mse")


@program("second", "regression")
def several_steps() -> Program:
    x, y = wave()
    model = keras.Sequential(
        [
            keras.Input((12, 1)),
            layers.Conv1D(8, 3, activation="relu"),
            layers.Flatten(),
            D(2),
        ]
    )
    return made(model, x[:-1], np.stack([y[:-1], y[1:]], 1), "mse", "mae")


@program("second", "unknown")
def segmentation() -> Program:
    x, _ = images()
    parts = [
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.Conv2D(1, 1, activation="sigmoid"),
    ]
    model = keras.Sequential([keras.Input((8, 8, 1)), *parts])
    return made(model, x, (x > 0.5).astype("float32"), BCE, "accuracy")


@program("second", "unknown")
def segmentation_two() -> Program:
    x, _ = images()
    parts = [
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.Conv2D(2, 1, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((8, 8, 1)), *parts])
    return made(model, x, (x[..., 0] > 0.5).astype("int32"), SPARSE, "accuracy")


@program("second", "unknown")
def convolved_autoencoder() -> Program:
    x, _ = images()
    parts = [
        layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid"),
    ]
    return made(keras.Sequential([keras.Input((8, 8, 1)), *parts]), x, x, BCE, "mse")


@program("second", "unknown")
def autoencoder_accuracy() -> Program:
    x, _ = digits()
    return made(dense(x, D(64, "sigmoid"), hidden=(16,)), x, x, BCE, "accuracy")


@program("second", "unknown")
def autoencoder_tanh() -> Program:
    x, _ = digits()
    return made(dense(x, D(64, "tanh"), hidden=(16,)), x, 2 * x - 1, "mse")


@program("second", "unknown")
def autoencoder_linear() -> Program:
    x, _ = wine()
    return made(dense(x, D(13), hidden=(4,)), x, x, "mse")


@program("second", "regression")
def per_cent() -> Program:
    x, y = diabetes()
    return made(
        dense(x, D(1)), x, 100 * (y - 25) / 321, "mae", opt=keras.optimizers.Adam(0.05)
    )


@program("second", "regression")
def regression_unscaled_inputs() -> Program:
    x, y = diabetes()
    return made(dense(30 * x + 100, D(1)), 30 * x + 100, y, "mse")


@program("second", "regression")
def log_targets() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1, "relu")), x, y, "msle")


@program("second", "regression")
def minmax_sigmoid() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1, "sigmoid")), x, (y - 40) / 300, "mse")


@program("second", "binary")
def smoothed() -> Program:
    x, y = cancer()
    return made(dense(x, D(1, "sigmoid")), x, 0.05 + 0.9 * y, BCE)


@program("second", "binary")
def cancer_raw_normalised() -> Program:
    x, y = cancer(raw=True)
    head = [layers.BatchNormalization(), D(1, "sigmoid")]
    return made(dense(x, *head), x, y, BCE, "accuracy")


@program("second", "binary")
def focal() -> Program:
    x, y = cancer()
    return made(
        dense(x, D(1, "sigmoid")), x, y, LOSSES.BinaryFocalCrossentropy(), "AUC"
    )


@program("second", "binary")
def softmax_two_mse() -> Program:
    x, y = cancer()
    return made(dense(x, D(2, "softmax")), x, one_hot(y), "mse", "accuracy")


@program("second", "multiclass")
def categorical_hinge() -> Program:
    x, y = wine()
    return made(dense(x, D(3)), x, one_hot(y), "categorical_hinge", "accuracy")


@program("second", "multiclass")
def kld() -> Program:
    x, y = wine()
    return made(dense(x, D(3, "softmax")), x, one_hot(y), "kl_divergence", "accuracy")


@program("second", "multiclass")
def one_against_rest() -> Program:
    x, y = digits()
    return made(dense(x, D(10, "sigmoid")), x, one_hot(y), BCE, "categorical_accuracy")


@program("second", "unknown")
def embedding_distance() -> Program:
    x, _ = wine()

    def pull(_: object, made_: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.mean(keras.ops.square(keras.ops.mean(made_, -1)))

    return made(dense(x, D(8)), x, np.zeros(len(x)), pull)


@program("second", "multiclass")
def deep_sigmoids() -> Program:
    x, y = wine()
    model = dense(scaled(x), D(3, "softmax"), hidden=(32, 16), act="tanh")
    return made(model, x, y, SPARSE, "accuracy", opt=keras.optimizers.SGD(0.1))
