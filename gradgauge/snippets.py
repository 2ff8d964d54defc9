"""Plain PyTorch that shows a fault again, written from an example: every name and number as a literal."""

from __future__ import annotations

import keyword
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gradgauge.cases import REFERENCE
from gradgauge.examples import Example, ExampleCall, Given, Numbers, nested, shown
from gradgauge.snippet_templates import BEHAVIORS, TOLD_BY_REFERENCE

_NEEDED_RANK = {"transposed": 2, "strided": 1, "sliced": 1, "expanded": 1, "channels-last": 4}
_LAYOUTS = {
    "transposed": "{written}.mT.contiguous().mT",
    "strided": "{written}.repeat_interleave(2, dim=-1)[..., ::2]",
    "sliced": "torch.cat([torch.zeros({shape}{rest}), {written}], dim=-1)[..., {last}:]",
    "expanded": "{written}[:1].expand({shape})",
    "channels-last": "{written}.contiguous(memory_format=torch.channels_last)",
    "repeated": "torch.tensor({first}{rest}).expand({shape})",
}
_TAKEN = {"torch", "float", "inputs", "call", "reference", "Path", "load_module", "builtin_folder", "y", "sum", "zip"}

_SENT = "sum(each.sum() for each in (y if isinstance(y, tuple) else (y,))).backward()"


@dataclass(frozen=True)
class Source:
    """How a snippet gets at what it calls. lines: that bring it in. name, reference: expressions, once they ran.

    reference: what is right; empty where a snippet cannot get at it.
    """

    lines: tuple[str, ...]
    name: str
    reference: str = ""


def source_of(function: str, file: str, mode: str, *, implementation: str, reference: str | None = None) -> Source:
    """Return how to get at an implementation. file: where it lies; empty for one of this project's own.

    reference: the file of what is right, in the same way; None where it is not wanted. They are loaded as they were
    when they were measured: under names in `sys.modules`, which torch.compile and pickle need.
    """
    files = {"call": (file, implementation)}
    if reference is not None:
        files["reference"] = (reference, REFERENCE)
    imports = ["from gradgauge.catalog import builtin_folder"] if not all(path for path, _ in files.values()) else []
    imports += ["from gradgauge.loading import load_module"]
    imports = ["from pathlib import Path", *imports] if any(path for path, _ in files.values()) else imports
    lines = [*imports, ""]
    for name, (path, stem) in files.items():
        where = f"Path({path!r})" if path else f'builtin_folder("implementations") / {f"{function}/{stem}.py"!r}'
        lines.append(f"{name} = load_module({where}).IMPLEMENTATION.call")
    if mode == "compiled":
        lines.append("call = torch.compile(call, dynamic=False)")
    return Source(tuple(lines), "call", "reference" if reference is not None else "")


def literal(numbers: Numbers, layout: str = "contiguous", device: str = "cpu") -> str:
    """Return an expression for a tensor of these numbers, dtype and memory layout, on a device.

    >>> literal(Numbers((2,), "float32", (0.1, 1.0)))
    'torch.tensor([0.1, 1.0])'
    """
    rest = "" if numbers.dtype == "float32" else f", dtype=torch.{numbers.dtype}"
    rest += "" if device == "cpu" else f", device={device!r}"
    shape, values = numbers.shape, numbers.values
    if not numbers.count:
        written = f"torch.zeros({shape}{rest})"
    elif values is None:
        written = f"torch.randn({shape}{rest})"
    elif numbers.is_alike:
        written = f"torch.full({shape}, {_number(values[0])}{rest})"
    else:
        written = f"torch.tensor({nested([_number(value) for value in values], shape)}{rest})"
    if layout not in _LAYOUTS or not numbers.count or len(shape) < _NEEDED_RANK.get(layout, 0):
        return written
    first, last = _number(values[0] if values else 1.0), shape[-1] if shape else 0
    return _LAYOUTS[layout].format(written=written, shape=shape, rest=rest, first=first, last=last)


