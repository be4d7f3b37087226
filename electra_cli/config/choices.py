"""Words that keys of the schema choose from; apart from it, since commands that need only the words
start twice as fast without it.
"""

from __future__ import annotations

from typing import Literal

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Sampling = Literal["reference", "distinct"]
Masking = Literal["token", "whole-word", "span"]
Network = Literal["generator", "discriminator"]
ObjectiveName = Literal["electra", "mlm", "electric"]
Sharing = Literal["tied", "none", "all", "disentangled"]
ScheduleName = Literal["electra", "linear", "constant", "wsd", "cosine"]
DecayShape = Literal["linear", "1-sqrt"]
