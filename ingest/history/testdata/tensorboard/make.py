"""Writes the event files beside this script, as Keras and TensorFlow write them.

    python make.py    # in an environment with TensorFlow, TensorBoard and Keras

keras/     the TensorBoard callback: train/ and validation/, with History.history as JSON beside it
every/     the same with validation every second epoch and batch scalars, and a rate that falls
simple/    scalars as simple_value, as Keras 1 and tensorboardX write them
types/     scalars of several types, written as tensors
"""

import json
import os
import pathlib
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

here = pathlib.Path(__file__).parent


def fresh(name):
    folder = here / name
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def fit(folder, epochs, **more):
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(1).normal(size=(64, 4)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("float32")
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy", metrics=["accuracy"])
    board = keras.callbacks.TensorBoard(folder, write_graph=False, **more.pop("board", {}))
    history = model.fit(
        x, y, epochs=epochs, batch_size=16, validation_split=0.25, verbose=0,
        callbacks=[board, *more.pop("callbacks", [])], **more,
    )
    (folder / "history.json").write_text(json.dumps(history.history))


fit(fresh("keras"), 12)
fit(
    fresh("every"), 9, validation_freq=2, board={"update_freq": 1},
    callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9)],
)

with tf.compat.v1.Graph().as_default():
    writer = tf.compat.v1.summary.FileWriter(str(fresh("simple")))
    for step in range(5):
        for tag, value in {"loss": 1 / (step + 1), "acc": step / 5, "val_loss": 2 / (step + 1)}.items():
            writer.add_summary(
                tf.compat.v1.Summary(value=[tf.compat.v1.Summary.Value(tag=tag, simple_value=value)]), step)
    writer.close()

writer = tf.summary.create_file_writer(str(fresh("types")))
with writer.as_default():
    for step, dtype in enumerate([tf.float32, tf.float64, tf.float16, tf.bfloat16, tf.int32, tf.int64]):
        value = tf.cast(tf.constant(3.0 if dtype.is_integer else 1.5), dtype)
        meta = tf.compat.v1.SummaryMetadata(
            plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"))
        tf.summary.write("epoch_loss", value, step=step, metadata=meta)
    tf.summary.text("note", "no number", step=0)
    tf.summary.histogram("weights", tf.constant([1.0, 2.0]), step=0)
writer.close()
