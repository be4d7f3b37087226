"""From a trace of TensorFlow's profiler to the kernels of a step, and what their time is spent on.

A trace is an XSpace: planes (devices and the host) of lines (streams and threads) of events. One
plane holds the compiled modules, so that a kernel is known by the instruction that it is, and the
instruction by its shapes: the names of operations do not say which part of the model they are.

Shapes: B rows, H heads, S sequence, M masked slots of a row, V vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_PICO = 1e-12
# Products by cuBLAS, cuBLASLt, CUTLASS and Triton, and those of the CPU.
_PRODUCT = re.compile(r"gemm|cutlass|xmma|nvjet|cublas|splitk|(^|_)dot(_|\.|$)|^custom.call", re.I)
_COPY = re.compile(r"^mem(cpy|set)", re.I)
_UPDATE = re.compile(r"adam|clip_by_global_norm", re.I)
_NORM = re.compile(r"global_norm|isfinite", re.I)  # often only the last in a fusion of others
SHARES = ("matmul", "attention", "softmax-loss", "optimizer", "copies", "other", "gaps")


@dataclass(frozen=True)
class Kernel:
    """One execution.

    Attributes:
      name: As the device knows it.
      op: Of the instruction of the compiled module; the same as `name` where nobody says.
      module: In which it is, or nothing.
      start: Picoseconds.
      end: Picoseconds.
    """

    name: str
    op: str
    module: str
    start: int
    end: int


@dataclass(frozen=True)
class Instruction:
    """What a compiled module says of one.

    Attributes:
      opcode: Such as fusion.
      path: Scopes and name of the operation that it comes from.
      within: The same of all that it was fused from.
      shapes: Of its results and operands.
    """

    opcode: str
    path: str
    within: str
    shapes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Sizes:
    """Numbers by which shapes are known.

    Attributes:
      batch: B.
      heads: H of each network.
      length: S.
      masked: M.
      vocabulary: V.
    """

    batch: int
    heads: tuple[int, ...]
    length: int
    masked: int
    vocabulary: int

    def is_attention(self, shape: Sequence[int]) -> bool:
        """[B, H, queries, S] or [B·H, queries, S], keys before queries or after them."""
        if len(shape) < 3 or self.length not in shape[-2:]:
            return False
        rows = {self.batch * heads for heads in self.heads}
        alone = len(shape) >= 4 and shape[-3] in self.heads and shape[-4] == self.batch
        return shape[-1] == self.length and (alone or shape[-3] in rows)

    def is_vocabulary(self, shape: Sequence[int]) -> bool:
        """[B·M, V] or [B, M, V], in any order."""
        rest = list(shape)
        if self.vocabulary not in rest:
            return False
        rest.remove(self.vocabulary)
        product = 1
        for size in rest:
            product *= size
        return product == self.batch * self.masked


def read(path: str) -> Any:
    """The XSpace in a file."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    with open(path, "rb") as file:  # noqa: PTH123, its name comes from TensorFlow
        space.ParseFromString(file.read())
    return space


def kernels_of(space: Any, *, on_gpu: bool) -> list[Kernel]:
    """What ran on the GPUs, or what compiled modules did on the CPU."""
    if on_gpu:
        gpus = (plane for plane in space.planes if plane.name.startswith("/device:GPU:"))
        return [kernel for plane in gpus for kernel in _of_streams(plane)]
    return [kernel for plane in space.planes for kernel in _of_threads(plane)]


def _of_streams(plane: Any) -> Iterator[Kernel]:
    for line in plane.lines:
        if line.name.startswith("Stream"):  # the others sum up what is in these
            yield from _events(plane, line)


def _of_threads(plane: Any) -> Iterator[Kernel]:
    """Innermost instructions only: a loop's time is that of what is in it."""
    for line in plane.lines:
        found = [kernel for kernel in _events(plane, line) if kernel.module]
        found.sort(key=lambda kernel: (kernel.start, -kernel.end))
        for kernel, following in pairwise(found):
            if following.start >= kernel.end:
                yield kernel
        yield from found[-1:]


def _events(plane: Any, line: Any) -> Iterator[Kernel]:
    for event in line.events:
        stats = {plane.stat_metadata[s.metadata_id].name: _value(plane, s) for s in event.stats}
        name = plane.event_metadata[event.metadata_id].name
        start = line.timestamp_ns * 1000 + event.offset_ps
        yield Kernel(
            name,
            str(stats.get("hlo_op", name)),
            str(stats.get("hlo_module", "")),
            start,
            start + event.duration_ps,
        )


def _value(plane: Any, stat: Any) -> Any:
    kind = stat.WhichOneof("value")
    if kind == "ref_value":
        return plane.stat_metadata[stat.ref_value].name
    return getattr(stat, kind) if kind else None


