"""Word pieces: vocabularies, the tokenizer, and the encoder of lines."""
