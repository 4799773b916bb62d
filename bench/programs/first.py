"""Programs written before the rules."""

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
    wave,
    wine,
    words,
    xor,
)

D, A = layers.Dense, layers.Activation
LOSSES = keras.losses


@program("first", "binary", "one softmax unit", HEAD)
def softmax_of_one() -> Program:
    x, y = cancer()
    return made(dense(x, D(1, "softmax")), x, y, "binary_crossentropy", "accuracy")


@program("first", "regression", "one softmax unit", HEAD)
def softmax_of_one_mse() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1), A("softmax")), x, y / 346, "mse")


@program("first", "multiclass", "one softmax unit", HEAD)
def softmax_of_one_sparse() -> Program:
    x, y = wine()
    return made(
        dense(x, D(1, "softmax")), x, y, "sparse_categorical_crossentropy", "accuracy"
    )


@program("first", "binary", "linear head", HEAD)
def linear_bce() -> Program:
    x, y = cancer()
    return made(dense(x, D(1)), x, y, "binary_crossentropy", "accuracy")


@program("first", "multiclass", "linear head", HEAD)
def linear_sparse() -> Program:
    x, y = digits()
    return made(dense(x, D(10)), x, y, "sparse_categorical_crossentropy", "accuracy")


@program("first", "multiclass", "linear head", HEAD)
def linear_cce() -> Program:
    x, y = digits()
    return made(dense(x, D(10)), x, one_hot(y), "categorical_crossentropy", "accuracy")


@program("first", "binary", "relu head", HEAD)
def relu_bce() -> Program:
    x, y = cancer()
    return made(dense(x, D(1, "relu")), x, y, "binary_crossentropy", "accuracy")


@program("first", "binary", "tanh head", HEAD)
def tanh_bce() -> Program:
    x, y = xor()
    return made(
        dense(x, D(1, "tanh"), hidden=(8,)), x, y, "binary_crossentropy", "accuracy"
    )


@program("first", "multiclass", "relu before softmax", HEAD)
def relu_softmax() -> Program:
    x, y = digits()
    head = [D(10, "relu"), A("softmax")]
    return made(dense(x, *head), x, one_hot(y), "categorical_crossentropy", "accuracy")


@program("first", "multiclass", "logits twice", HEAD)
def softmax_logits() -> Program:
    x, y = digits()
    loss = LOSSES.SparseCategoricalCrossentropy(from_logits=True)
    return made(dense(x, D(10, "softmax")), x, y, loss, "accuracy")


@program("first", "binary", "logits twice", HEAD)
def sigmoid_logits() -> Program:
    x, y = cancer()
    loss = LOSSES.BinaryCrossentropy(from_logits=True)
    return made(dense(x, D(1, "sigmoid")), x, y, loss, "accuracy")


@program("first", "multiclass", "softmax twice", HEAD)
def softmax_softmax() -> Program:
    x, y = wine()
    head = [D(3, "softmax"), layers.Softmax()]
    return made(dense(x, *head), x, y, "sparse_categorical_crossentropy", "accuracy")


@program("first", "regression", "sigmoid against a range", HEAD)
def sigmoid_range() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1, "sigmoid")), x, y, "mse", "mae")


@program("first", "regression", "sigmoid against a range", HEAD)
def sigmoid_standardised() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1, "sigmoid")), x, (y - y.mean()) / y.std(), "mse")


@program("first", "regression", "relu against negatives", HEAD)
def relu_negatives() -> Program:
    x, y = wave()
    model = keras.Sequential([keras.Input((12, 1)), layers.LSTM(8), D(1, "relu")])
    return made(model, x, y, "mse")


@program("first", "regression", "tanh against a range", HEAD)
def tanh_range() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1, "tanh")), x, y, "mae")


@program("first", "multiclass", "sparse labels out of range", HEAD)
def labels_from_one() -> Program:
    x, y = wine()
    return made(dense(x, D(3, "softmax")), x, y + 1, "sparse_categorical_crossentropy")


@program("first", "multiclass", "too few units", HEAD)
def few_units() -> Program:
    x, y = digits()
    return made(
        dense(x, D(5, "softmax")), x, y, "sparse_categorical_crossentropy", "accuracy"
    )


@program("first", "multiclass", "sigmoid unit for many classes", HEAD)
def sigmoid_for_many() -> Program:
    x, y = wine()
    return made(dense(x, D(1, "sigmoid")), x, y, "binary_crossentropy", "accuracy")


