"""Watches Keras training: publishes each epoch and applies bounded commands."""

__version__ = "0.1.0"
