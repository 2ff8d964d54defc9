"""What is measured: a case, its axes and its shapes, as plain strings (no torch)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

MODES = ("eager", "compiled")
PASSES = ("inference", "forward", "backward", "forward_backward")
DTYPES = ("float64", "float32", "bfloat16", "float16")
LAYOUTS = ("contiguous", "transposed", "strided", "expanded", "channels-last")
REFERENCE = "reference"

Shape = tuple[int, ...]


@dataclass(frozen=True, order=True)
class Case:
    """One cell of the grid: function × implementation × mode × pass × device × dtype × shape × layout."""

    function: str
    implementation: str
    mode: str
    pass_: str
    device: str
    dtype: str
    shape: str
    layout: str = "contiguous"

    @property
    def block(self) -> Case:
        """Return the key of the block: this case with implementation and mode blanked."""
        return replace(self, implementation="", mode="")

    @property
    def tensors(self) -> Case:
        """Return the key of what runs on the same tensors: the block with the pass blanked."""
        return replace(self.block, pass_="")

    @property
    def technique(self) -> str:
        """Return what the case is called among its block: `where · compiled`."""
        return f"{self.implementation} · {self.mode}"

    @property
    def slug(self) -> str:
        """Return a readable identifier that pytest and `-k` accept."""
        parts = (self.function, self.implementation, self.mode, self.pass_, self.device.replace(":", ""))
        return "-".join(filter(None, (*parts, self.dtype, self.shape.replace(",", "+"), self.layout)))

    def to_json(self) -> dict[str, str | None]:
        """Return the case's keys as a record has them: `pass`, not `pass_`, and null for an axis left blank."""
        return {("pass" if key == "pass_" else key): value or None for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, keys: Mapping[str, Any]) -> Case:
        """Build a case from the keys of a record; other keys are ignored."""
        return cls(**{axis.name: keys[axis.name.rstrip("_")] or "" for axis in fields(cls)})


def parse_shapes(text: str, inputs: int) -> tuple[Shape, ...]:
    """Return one shape for each of `inputs` inputs.

    `64x64` is one shape, given to every input; `1024x1024,1024` has one for each; `scalar` is 0-d.
    Raises ValueError naming the text when it does not parse or when the number of shapes does not fit.

    >>> parse_shapes("4x3,3", 2)
    ((4, 3), (3,))
    >>> parse_shapes("scalar", 2)
    ((), ())
    """
    shapes = tuple(_parse_shape(part, text) for part in text.split(","))
    if len(shapes) == 1:
        return shapes * inputs
    if len(shapes) != inputs:
        raise ValueError(f"shape {text!r} has {len(shapes)} parts, the function takes {inputs} inputs")
    return shapes


def _parse_shape(part: str, text: str) -> Shape:
    if part == "scalar":
        return ()
    sizes = part.split("x")
    if not all(size.isdecimal() and size.isascii() for size in sizes):
        raise ValueError(f"shape {text!r} is not one of: 1024x1024 · 1024x1024,1024 · scalar · 0x3")
    return tuple(int(size) for size in sizes)


def format_shapes(shapes: tuple[Shape, ...]) -> str:
    """Return the text that `parse_shapes` reads.

    >>> format_shapes(((4, 3), (3,), ()))
    '4x3,3,scalar'
    """
    return ",".join("x".join(map(str, shape)) if shape else "scalar" for shape in shapes)


def broadcast_elements(shapes: tuple[Shape, ...]) -> int:
    """Return the number of elements of the shapes broadcast together; the largest where they do not broadcast."""
    counts = [_product(shape) for shape in shapes]
    rank = max(len(shape) for shape in shapes)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    sizes = [{size for size in column if size != 1} for column in zip(*padded, strict=True)]
    if any(len(distinct) > 1 for distinct in sizes):
        return max(counts)
    return _product(tuple(distinct.pop() if distinct else 1 for distinct in sizes))


def _product(shape: Shape) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