@program("first", "multiclass", "mse on class numbers", HEAD, METRIC)
def mse_on_classes() -> Program:
    x, y = digits()
    return made(dense(x, D(1)), x, y, "mse", "accuracy")


@program("first", "multiclass", "mse on class numbers", HEAD)
def mse_softmax_indices() -> Program:
    x, y = digits()
    return made(dense(x, D(10, "softmax")), x, y, "mse", "accuracy")


@program("first", "multiclass", "categorical with one unit", HEAD)
def cce_sigmoid_one() -> Program:
    x, y = cancer()
    return made(
        dense(x, D(1, "sigmoid")), x, y[:, None], "categorical_crossentropy", "accuracy"
    )


@program("first", "binary", "labels outside the loss", HEAD)
def bce_minus_one() -> Program:
    x, y = cancer()
    return made(
        dense(x, D(1, "sigmoid")), x, 2 * y - 1, "binary_crossentropy", "accuracy"
    )


@program("first", "binary", "labels outside the loss", HEAD)
def bce_one_two() -> Program:
    x, y = cancer()
    return made(dense(x, D(1, "sigmoid")), x, y + 1, "binary_crossentropy", "accuracy")


@program("first", "unknown", "labels outside the loss", HEAD)
def autoencoder_raw() -> Program:
    x, _ = digits(raw=True)
    return made(dense(x, D(64, "sigmoid")), x, x, "binary_crossentropy")


@program("first", "multilabel", "softmax for several labels", HEAD)
def softmax_multilabel() -> Program:
    x, y = labels()
    return made(dense(x, D(5, "softmax")), x, y, "binary_crossentropy", "accuracy")


@program("first", "multilabel", "softmax for several labels", HEAD)
def cce_multilabel() -> Program:
    x, y = labels()
    return made(dense(x, D(5, "softmax")), x, y, "categorical_crossentropy", "accuracy")


@program("first", "multiclass", "binary loss for classes", HEAD)
def bce_softmax_ten() -> Program:
    x, y = digits()
    return made(
        dense(x, D(10, "softmax")), x, one_hot(y), "binary_crossentropy", "accuracy"
    )


@program("first", "regression", "accuracy of a regression", METRIC)
def regression_accuracy() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1)), x, y, "mse", "accuracy")


@program(
    "first", "multiclass", "unscaled inputs", INITIAL, "not_learning", "lr_too_high"
)
def unscaled() -> Program:
    x, y = digits(raw=True)
    x = 1000 * x
    return made(
        dense(x, D(10, "softmax")), x, y, "sparse_categorical_crossentropy", "accuracy"
    )


# Sound ones.


@program("first", "binary")
def plain_binary() -> Program:
    x, y = cancer()
    return made(dense(x, D(1, "sigmoid")), x, y, "binary_crossentropy", "accuracy")


@program("first", "binary")
def binary_logits() -> Program:
    x, y = cancer()
    loss = LOSSES.BinaryCrossentropy(from_logits=True)
    return made(dense(x, D(1)), x, y, loss, "accuracy")


@program("first", "multiclass")
def sparse_logits() -> Program:
    x, y = digits()
    loss = LOSSES.SparseCategoricalCrossentropy(from_logits=True)
    return made(dense(x, D(10)), x, y, loss, "accuracy")


@program("first", "multiclass")
def plain_sparse() -> Program:
    x, y = digits()
    return made(
        dense(x, D(10, "softmax")), x, y, "sparse_categorical_crossentropy", "accuracy"
    )


@program("first", "multiclass")
def plain_one_hot() -> Program:
    x, y = digits()
    model = dense(x, D(10), A("softmax"))
    return made(model, x, one_hot(y), "categorical_crossentropy", "accuracy")


@program("first", "multiclass")
def unscaled_but_working() -> Program:
    x, y = digits(raw=True)
    return made(
        dense(x, D(10, "softmax")), x, y, "sparse_categorical_crossentropy", "accuracy"
    )


@program("first", "multiclass")
def mse_softmax() -> Program:
    x, y = digits()
    return made(dense(x, D(10, "softmax")), x, one_hot(y), "mse", "accuracy")


@program("first", "binary")
def mse_sigmoid() -> Program:
    x, y = cancer()
    return made(dense(x, D(1, "sigmoid")), x, y, "mse", "accuracy")


@program("first", "binary")
def bce_softmax_two() -> Program:
    x, y = cancer()
    return made(
        dense(x, D(2, "softmax")), x, one_hot(y), "binary_crossentropy", "accuracy"
    )


