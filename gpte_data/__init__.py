"""gpte-data: training data for general-purpose text embedding models."""

__version__ = "0.1.0"