def _number(value: float) -> str:
    """Return the fewest digits that are this number."""
    if not math.isfinite(value):
        return f'float("{value}")'
    text = next(text for digits in range(1, 18) if float(text := f"{value:.{digits}g}") == value)
    return text if set(text) & set(".e") else f"{text}.0"


def made(given: Given, device: str = "cpu") -> str:
    """Return the line that makes an input, which asks for its gradient or does not."""
    expression = literal(given.numbers, given.layout, device)
    if given.asks and expression == literal(given.numbers, device=device):
        return f"{given.name} = {expression[:-1]}, requires_grad=True)"
    return f"{given.name} = {expression}{'.detach().requires_grad_()' if given.asks else ''}"


def write_snippet(example: Example, source: Source, behavior: str = "") -> str:
    """Return the whole snippet. behavior: the one whose fault it shows; empty where the calls themselves are wrong."""
    example = _named(example, source.name)
    body = _behavior_lines(example, source, behavior) if behavior in BEHAVIORS else _call_lines(example, source)
    seed = ["torch.manual_seed(0)"] if _is_drawn(example) else []
    return "\n".join(["import torch", *source.lines, "", *seed, *body])


def write_case(example: Example, source: Source, pass_: str) -> str:
    """Return a snippet that runs a pass on drawn inputs and, where there is a reference, compares what came of it."""
    example = _named(example, source.name)
    call = example.calls[0]
    names = [given.name for given in call.inputs]
    lines = ["torch.manual_seed(0)", *(made(given, example.device) for given in call.inputs)]
    called = f"{source.name}({', '.join(names)})"
    if pass_ == "inference":
        lines += ["with torch.inference_mode():", f"    y = {called}", "print(y)"]
    else:
        lines.append(f"y = {called}")
        lines += [_SENT, *(f"print({name}.grad)" for name in names)] if pass_ != "forward" else ["print(y)"]
    if source.reference and pass_ not in ("inference", "forward"):
        lines += [
            "",
            f"inputs = {as_tuple(names)}",
            "right = [x.detach().cpu().double().requires_grad_() for x in inputs]",
            "y = reference(*right)",
            _SENT,
            "for x, exact in zip(inputs, right):",
            "    print((x.grad.cpu() - exact.grad).abs().max())  # how far a gradient is from what is right",
        ]
    return "\n".join(["import torch", *source.lines, "", *lines])


def write_gradcheck(example: Example, source: Source, check: str) -> str:
    """Return a snippet that runs one of PyTorch's numerical checks."""
    example = _named(example, source.name)
    lines = [made(given, example.device) for given in example.calls[0].inputs]
    lines.append(f"print(torch.autograd.{check}({source.name}, {as_tuple(example.names)}))")
    return "\n".join(["import torch", *source.lines, "", "torch.manual_seed(0)", *lines])


def _is_drawn(example: Example) -> bool:
    given = (each.numbers for call in example.calls for each in call.inputs)
    return any(numbers.values is None for numbers in given)


def _named(example: Example, call: str) -> Example:
    """Return the example with other names for inputs where theirs could not stand in code."""
    taken = {*_TAKEN, call.partition(".")[0]}
    names = list(example.names)
    for index, name in enumerate(names):
        if not name.isidentifier() or keyword.iskeyword(name) or name in taken or name in names[:index]:
            names[index] = f"input{index}"
    several = len(example.calls) > 1
    calls = [
        replace(
            one,
            inputs=tuple(
                replace(given, name=f"{name}{number}" if several else name)
                for name, given in zip(names, one.inputs, strict=True)
            ),
        )
        for number, one in enumerate(example.calls, 1)
    ]
    return replace(example, calls=tuple(calls))