def instructions_of(space: Any) -> dict[str, Instruction]:
    """Those of all compiled modules, by the names under which kernels may be known."""
    from tensorflow.compiler.xla.service import hlo_pb2

    found: dict[str, Instruction] = {}
    for plane in space.planes:
        for event in plane.event_metadata.values():
            for stat in event.stats:
                if plane.stat_metadata[stat.metadata_id].name == "Hlo Proto":
                    proto = hlo_pb2.HloProto.FromString(stat.bytes_value)
                    found |= _of_module(proto.hlo_module)
    return found


def _of_module(module: Any) -> dict[str, Instruction]:
    found: dict[str, Instruction] = {}
    fused = {
        computation.id: " ".join({i.metadata.op_name for i in computation.instructions})
        for computation in module.computations
    }
    for computation in module.computations:
        by_id = {instruction.id: instruction for instruction in computation.instructions}
        for instruction in computation.instructions:
            used = [instruction, *(by_id[number] for number in instruction.operand_ids)]
            shapes = tuple(shape for one in used for shape in _shapes(one.shape))
            within = ""
            if instruction.opcode in ("fusion", "call"):
                within = " ".join(fused[number] for number in instruction.called_computation_ids)
            known = Instruction(instruction.opcode, instruction.metadata.op_name, within, shapes)
            found[instruction.name] = known
            # Kernels within a recorded graph go by the name of their instruction alone.
            found.setdefault(_spelled(instruction.name), known)
    return found


def _shapes(shape: Any) -> Iterator[tuple[int, ...]]:
    if shape.tuple_shapes:
        for part in shape.tuple_shapes:
            yield from _shapes(part)
    else:
        yield tuple(shape.dimensions)


def _spelled(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def purpose(kernel: Kernel, known: Instruction | None, sizes: Sizes) -> str:
    """What a kernel is for, one of `SHARES`.

    Attention and the loss over the vocabulary have their own products with them.
    """
    if _COPY.match(kernel.name):
        return "copies"
    if known is not None:
        if _UPDATE.search(f"{known.path} {known.within}") or _NORM.search(known.path):
            return "optimizer"
        if any(sizes.is_vocabulary(shape) for shape in known.shapes):
            return "softmax-loss"
        if any(sizes.is_attention(shape) for shape in known.shapes):
            return "attention"
        if known.opcode in ("dot", "convolution"):
            return "matmul"
    return "matmul" if _PRODUCT.search(kernel.name) or _PRODUCT.search(kernel.op) else "other"


def summary(space: Any, sizes: Sizes, *, steps: int, on_gpu: bool, top: int = 20) -> dict[str, Any]:
    """What the time of a step is spent on.

    Args:
      space: A trace of some steps and nothing else.
      sizes: Of the step.
      steps: How many there are.
      on_gpu: Whether they ran there.
      top: How many kernels are named.

    Returns:
      seconds a step from the first kernel to the last, shares of it by purpose, the number of
      kernels a step, and those that took longest.

    Raises:
      ValueError: There is no kernel in the trace.
    """
    kernels = kernels_of(space, on_gpu=on_gpu)
    if not kernels:
        raise ValueError("the trace holds no kernel" + (": is there a libcupti?" if on_gpu else ""))
    instructions = instructions_of(space)
    window = max(k.end for k in kernels) - min(k.start for k in kernels)
    spent = dict.fromkeys(SHARES, 0)
    by_name: dict[tuple[str, str], list[int]] = {}
    for kernel in kernels:
        known = instructions.get(kernel.op) or instructions.get(_spelled(kernel.name))
        what = purpose(kernel, known, sizes)
        spent[what] += kernel.end - kernel.start
        by_name.setdefault((kernel.name, what), []).append(kernel.end - kernel.start)
    spent["gaps"] = window - covered((k.start, k.end) for k in kernels)
    longest = sorted(by_name.items(), key=lambda item: -sum(item[1]))[:top]
    return {
        "step_seconds": window * _PICO / steps,
        "kernels_per_step": len(kernels) / steps,
        "known": sum(1 for k in kernels if k.module) / len(kernels),
        "shares": {what: picoseconds / window for what, picoseconds in spent.items()},
        "kernels": [
            {
                "name": name[:160],
                "purpose": what,
                "per_step": len(times) / steps,
                "seconds_per_step": sum(times) * _PICO / steps,
                "share": sum(times) / window,
            }
            for (name, what), times in longest
        ],
    }


def covered(spans: Iterable[tuple[int, int]]) -> int:
    """The length of the union of spans."""
    total, reached = 0, 0
    for start, end in sorted(spans):
        start = max(start, reached)
        if end > start:
            total, reached = total + end - start, end
    return total