@program("first", "binary")
def sparse_softmax_two() -> Program:
    x, y = cancer()
    return made(
        dense(x, D(2, "softmax")), x, y, "sparse_categorical_crossentropy", "accuracy"
    )


@program("first", "binary")
def hinge_tanh() -> Program:
    x, y = cancer()
    return made(dense(x, D(1, "tanh")), x, 2 * y - 1, "hinge")


@program("first", "binary")
def hinge_zero_one() -> Program:
    x, y = cancer()
    return made(dense(x, D(1)), x, y, "squared_hinge")


@program("first", "regression")
def plain_regression() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1)), x, y, "mse", "mae", opt=keras.optimizers.Adam(0.01))


@program("first", "regression")
def regression_mape() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1)), x, y, "mape", opt=keras.optimizers.Adam(0.01))


@program("first", "regression")
def relu_counts() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1, "relu")), x, np.round(y / 10), "mae", "mse")


@program("first", "regression")
def sigmoid_share() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1, "sigmoid")), x, (y - 25) / 330, "mse", "mae")


@program("first", "regression")
def tanh_wave() -> Program:
    x, y = wave()
    model = keras.Sequential([keras.Input((12, 1)), layers.LSTM(8), D(1, "tanh")])
    return made(model, x, y / 1.4, "mse")


@program("first", "regression")
def lstm_wave() -> Program:
    x, y = wave()
    model = keras.Sequential([keras.Input((12, 1)), layers.LSTM(8), D(1)])
    return made(model, x, y, "mse")


@program("first", "multilabel")
def multilabel() -> Program:
    x, y = labels()
    return made(
        dense(x, D(5, "sigmoid")), x, y, "binary_crossentropy", "binary_accuracy"
    )


@program("first", "multilabel")
def multilabel_accuracy() -> Program:
    x, y = labels()
    return made(dense(x, D(5, "sigmoid")), x, y, "binary_crossentropy", "accuracy")


@program("first", "unknown")
def autoencoder_bce() -> Program:
    x, _ = digits()
    return made(dense(x, D(64, "sigmoid"), hidden=(16,)), x, x, "binary_crossentropy")


@program("first", "unknown")
def autoencoder_mse() -> Program:
    x, _ = digits()
    return made(dense(x, D(64, "sigmoid"), hidden=(16,)), x, x, "mse")


@program("first", "unknown")
def autoencoder_relu() -> Program:
    x, _ = digits(raw=True)
    return made(dense(x, D(64, "relu"), hidden=(16,)), x, x, "mae")


@program("first", "multiclass")
def convolution() -> Program:
    x, y = digits()
    x = x.reshape(-1, 8, 8, 1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.2),
            D(10, "softmax"),
        ]
    )
    return made(model, x, y, "sparse_categorical_crossentropy", "accuracy")


@program("first", "binary")
def text_binary() -> Program:
    x, y = words()
    parts = [layers.Embedding(200, 8), layers.LSTM(8), D(1, "sigmoid")]
    model = keras.Sequential([keras.Input((16,)), *parts])
    return made(model, x, y, "binary_crossentropy", "accuracy")


@program("first", "multiclass")
def text_pooled() -> Program:
    x, y = words(4)
    parts = [layers.Embedding(200, 8), layers.GlobalAveragePooling1D(), D(4, "softmax")]
    model = keras.Sequential([keras.Input((16,)), *parts])
    return made(model, x, y, "sparse_categorical_crossentropy", "accuracy")


@program("first", "unknown")
def custom_loss() -> Program:
    x, y = diabetes()

    def my_loss(true: keras.KerasTensor, made_: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.mean(keras.ops.abs(true - made_) ** 1.5)

    return made(dense(x, D(1)), x, y / 100, my_loss)


@program("first", "unknown")
def language_model() -> Program:
    x, _ = words()
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Embedding(200, 8),
            layers.LSTM(16, return_sequences=True),
            D(200),
        ]
    )
    loss = LOSSES.SparseCategoricalCrossentropy(from_logits=True)
    return made(model, x, np.roll(x, -1, 1), loss)


@program("first", "regression")
def poisson_counts() -> Program:
    x, y = diabetes()
    return made(dense(x, D(1, "softplus")), x, np.round(y / 20), "poisson")


@program("first", "multiclass")
def penalised() -> Program:
    x, y = digits()
    penalty = keras.regularizers.L2(0.05)
    model = dense(x, D(10, "softmax", kernel_regularizer=penalty))
    model.layers[0].kernel_regularizer = penalty
    return made(model, x, y, "sparse_categorical_crossentropy", "accuracy")
