"""HashQuant: deep hashing against deep product quantization, under one protocol."""

__version__ = "0.1.0"
