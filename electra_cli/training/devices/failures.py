"""What TensorFlow, XLA and CUDA say when a GPU fails, what it means, and what to type about it."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from electra_cli.errors import ConfigError, ElectraError, OutOfMemoryError, TryAgainError

# What XLA compiles with: ptxas and libdevice.
COMPILER = "'nvidia-cuda-nvcc-cu12>=12.5.82,<13'"

Shortage = Callable[[str], OutOfMemoryError]

_MOST_SHOWN = 160  # characters
# Up to the end of a line, of a quotation, or to the operation that TensorFlow names.
_REST = r"[^\n'\[]*"
_GOES_ON = "the same command goes on from the last checkpoint"


@dataclass(frozen=True)
class Failure:
    """A kind of failure.

    Attributes:
      signs: What is said of it, as a regular expression: names and texts of CUDA's results, which
        the driver brings, and TensorFlow's and XLA's own words.
      meaning: What has happened.
      hint: What to do about it.
      error: What it is told as; the exit code follows.
    """

    signs: str
    meaning: str
    hint: str
    error: type[ElectraError]


OUT_OF_MEMORY = Failure(
    r"CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|OOM when allocating|[Oo]ut of memory"
    r"|ran out of memory trying to|Failed to allocate request for|Dst tensor is not initialized",
    "out of memory",
    "",  # what helps depends on the command
    OutOfMemoryError,
)

# Its status is what the system says of a process: below 256 it is a signal. Ctrl-C in a terminal
# reaches the compiler too, as does what a scheduler sends to all of a job.
COMPILER_ENDED = Failure(
    r"ptxas exited with non-zero error code ([1-9]\d?|1\d\d|2[0-4]\d|25[0-5])\b",
    "XLA's compiler was ended by a signal",
    f"where it was for want of memory, sudo dmesg | grep -i oom says so; {_GOES_ON}",
    TryAgainError,
)

# The first one whose signs are there is meant: those that say most come first. A driver or a
# library that cannot be used is like a package that is not installed, 2; a card that is lost or
# damaged is gone at the next start, or another card is taken, 75; a kernel that fails would fail
# again, 70.
FAILURES = (
    OUT_OF_MEMORY,
    COMPILER_ENDED,
    Failure(
        r"driver version is insufficient|[Ii]nsufficient ?[Dd]river|UNSUPPORTED_PTX_VERSION"
        r"|unsupported toolchain",
        "the driver of the GPU is too old for these CUDA libraries",
        "install a newer driver; electra doctor says which one is needed",
        ConfigError,
    ),
    Failure(
        r"SYSTEM_DRIVER_MISMATCH|COMPAT_NOT_SUPPORTED|forward compatibility was attempted"
        r"|unsupported display driver",
        "the parts of the GPU's driver do not belong together",
        "start the machine again, as after an update of the driver; electra doctor looks into it",
        ConfigError,
    ),
    Failure(
        r"no kernel image|NO_BINARY_FOR_GPU|cudaErrorNoKernelImage|kernel image is invalid"
        r"|CUDA_ERROR_INVALID_(IMAGE|PTX)|cuLaunchKernel.*CUDA_ERROR_INVALID_HANDLE"
        r"|compiled for a different GPU",
        "this TensorFlow has no code for this GPU",
        "electra doctor says for which GPUs it is built; use another one, or --device cpu",
        ConfigError,
    ),
    Failure(
        r"No PTX compilation provider|libdevice not found|ptxas too old|ptxas exited with"
        r"|Failed to launch ptxas|ptxas/nvlink version|JIT_COMPILER_NOT_FOUND"
        r"|JIT compil(er library not found|ation failed)",
        "XLA cannot compile for the GPU: ptxas or libdevice is missing, or too old",
        f"pip install --force-reinstall --no-deps {COMPILER}; electra doctor says where they are; "
        "--no-xla trains without, and slower",
        ConfigError,
    ),
    Failure(
        r"does not have a deterministic implementation",
        "XLA has no way to compute this that gives the same bits each time",
        "XLA_FLAGS=--xla_gpu_exclude_nondeterministic_ops=false electra … computes it all the same",
        ConfigError,
    ),
    Failure(
        r"Failed to parse autotune",
        "XLA cannot read which kernels it chose at an earlier start",
        "rm -r ${XDG_CACHE_HOME:-~/.cache}/electra/autotune-*; it chooses anew",
        ConfigError,
    ),
    Failure(
        r"remote process exited",
        "another GPU or worker has gone while gradients were exchanged (NCCL)",
        _GOES_ON,
        TryAgainError,
    ),
    Failure(
        r"NCCL operation|Error invoking NCCL|ncclResult|ncclUnhandled"
        r"|[\w ]*\(run with NCCL_DEBUG",
        "the GPUs cannot exchange gradients (NCCL)",
        "NCCL_DEBUG=WARN electra … says why; a container needs shared memory (docker run "
        "--shm-size=1g); --device gpu:0 uses one GPU alone",
        ElectraError,
    ),
    Failure(
        r"Could not create cudnn handle|DNN library initialization|Loaded runtime CuDNN library"
        r"|(CUDNN|CUBLAS|CUSOLVER)_STATUS_(NOT_INIT|ALLOC|ARCH|\w*VERSION)|create cublas handle"
        r"|[Ff]ailed to create cu(Blas|Solver)|[\w ]*(?i:blas|dnn) support"
        r"|dlopen some GPU libraries|Could not load dynamic library|Error loading CUDA"
        r"|shared object initialization failed",
        "a library of CUDA is missing, or is not the version that TensorFlow needs",
        "electra doctor names it, and what to install; where another program has all of the "
        "GPU's memory (nvidia-smi) the same is said",
        ConfigError,
    ),
    Failure(
        r"DEVICE_UNAVAILABLE|busy or unavailable|SYSTEM_NOT_READY|system not yet initialized"
        r"|MPS server is not ready",
        "the GPU is not free, or not ready",
        "nvidia-smi shows who uses it, and whether it lets in one process only (Compute M.)",
        TryAgainError,
    ),
    Failure(
        r"ECC_?[Uu]ncorrectable|ECC_UNCORRECTABLE|uncorrectable ECC|uncorrectable NVLink"
        r"|NVLINK_UNCORRECTABLE|[Hh]ardware ?[Ss]tack|HARDWARE_STACK|CUDA_ERROR_(NO|INVALID)_DEVICE"
        r"|no CUDA-capable device|CUDA_ERROR_UNKNOWN|GPU is lost|fallen off the bus"
        r"|CUDA_ERROR_(CONTAINED|EXTERNAL_DEVICE)",
        "the GPU is damaged or lost",
        "sudo dmesg | grep -i xid says more; use another one, or start the machine again; "
        f"{_GOES_ON}",
        TryAgainError,
    ),
    Failure(
        r"ILLEGAL_(ADDRESS|INSTRUCTION)|illegal memory access|illegal instruction|MISALIGNED"
        r"|misaligned address|CUDA_ERROR_ASSERT|device-side assert|LAUNCH_(FAILED|TIMEOUT)"
        r"|unspecified launch failure|launch timed out|CUDA_ERROR_INVALID_(PC|ADDRESS_SPACE)",
        "a kernel failed on the GPU",
        f"{_GOES_ON}; where it fails at the same step again, --no-xla and a report help; at "
        "another step, another GPU does: sudo dmesg | grep -i xid",
        ElectraError,
    ),
    Failure(
        r"CUDA_ERROR_\w+|CUDA (Runtime )?error: |cuda(Get|Set)Device\(\) failed"
        r"|(CUDNN|CUBLAS|CUSOLVER|CUSPARSE)_STATUS_\w+",
        "the GPU failed",
        f"electra doctor looks for a reason; {_GOES_ON}",
        ElectraError,
    ),
)


def failure_of(error: BaseException) -> Failure | None:
    """The kind of failure that an exception of TensorFlow's tells of; None for any other."""
    names = {one.__name__ for one in type(error).__mro__}
    if "OpError" not in names and not _is_raised_by_tensorflow(error):
        return None
    if "ResourceExhaustedError" in names:
        return OUT_OF_MEMORY
    return next((one for one in FAILURES if re.search(one.signs, str(error))), None)