def _call_lines(example: Example, source: Source) -> list[str]:
    """Return the lines that make the inputs, run all forwards, then all backwards, and print what came."""
    forwards, backwards = [], []
    for number, call in enumerate(example.calls, 1):
        mark = str(number) if len(example.calls) > 1 else ""
        names = [given.name for given in call.inputs]
        forwards += [made(given, example.device) for given in call.inputs]
        called = f"{source.name}({', '.join(names)})"
        if not call.values:
            forwards.append(called)
            continue
        y = f"y{mark}" if f"y{mark}" not in names else f"out{mark}"
        forwards += [f"{y} = {called}"] if call.records_graph else ["with torch.no_grad():", f"    {y} = {called}"]
        backwards.append(f"print({y})  # expected {', '.join(shown(value.right) for value in call.values)}")
        backwards += _backward_lines(example, call, y)
        backwards += _overwritten_lines(example, call)
    return [*forwards, *backwards]


def _backward_lines(example: Example, call: ExampleCall, y: str) -> list[str]:
    outputs = [f"{y}[{index}]" for index in range(len(call.values))] if call.is_tuple else [y]
    pairs = [(output, grad) for output, grad in zip(outputs, call.grad_outputs, strict=False) if grad is not None]
    if not pairs or not any(given.asks for given in call.inputs):
        return []
    sent = [output for output, _ in pairs]
    written = [literal(grad, call.grad_layout, example.device) for _, grad in pairs]
    lines = []
    if example.shows.startswith(("overwritten grad_output", "mended")):
        mark = y.removeprefix("y").removeprefix("out")
        names = [f"grad_output{mark}_{index}" for index in range(len(pairs))]
        lines += [f"{name} = {text}" for name, text in zip(names, written, strict=True)]
        written = names
    if example.shows == "mended":
        node = f"{sent[0]}.grad_fn"
        returned = f"{node}._forward_cls.backward({', '.join((node, *written))})"
        lines.append(f"print({returned})  # as its backward returns it")
    if len(pairs) == 1:
        lines.append(f"{sent[0]}.backward({written[0]})")
    else:
        lines.append(f"torch.autograd.backward([{', '.join(sent)}], [{', '.join(written)}])")
    for given, gradient in zip(call.inputs, call.gradients or (None,) * len(call.inputs), strict=True):
        if given.asks:
            said = f"  # expected {shown(gradient.right)}" if gradient else ""
            lines.append(f"print({given.name}.grad){said}")
    if example.shows.startswith("overwritten grad_output"):
        grads = [grad for _, grad in pairs]
        lines += [f"print({name})  # was {shown(grad)}" for name, grad in zip(written, grads, strict=True)]
    return lines


def _overwritten_lines(example: Example, call: ExampleCall) -> list[str]:
    if not example.shows.startswith("overwritten input"):
        return []
    return [f"print({given.name})  # was {shown(given.numbers)}" for given in call.inputs]


def _behavior_lines(example: Example, source: Source, behavior: str) -> list[str]:
    call = example.calls[0]
    names = [given.name for given in call.inputs]
    lines = [made(given, example.device) for given in call.inputs]
    lines.append(f"inputs = {as_tuple(names)}")
    lines += _filled(behavior, example, call, source.name)
    if source.reference and behavior in TOLD_BY_REFERENCE:
        lines += ["", "# what is right", "inputs = tuple(x.detach().double().requires_grad_() for x in inputs)"]
        lines += _filled(behavior, example, call, source.reference)
    return lines


def _filled(behavior: str, example: Example, call: ExampleCall, fn: str) -> list[str]:
    first = "[0]" if call.is_tuple else ""
    known = {"fn": fn, "first": first, "y": f"{fn}(*inputs){first}", "device": example.device.partition(":")[0]}
    text = "\n".join(line.removeprefix("        ") for line in BEHAVIORS[behavior].strip("\n").splitlines())
    for key, value in {**known, "op": example.operator}.items():
        text = text.replace("{" + key + "}", value)
    return text.splitlines()


def as_tuple(names: Sequence[str]) -> str:
    """Return names as a tuple is written.

    >>> as_tuple(["a"])
    '(a,)'
    """
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"
