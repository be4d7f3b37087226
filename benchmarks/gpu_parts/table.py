"""What was found, as a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Found = Mapping[str, Any]
_GIB = 2**30


def remark(found: Found) -> str:
    """A word on a part that has just ended."""
    if "error" in found:
        return f", failed: {found['error'][:200]}"
    return "" if found.get("ok", True) else ", NOT as it should be"


def text(parts: Mapping[str, Found]) -> str:
    """All parts that there are."""
    lines: list[str] = []
    for name, found in parts.items():
        if "error" in found:
            lines.append(f"{name}: failed: {found['error'][:160]}")
        else:
            kind = next((kind for kind in _KINDS if name.startswith(kind)), None)
            lines += _KINDS[kind](name, found) if kind else []
    speeds = [
        found for name, found in parts.items() if name.startswith("speed") and "ours" in found
    ]
    return "\n".join([*lines, *_speeds(speeds)])


def _environment(name: str, found: Found) -> list[str]:
    ours, theirs = found["ours"], found["theirs"]
    rates = dict(ours["matmul_flops"])
    peer = f"no torch: {theirs.get('error', '')[:160]}"
    if "error" not in theirs:
        rates["PyTorch's bfloat16"] = theirs["matmul_flops"]["bfloat16"]
        peer = f"torch {theirs['torch']}, transformers {theirs['transformers']}"
    lines = (found["card"] or "no card").splitlines()
    lines.append(
        f"tensorflow {ours['tensorflow']}, built for CUDA {ours['built_for']['cuda_version']}; "
        f"{peer}"
    )
    lines += [f"  {file} {version}".rstrip() for file, version in ours["libraries"].items()]
    lines.append(
        "products, TFLOP/s: "
        + ", ".join(f"{kind} {rate / 1e12:.2f}" for kind, rate in rates.items())
        + f"; memory {ours['memory_bytes_per_second'] / 1e9:,.0f} GB/s"
    )
    return lines


def _golden(name: str, found: Found) -> list[str]:
    lines = []
    for case, of in found["cases"].items():
        exact = max(of["ours"]["float32"].values())
        theirs = of["theirs"].get("bfloat16", {})
        lines.append(
            f"{name} {case}: {_right(of)}, float32 within {exact:.1e}; bfloat16, PyTorch's "
            f"{of['theirs'].get('error', '')[:80]}".rstrip()
        )
        lines += [
            f"  {output:24}{of['ours']['bfloat16'][output]:10.1e}{error:10.1e}"
            for output, error in theirs.items()
        ]
    return lines


def _equal(name: str, found: Found) -> list[str]:
    if "replicas" in found:
        said = f"losses within {found['losses']:.1e}, weights within {found['weights']:.1e}"
    else:
        states = ", ".join(state[:12] for state in found["state_sha256"])
        said = f"states {states}; the killed run went on at step {found['resumed_at']}"
    return [f"{name}: {_right(found)}, {said}"]


def _right(found: Found) -> str:
    return "right" if found["ok"] else "WRONG"


def _profile(name: str, found: Found) -> list[str]:
    shares = ", ".join(f"{what} {share:.1%}" for what, share in found["shares"].items())
    lines = [
        f"{name}: {found['step_seconds'] * 1e3:.2f} ms a step, "
        f"{found['kernels_per_step']:.0f} kernels; {shares}"
    ]
    lines += [
        f"  {kernel['share']:6.1%}{kernel['seconds_per_step'] * 1e6:11.1f} µs"
        f"{kernel['per_step']:8.1f}×  {kernel['purpose']:13}{kernel['name'][:70]}"
        for kernel in found["kernels"]
    ]
    return lines


def _command(name: str, found: Found) -> list[str]:
    begin = found["goodput"]["seconds_to_first_step"] or 0.0
    return [
        f"{name}: {found['sequences_per_second']:,.1f} sequences/s, "
        f"{_percent(found['peak_share'])} of the peak, first step after {begin:.1f} s, "
        f"{found['peak_memory_bytes'] / _GIB:.2f} GiB, waiting {_percent(found['waiting_share'])}"
    ]


def _input(name: str, found: Found) -> list[str]:
    return [
        f"{name} {size}: {of['rows_per_second']['median']:,.0f} rows/s, "
        f"the step takes {of['step_takes'] or 0.0:,.0f}, waiting {_percent(of['waiting_share'])}"
        for size, of in found.items()
        if isinstance(of, Mapping)
    ]


def _speeds(found: list[Found]) -> list[str]:
    if not found:
        return []
    lines = [
        f"\n{'size':22}{'side':>8}{'sequences/s':>13}{'ms a step':>11}{'of peak':>9}"
        f"{'GiB':>8}{'first step s':>14}{'ours/theirs':>13}"
    ]
    for of in found:
        for name in ("ours", "theirs"):
            side = of[name]
            if "step_seconds" not in side:
                lines.append(f"{of['size']:22}{name:>8}  {side.get('error', '')[:80]}")
                continue
            ratio = of["ratio"] if name == "theirs" else None
            said = (
                f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})" if ratio else ""
            )
            lines.append(
                f"{of['size']:22}{name:>8}{side['sequences_per_second']:13,.1f}"
                f"{sorted(side['step_seconds'])[len(side['step_seconds']) // 2] * 1e3:11.2f}"
                f"{_percent(side['peak_share']):>9}{side['memory_bytes'] / _GIB:8.2f}"
                f"{side['first_step_seconds']:14.1f}   {said}"
            )
    return lines


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{share:.1%}"


_KINDS = {
    "environment": _environment,
    "golden": _golden,
    "equal": _equal,
    "profile": _profile,
    "command": _command,
    "input": _input,
}