def _is_raised_by_tensorflow(error: BaseException) -> bool:
    """Whether it is a plain error of TensorFlow's, and not one of PyTorch's or Beam's, say."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    by = frames[-1].f_globals.get("__name__", "") if frames else ""
    return type(error) is RuntimeError and by.startswith("tensorflow.")


def told(
    error: BaseException, when: str = "", shortage: Shortage | None = None
) -> ElectraError | None:
    """An exception of TensorFlow's as an error for people; None if no GPU has failed.

    Args:
      error: The exception.
      when: In words, where the command was.
      shortage: Says for want of what memory, beginning with what has happened. Without it None is
        returned for that too: the command knows what takes less of it.
    """
    failure = failure_of(error)
    if failure is None:
        return None
    what = f"{failure.meaning} {when}".strip()
    if failure is OUT_OF_MEMORY:
        return shortage(what) if shortage is not None else None
    return failure.error(f"{what}{_quoted(failure, str(error))}", hint=failure.hint)


def _quoted(failure: Failure, said: str) -> str:
    """The words that tell most: from CUDA's name for it on, or from the first sign."""
    begins = (rf"(CUDA_ERROR_|cudaError)\w*{_REST}", rf"\w*({failure.signs}){_REST}")
    found = next((match for begin in begins if (match := re.search(begin, said))), None)
    return f": {found[0].strip()[:_MOST_SHOWN]}" if found else ""


@contextmanager
def failures_told(when: Callable[[], str], shortage: Shortage | None = None) -> Iterator[None]:
    """Turns what TensorFlow says of a GPU that fails into an error of ours; see `told`.

    Raises:
      OutOfMemoryError: It has too little memory.
      ConfigError: Driver, libraries or compiler are missing, or do not fit.
      TryAgainError: It is lost, damaged or in use.
      ElectraError: Something else failed on it.
    """
    try:
        yield
    except Exception as error:
        known = told(error, when(), shortage)
        if known is None:
            raise
        raise known from error
