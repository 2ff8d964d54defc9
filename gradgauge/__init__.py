"""gradgauge: interchangeable implementations of one PyTorch function, measured against each other."""

__version__ = "0.1.0"
