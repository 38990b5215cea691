"""The version of this distribution, beside the one in pyproject.toml because `importlib.metadata` costs 10 ms."""

VERSION = "0.1.0"
