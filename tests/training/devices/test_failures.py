"""What is made of TensorFlow's words for a GPU that fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import tensorflow as tf

from electra_cli.cli.app import _translate
from electra_cli.errors import (
    ConfigError,
    ElectraError,
    IOFailedError,
    OutOfMemoryError,
    TryAgainError,
)
from electra_cli.training.devices.failures import failures_told, told

INTERNAL, UNKNOWN, UNAVAILABLE = (
    tf.errors.InternalError,
    tf.errors.UnknownError,
    tf.errors.UnavailableError,
)
PRECONDITION = tf.errors.FailedPreconditionError

# Between bars: what TensorFlow 2.20 has in its libraries. The rest is the driver's.
WORDS = [
    (INTERNAL, "|Failed to load in-memory CUBIN| (compiled for a different GPU?).: "
     "CUDA_ERROR_OUT_OF_MEMORY: out of memory", OutOfMemoryError),
    (tf.errors.ResourceExhaustedError, "|OOM when allocating tensor with shape|[9,9]",
     OutOfMemoryError),
    (tf.errors.ResourceExhaustedError, "|Failed to allocate request for| 9.5GiB (10B) on device "
     "ordinal 0", OutOfMemoryError),
    (INTERNAL, "|ran out of memory trying to| instantiate command buffer", OutOfMemoryError),
    (INTERNAL, "|Dst tensor is not initialized.|", OutOfMemoryError),
    (INTERNAL, "|cudaGetDevice() failed|. Status: CUDA driver version is insufficient for CUDA "
     "runtime version", "the driver of the GPU is too old"),
    (INTERNAL, "|CUDA error: |Failed to load PTX: CUDA_ERROR_UNSUPPORTED_PTX_VERSION: the provided "
     "PTX was compiled with an unsupported toolchain.", "the driver of the GPU is too old"),
    (INTERNAL, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: system has unsupported display driver / cuda "
     "driver combination", "do not belong together"),
    (INTERNAL, "|CUDA Runtime error: |x: cudaErrorNoKernelImageForDevice: no kernel image is "
     "available for execution on the device", "no code for this GPU"),
    (INTERNAL, "'cuLaunchKernel(function, gridX, gridY)|' failed with '|CUDA_ERROR_INVALID_HANDLE'",
     "no code for this GPU"),
    (UNAVAILABLE, "|No PTX compilation provider is available|. Neither ptxas/nvlink nor nvjtlink "
     "is available.", "XLA cannot compile"),
    (INTERNAL, "|libdevice not found at |./libdevice.10.bc [Op:__inference]", "XLA cannot compile"),
    (UNKNOWN, "|JIT compilation failed.|", "XLA cannot compile"),
    (INTERNAL, "x |ptxas too old|. Falling back to the driver to compile.", "XLA cannot compile"),
    (INTERNAL, "|ptxas exited with non-zero error code| 65280, output: ", "XLA cannot compile"),
    (INTERNAL, "|ptxas exited with non-zero error code| 9, output: ", "ended by a signal"),
    (INTERNAL, "|Failed to launch ptxas|", "XLA cannot compile"),
    (tf.errors.UnimplementedError, "HLO instruction %a |does not have a deterministic "
     "implementation|, but", "the same bits each time"),
    (tf.errors.InvalidArgumentError, "|Failed to parse autotune result.|", "XLA cannot read which"),
    (INTERNAL, "|NCCL operation %s failed|: unhandled system error. Last NCCL warning(error) log "
     "entry (may be unrelated) ''", "the GPUs cannot exchange gradients"),
    (INTERNAL, "|NCCL operation %s failed|: |remote process exited| or there was a network error",
     "another GPU or worker has gone"),
    (PRECONDITION, "|DNN library initialization failed|. Look at the errors above for more "
     "details.", "a library of CUDA is missing"),
    (INTERNAL, "|Loaded runtime CuDNN library|: 8.5.0 but source was compiled with: 9.3.0.",
     "a library of CUDA is missing"),
    (INTERNAL, "|Could not create cudnn handle|: |CUDNN_STATUS_NOT_INITIALIZED|",
     "a library of CUDA is missing"),
    (INTERNAL, "{{function_node __wrapped__MatMul_device_GPU:0}} |No blas support for stream|",
     "a library of CUDA is missing"),
    (INTERNAL, "|No BLAS support for stream|", "a library of CUDA is missing"),
    (INTERNAL, "|Failed to initialize BLAS support|", "a library of CUDA is missing"),
    (INTERNAL, "|Failed to create cuSolverDN instance|.", "a library of CUDA is missing"),
    (INTERNAL, "|failed initializing StreamExecutor| for CUDA device ordinal 0: CUDA_ERROR_"
     "DEVICE_UNAVAILABLE: CUDA-capable device(s) is/are busy or unavailable", "is not free"),
    (INTERNAL, "|failed initializing StreamExecutor| for CUDA device ordinal 0: CUDA_ERROR_ECC_"
     "UNCORRECTABLE: uncorrectable ECC error encountered", "the GPU is damaged or lost"),
    (INTERNAL, "CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected", "damaged or lost"),
    (INTERNAL, "CUDA_ERROR_ASSERT: device-side assert triggered", "a kernel failed"),
    (INTERNAL, "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure", "a kernel failed"),
    (INTERNAL, "|CUDA error: |what: |UNKNOWN ERROR (|1234)", "the GPU failed"),
]  # fmt: skip
CODES = {
    "the driver of the GPU is too old": ConfigError,
    "do not belong together": ConfigError,
    "no code for this GPU": ConfigError,
    "XLA cannot compile": ConfigError,
    "the same bits each time": ConfigError,
    "XLA cannot read which": ConfigError,
    "a library of CUDA is missing": ConfigError,
    "another GPU or worker has gone": TryAgainError,
    "is not free": TryAgainError,
    "ended by a signal": TryAgainError,
    "the GPU is damaged or lost": TryAgainError,
    "damaged or lost": TryAgainError,
    "the GPUs cannot exchange gradients": ElectraError,
    "a kernel failed": ElectraError,
    "the GPU failed": ElectraError,
}


@pytest.mark.parametrize(("kind", "words", "meant"), WORDS)
def test_each_failure_is_told_as_what_it_is(
    kind: type[tf.errors.OpError], words: str, meant: str | type[OutOfMemoryError]
) -> None:
    error = kind(None, None, f"{words.replace('|', '')}\n\t [[{{{{node x}}}}]]\nAt /a/b.py: 7")
    with (
        pytest.raises(ElectraError) as caught,
        failures_told(lambda: "at step 7", OutOfMemoryError),
    ):
        raise error
    assert caught.value.__cause__ is error
    if meant is OutOfMemoryError:
        assert (type(caught.value), str(caught.value)) == (meant, "out of memory at step 7")
        assert _translate(error, ["evaluate", "x"]).hint.startswith("name one checkpoint")
        return
    assert meant in str(caught.value)
    assert type(caught.value) is CODES[meant]
    message = _translate(error, [])  # wherever else it comes from
    assert (message.message, message.hint) == (caught.value.message.replace(" at step 7", ""),
                                               caught.value.hint)  # fmt: skip
    assert "\n" not in message.message
    assert len(message.message) < 280
    assert message.hint


def test_what_is_no_failure_of_a_gpu_stays_what_it_is() -> None:
    for error in (
        tf.errors.InvalidArgumentError(None, None, "ids[0] = 9 is not in [0, 8)"),
        tf.errors.UnavailableError(None, None, "Connection reset by peer"),
        ValueError("CUDA_ERROR_ILLEGAL_ADDRESS"),  # of a file's content, say
        RuntimeError("PyTorch was compiled without MKLDNN support"),
        IOFailedError("No space left on device"),
    ):
        assert told(error) is None
        with pytest.raises(type(error)) as caught, failures_told(lambda: "", OutOfMemoryError):
            raise error
        assert caught.value is error


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("CUDA error: : CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered",
         "a kernel failed on the GPU: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was "
         "encountered"),
        ("Collective ops is aborted by: NCCL: unhandled system error (run with NCCL_DEBUG=INFO for "
         "details). Set NCCL_DEBUG=WARN for detail.",
         "the GPUs cannot exchange gradients (NCCL): unhandled system error (run with "
         "NCCL_DEBUG=INFO for details). Set NCCL_DEBUG=WARN for detail."),
        ("'cuLaunchKernel(f, x)' failed with 'CUDA_ERROR_ILLEGAL_ADDRESS' [Op:AddV2] name: ",
         "a kernel failed on the GPU: CUDA_ERROR_ILLEGAL_ADDRESS"),
        ("Failed to load in-memory CUBIN (compiled for a different GPU?).: CUDA_ERROR_NO_BINARY_FOR"
         "_GPU: no kernel image is available for execution on the device [Op:__inference_<l>_4]",
         "this TensorFlow has no code for this GPU: CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image "
         "is available for execution on the device"),
        ("{{function_node MatMul_device_GPU:0}} No blas support for stream [Op:MatMul] name: ",
         "a library of CUDA is missing, or is not the version that TensorFlow needs: No blas "
         "support for stream"),
        ("libdevice not found at ./libdevice.10.bc [Op:__inference_x]",
         "XLA cannot compile for the GPU: ptxas or libdevice is missing, or too old: libdevice not "
         "found at ./libdevice.10.bc"),
    ],
)  # fmt: skip
def test_what_tells_most_is_shown(said: str, shown: str) -> None:
    assert str(told(tf.errors.InternalError(None, None, said))) == shown


@pytest.mark.slow
def test_tensorflow_still_has_these_words(tmp_path: Path) -> None:
    """A gigabyte is read, in about two seconds."""
    wanted = {part for _, words, _ in WORDS for part in words.split("|")[1::2]}
    (tmp_path / "words").write_text("\n".join(wanted))
    libraries = sorted(Path(tf.__file__).parent.glob("libtensorflow_*.so.2"))
    command = ["grep", "-aohFf", tmp_path / "words", *libraries]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert wanted <= set(found.splitlines())
