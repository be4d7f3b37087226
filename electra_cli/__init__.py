"""electra: pretrain ELECTRA text encoders, from raw text to an exported model."""

__version__ = "0.1.0"
