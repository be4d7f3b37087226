"""From a trace to the kernels of a step."""

from __future__ import annotations

from typing import Any

import pytest
from gpu_parts import planes
from tensorflow.compiler.xla.service import hlo_pb2
from tensorflow.tsl.profiler.protobuf import xplane_pb2

SIZES = planes.Sizes(batch=4, heads=(2, 1), length=16, masked=3, vocabulary=100)
PLAIN, SCORES, LOGITS = (64, 32), (4, 2, 16, 16), (12, 100)


class Space:
    """A trace to fill."""

    def __init__(self) -> None:
        self.space = xplane_pb2.XSpace()
        self._module = hlo_pb2.HloProto()
        self._numbers = 0

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def plane(self, name: str) -> Any:
        return self.space.planes.add(name=name)

    def event(self, plane: Any, line: Any, name: str, start: int, end: int, **stats: str) -> None:
        number = self._number()
        plane.event_metadata[number].name = name
        event = line.events.add(metadata_id=number, offset_ps=start, duration_ps=end - start)
        for key, value in stats.items():
            stat, word = self._number(), self._number()
            plane.stat_metadata[stat].name = key
            plane.stat_metadata[word].name = value
            event.stats.add(metadata_id=stat, ref_value=word)

    def instruction(
        self, name: str, opcode: str, shape: tuple[int, ...], path: str = "", within: str = ""
    ) -> None:
        module = self._module.hlo_module
        if not module.computations:
            module.computations.add(name="entry", id=1)
        one = module.computations[0].instructions.add(name=name, opcode=opcode, id=self._number())
        one.shape.dimensions.extend(shape)
        one.metadata.op_name = path
        if within:
            inner = module.computations.add(id=self._number())
            inner.instructions.add(
                name=f"{name}.inner", id=self._number()
            ).metadata.op_name = within
            one.called_computation_ids.append(inner.id)

    def finish(self) -> Any:
        plane = self.plane("/host:metadata")
        plane.stat_metadata[1].name = "Hlo Proto"
        stat = plane.event_metadata[1].stats.add(metadata_id=1)
        stat.bytes_value = self._module.SerializeToString()
        return self.space


def card() -> Any:
    """Two steps of 500 ps, of which 380 are kernels."""
    made = Space()
    made.instruction("custom-call.1", "custom-call", PLAIN)
    made.instruction("fusion.7", "fusion", SCORES, path="electra/truediv")
    made.instruction("reduce_fusion", "fusion", LOGITS)
    made.instruction("loop_add_fusion.3", "fusion", PLAIN, path="cond", within="x/ElectraAdamW/mul")
    made.instruction("gelu_fusion", "fusion", PLAIN, path="electra/Erf", within="IsFinite")
    gpu = made.plane("/device:GPU:0")
    stream = gpu.lines.add(name="Stream #14(Compute)")
    for begin in (0, 500):

        def kernel(name: str, start: int, end: int, **stats: str) -> None:
            made.event(gpu, stream, name, begin + start, begin + end, **stats)  # noqa: B023

        kernel("nvjet_hsh_128x256", 0, 200, hlo_op="custom-call.1", hlo_module="m")
        kernel("input_softmax_fusion", 210, 260, hlo_op="fusion.7", hlo_module="m")
        kernel("reduce_fusion", 260, 300, hlo_op="reduce_fusion", hlo_module="m")
        kernel("loop_add_fusion_3", 300, 330)  # within a recorded graph
        kernel("gelu_fusion", 330, 370, hlo_op="gelu_fusion", hlo_module="m")
        kernel("MemcpyH2D", 400, 420)
    summed = gpu.lines.add(name="XLA Modules")
    made.event(gpu, summed, "m", 0, 1000)
    host = made.plane("/host:CPU")
    thread = host.lines.add(name="python")
    made.event(host, thread, "call", 0, 5000, hlo_op="call", hlo_module="m")
    return made.finish()


def test_kernels_of_a_card_by_purpose() -> None:
    found = planes.summary(card(), SIZES, steps=2, on_gpu=True)
    assert found["step_seconds"] == pytest.approx(460e-12)  # the last step ends with its last
    assert found["kernels_per_step"] == 6
    spent = {what: share * 920 for what, share in found["shares"].items()}
    assert spent == pytest.approx(
        {
            "matmul": 400,
            "attention": 100,
            "softmax-loss": 80,
            "optimizer": 60,
            "copies": 40,
            "other": 80,
            "gaps": 160,
        }
    )
    first = found["kernels"][0]
    assert (first["name"], first["purpose"], first["per_step"]) == (
        "nvjet_hsh_128x256",
        "matmul",
        1,
    )
    assert first["share"] == pytest.approx(400 / 920)
    assert len(planes.summary(card(), SIZES, steps=2, on_gpu=True, top=3)["kernels"]) == 3


def test_innermost_instructions_of_a_cpu() -> None:
    made = Space()
    host = made.plane("/host:CPU")
    thread = host.lines.add(name="python")
    made.event(host, thread, "loop", 0, 100, hlo_op="while.1", hlo_module="m")
    made.event(host, thread, "dot.1", 10, 60, hlo_op="dot.1", hlo_module="m")
    made.event(host, thread, "trace", 60, 90)
    made.event(host, thread, "dot.2", 110, 160, hlo_op="dot.2", hlo_module="m")
    kernels = planes.kernels_of(made.finish(), on_gpu=False)
    assert [(kernel.name, kernel.start, kernel.end) for kernel in kernels] == [
        ("dot.1", 10, 60),
        ("dot.2", 110, 160),
    ]


def test_a_trace_without_kernels_of_the_device_is_an_error() -> None:
    made = Space()
    host = made.plane("/host:CPU")
    made.event(host, host.lines.add(), "launch", 0, 9, hlo_op="dot.1", hlo_module="m")
    assert planes.summary(made.space, SIZES, steps=1, on_gpu=False)["kernels_per_step"] == 1
    with pytest.raises(ValueError, match="libcupti"):
        planes.summary(made.space, SIZES, steps=1, on_gpu=True)


@pytest.mark.parametrize(
    ("shape", "attention", "vocabulary"),
    [
        ((4, 2, 16, 16), True, False),
        ((8, 16, 16), True, False),
        ((4, 1, 8, 16), True, False),  # a block of queries
        ((4, 16, 32), False, False),
        ((4, 16, 16), True, False),  # one head: B·H rows
        ((5, 16, 16), False, False),
        ((64, 16), False, False),
        ((12, 100), False, True),
        ((100, 12), False, True),
        ((4, 3, 100), False, True),
        ((100, 32), False, False),  # the word table
        ((), False, False),
    ],
)
def test_shapes_tell_what_a_kernel_is_for(
    shape: tuple[int, ...], attention: bool, vocabulary: bool
) -> None:
    assert SIZES.is_attention(shape) == attention
    assert SIZES.is_vocabulary(shape) == vocabulary


@pytest.mark.parametrize(
    ("spans", "length"),
    [([], 0), ([(0, 5)], 5), ([(0, 5), (3, 8)], 8), ([(4, 6), (0, 2)], 4), ([(0, 9), (2, 3)], 9)],
)
def test_covered(spans: list[tuple[int, int]], length: int) -> None:
    assert planes.covered(spans) == length
