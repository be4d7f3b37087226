"""The reference's optimizer: Adam without bias correction, with decoupled weight decay."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from electra_cli.config.finetune import LayerDecay
from electra_cli.optimization.layerwise import rate_factor

# model/optimization.py of the reference: no decay where one of these is found in the name.
NO_DECAY = re.compile("LayerNorm|layer_norm|bias")


class ElectraAdamW(tf_keras.optimizers.legacy.Optimizer):
    """m/(√v+ε) + λ·w, times the learning rate (model/optimization.py, AdamWeightDecayOptimizer).

    It is not the Adam of the textbook: the moments are not corrected for their start at zero.

    Args:
      learning_rate: A float or a schedule over `iterations`.
      beta_1: Decay of the first moment.
      beta_2: Decay of the second moment.
      epsilon: Added to the square root of the second moment.
      weight_decay: λ, on all variables but biases and LayerNorm.
      layer_decay: How the rate falls from layer to layer, as `rate_factor` has it; its other
        arguments are the next two.
      decay_factor: Rate of a layer as a share of the layer above.
      layers: Of the encoder.
      name: Prefix of the slots' names.
    """

    def __init__(
        self,
        learning_rate: Any = 5e-4,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        weight_decay: float = 0.01,
        layer_decay: LayerDecay = "none",
        decay_factor: float = 1.0,
        layers: int = 0,
        name: str = "ElectraAdamW",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", learning_rate)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.weight_decay = weight_decay
        self.layer_decay = layer_decay
        self.decay_factor = decay_factor
        self.layers = layers
        # TensorFlow's kernel computes 1 - beta in float32, which is off by 5e-5 of itself at
        # 0.999. Both moments are linear in it, so the rate and epsilon can make up for it.
        first = (1 - beta_1) / float(np.float32(1) - np.float32(beta_1))
        second = ((1 - beta_2) / float(np.float32(1) - np.float32(beta_2))) ** 0.5
        self._rate_correction = first / second
        self._kernel_epsilon = epsilon / second

    def current_learning_rate(self) -> tf.Tensor:
        """The rate of the next update, scalar float32: that of the step it leads to.

        Nothing in the reference holds the step's increment back until the rate is computed; the
        recorded runs show that it comes first, so the first update has the rate of step 1.
        """
        rate = self._get_hyper("learning_rate")
        if isinstance(rate, tf_keras.optimizers.schedules.LearningRateSchedule):
            rate = rate(self.iterations + 1)
        return tf.cast(rate, tf.float32)

    def rate_factor_of(self, variable: tf.Variable) -> float:
        """The rate of a variable as a share of `current_learning_rate`."""
        if self.layer_decay == "none":
            return 1.0
        return rate_factor(
            variable.name, layers=self.layers, factor=self.decay_factor, rule=self.layer_decay
        )

    def _decayed_lr(self, var_dtype: tf.DType) -> tf.Tensor:
        return tf.cast(self.current_learning_rate(), var_dtype)

    def _create_slots(self, var_list: list[tf.Variable]) -> None:
        for slot in ("m", "v"):
            for variable in var_list:
                self.add_slot(variable, slot)

    def _resource_apply_dense(
        self, grad: tf.Tensor, var: tf.Variable, apply_state: Any = None
    ) -> tf.Operation:
        learning_rate = apply_state[(var.device, var.dtype.base_dtype)]["lr_t"]
        if (factor := self.rate_factor_of(var)) != 1.0:
            learning_rate = learning_rate * factor
        decayed = []
        if self.weight_decay and not NO_DECAY.search(var.name):
            # w·(1-lr·λ) first and the rest afterwards is the reference's update on the old w.
            decayed = [var.assign_sub(learning_rate * self.weight_decay * var, read_value=False)]
        with tf.control_dependencies(decayed):
            # TensorFlow's fused kernel; powers of zero turn its bias correction off.
            return tf.raw_ops.ResourceApplyAdam(
                var=var.handle,
                m=self.get_slot(var, "m").handle,
                v=self.get_slot(var, "v").handle,
                beta1_power=0.0,
                beta2_power=0.0,
                lr=learning_rate * self._rate_correction,
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self._kernel_epsilon,
                grad=grad,
            )

    def get_config(self) -> dict[str, Any]:
        """The hyperparameters, as every tf_keras optimizer gives them."""
        return super().get_config() | {
            "learning_rate": self._serialize_hyperparameter("learning_rate"),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "weight_decay": self.weight_decay,
            "layer_decay": self.layer_decay,
            "decay_factor": self.decay_factor,
            "layers": self.layers,
        }
