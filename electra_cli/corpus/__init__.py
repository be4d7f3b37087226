"""Raw text to shards: readers, vocabulary, packing, manifest, pipeline; knows no TensorFlow."""
