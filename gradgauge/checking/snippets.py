"""Plain PyTorch that reproduces a fault: tensors as literals, the call, what it prints and what is right."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradgauge.behavior.operators import custom_operators
from gradgauge.calling import Call
from gradgauge.checking.target import Target, function_class, name_of
from gradgauge.oracle import Truth
from gradgauge.trials import Trial, Way

MOST_LITERALS = 1024
"""A tensor of more numbers than this is not written out; others like them are drawn."""
MOST_NUMBERS = 64
"""Of more numbers than this a reader is told the range."""

BEHAVIORS = {
    "double_backward": """
        cotangent = torch.ones_like({y}).requires_grad_()
        gradients = torch.autograd.grad({y}, inputs, cotangent, create_graph=True)
        print(torch.autograd.grad(sum(g.sum() for g in gradients), (*inputs, cotangent), allow_unused=True))""",
    "jvp": """
        print(torch.func.jvp({fn}, tuple(x.detach() for x in inputs), tuple(torch.ones_like(x) for x in inputs)))""",
    "func_grad": """
        plain = tuple(x.detach() for x in inputs)
        print(torch.func.grad(lambda *xs: {fn}(*xs){first}.sum(), argnums=tuple(range(len(plain))))(*plain))
        print(torch.autograd.grad({y}.sum(), inputs))  # should be the same""",
    "vmap": """
        batch = tuple(torch.stack([x.detach(), 2 * x.detach()]) for x in inputs)
        print(torch.func.vmap({fn})(*batch))
        print([{fn}(*(x[i] for x in batch)) for i in range(2)])  # should be the same""",
    "vmap_grad": """
        batch = tuple(torch.stack([x.detach(), x.detach()]) for x in inputs)
        print(torch.func.vmap(torch.func.grad(lambda *xs: {fn}(*xs){first}.sum()))(*batch))
        print(torch.autograd.grad({y}.sum(), inputs)[0])  # should be each row""",
    "fullgraph": """
        compiled = torch.compile({fn}, fullgraph=True, backend="aot_eager")
        print(compiled(*inputs))
        print({y})  # should be the same""",
    "dynamic_shapes": """
        compiled = torch.compile({fn}, dynamic=True, backend="aot_eager")
        for xs in (inputs, tuple(x[..., 1:] for x in inputs)):
            print(compiled(*xs), {fn}(*xs))  # should be the same""",
    "export": """
        class Module(torch.nn.Module):
            def forward(self, *xs):
                return {fn}(*xs)

        exported = torch.export.export(Module(), tuple(x.detach() for x in inputs)).module()
        print(torch.autograd.grad(exported(*inputs){first}.sum(), inputs))
        print(torch.autograd.grad({y}.sum(), inputs))  # should be the same""",
    "fake_tensors": """
        print({fn}(*(x.detach().to("meta") for x in inputs)))
        print({y})  # should have the same shape and dtype""",
    "opcheck": """
        torch.library.opcheck(torch.ops.{op}, inputs)""",
    "autocast": """
        with torch.autocast("{device}", torch.bfloat16):
            y = {fn}(*inputs){first}
        print(y.dtype, torch.autograd.grad(y.sum(), inputs))""",
    "inputs_unchanged": """
        plain = tuple(x.detach().clone() for x in inputs)
        {fn}(*plain)
        print([(x._version, x) for x in plain])  # version 0, and the numbers from above
        v = torch.ones_like({y})
        torch.autograd.grad({y}, inputs, v)
        print(v._version, v)  # version 0, and ones""",
    "saved_unchanged": """
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append((t, t.clone())) or t, lambda t: t):
            y = {fn}(*inputs){first}
        torch.autograd.grad(y.sum(), inputs)
        for now, before in saved:
            print(now, before)  # should be the same""",
    "no_alias": """
        plain = tuple(x.detach().clone() for x in inputs)
        y = {fn}(*plain){first}
        y.zero_()
        print(plain)  # should be the numbers from above""",
    "in_place_change": """
        changed = [x.clone() for x in inputs]
        y = {fn}(*changed){first}
        with torch.no_grad():
            for x in changed:
                x.mul_(-0.75).add_(0.5)
        print(torch.autograd.grad(y.sum(), inputs))  # should raise, or be the same as
        print(torch.autograd.grad({y}.sum(), inputs))""",
    "released": """
        from torch.multiprocessing.reductions import StorageWeakRef
        held = [x.clone() for x in inputs]
        held.append({fn}(*held){first})
        kept = [StorageWeakRef(tensor.untyped_storage()) for tensor in held]
        del held
        print([each.expired() for each in kept])  # should be True each""",
    "needs_input_grad": """
        y = {fn}(inputs[0], *(x.detach() for x in inputs[1:])){first}
        print(y.grad_fn._forward_cls.backward(y.grad_fn, torch.ones_like(y)))  # should be None but for the first""",
    "retained_graph": """
        y = {y}
        print(torch.autograd.grad(y.sum(), inputs, retain_graph=True))
        print(torch.autograd.grad(y.sum(), inputs))  # should be the same""",
    "repeatable": """
        for _ in range(3):
            y = {y}
            print(y, torch.autograd.grad(y.sum(), inputs))  # should be the same each time""",
    "threads": """
        from concurrent.futures import ThreadPoolExecutor
        right = {y}
        with ThreadPoolExecutor(2) as pool:
            other = tuple(-x.detach() for x in inputs)
            calls = [pool.submit({fn}, *(other if i % 2 else inputs)) for i in range(1000)]
        print(sum(not torch.equal(call.result(){first}, right) for call in calls[::2]))  # should be 0""",
    "copies": """
        import copy
        print(copy.deepcopy({fn})(*inputs))
        print({y})  # should be the same""",
    "global_state": """
        import os

        def state():
            return torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_rng_state().tolist(), dict(os.environ)

        before = state()
        {fn}(*inputs)
        print(before == state())  # should be True, in a fresh process""",
}
"""Behaviour → what shows a fault of it, after the lines that make `inputs`."""


def import_line(call: Call) -> str:
    """Return the line that brings the function in, or a comment where nobody can import it."""
    named = function_class(call) or call
    module, name = str(getattr(named, "__module__", "")), str(getattr(named, "__qualname__", ""))
    if module and module not in ("__main__", "builtins") and name.isidentifier():
        return f"from {module} import {name}"
    owner = function_class(call)
    return f"# {owner.__name__ if owner else name_of(call)} is the function that was checked"


def literal(tensor: Tensor, layout: str = "contiguous") -> str:
    """Return an expression for a tensor of the same numbers, dtype, device and memory layout."""
    rest = "" if tensor.dtype == torch.float32 else f", dtype={tensor.dtype}"
    rest += "" if tensor.device.type == "cpu" else f", device={tensor.device.type!r}"
    shape = tuple(tensor.shape)
    written = f"torch.tensor({_nested(tensor)}{rest})" if tensor.numel() else f"torch.zeros({shape}{rest})"
    if tensor.numel() > MOST_LITERALS:
        written = f"torch.randn({shape}{rest})"
    least = {"transposed": 2, "strided": 1, "sliced": 1, "expanded": 1, "channels-last": 4}.get(layout, 0)
    if not tensor.numel() or tensor.dim() < least:
        return written
    forms = {
        "transposed": "{written}.mT.contiguous().mT",
        "strided": "{written}.repeat_interleave(2, dim=-1)[..., ::2]",
        "sliced": "torch.cat([torch.zeros({shape}{rest}), {written}], dim=-1)[..., {last}:]",
        "expanded": "{written}[:1].expand({shape})",
        "channels-last": "{written}.contiguous(memory_format=torch.channels_last)",
        "repeated": "torch.tensor({first}{rest}).expand({shape})",
    }
    first, last = _number(float(tensor.reshape(-1)[0]), tensor.dtype), shape[-1] if shape else 0
    return forms.get(layout, "{written}").format(written=written, shape=shape, rest=rest, first=first, last=last)


def _nested(tensor: Tensor) -> str:
    if tensor.dim() == 0:
        return _number(float(tensor), tensor.dtype)
    return f"[{', '.join(_nested(row) for row in tensor)}]"


def _number(value: float, dtype: torch.dtype) -> str:
    """Return the fewest digits that tell a number from its neighbours in its dtype."""
    if not math.isfinite(value):
        return f'float("{value}")'
    texts = (f"{value:.{digits}g}" for digits in range(1, 18))
    text = next((each for each in texts if float(torch.tensor(float(each), dtype=dtype)) == value), repr(value))
    return text if set(text) & set(".e") else f"{text}.0"


def shown(tensor: Tensor) -> str:
    """Return a tensor's numbers for a reader: nested as the tensor is, a range where there are many."""
    if tensor.numel() > MOST_NUMBERS:
        tensor = tensor.detach()
        return f"{tensor.numel()} numbers from {float(tensor.min()):.4g} to {float(tensor.max()):.4g}"
    return _rounded(tensor.detach().double())


def _rounded(tensor: Tensor) -> str:
    if tensor.dim() == 0:
        return f"{float(tensor):.7g}"
    return f"[{', '.join(_rounded(row) for row in tensor)}]"


def head(target: Target) -> list[str]:
    """Return the lines that every snippet begins with."""
    return ["import torch", import_line(target.call), ""]


def made(name: str, tensor: Tensor, layout: str = "contiguous", *, asks: bool = True) -> str:
    """Return the line that makes an input, which asks for its gradient or does not."""
    expression = literal(tensor.detach(), layout)
    if asks and expression == literal(tensor.detach()):
        return f"{name} = {expression[:-1]}, requires_grad=True)"
    return f"{name} = {expression}{'.detach().requires_grad_()' if asks else ''}"


def call_snippet(target: Target, truth: Truth, way: Way) -> str:
    """Return the lines that call the function: for one that does not get further."""
    layouts = way.input_layout or "contiguous"
    each = (layouts,) * len(truth.inputs) if isinstance(layouts, str) else layouts
    asked = way.asked or (True,) * len(truth.inputs)
    lines = [
        made(name, tensor, layout, asks=asks)
        for name, tensor, layout, asks in zip(target.names, truth.inputs, each, asked, strict=True)
    ]
    return "\n".join([*head(target), *lines, f"{name_of(target.call)}({', '.join(target.names)})"])


def trial_snippet(target: Target, trials: Sequence[Trial]) -> str:
    """Return the lines that make the trials' inputs, run all forwards, then all backwards, and print what came."""
    forwards, backwards = [], []
    for number, trial in enumerate(trials, 1):
        mark = str(number) if len(trials) > 1 else ""
        names = [f"{name}{mark}" for name in target.names]
        given = zip(names, trial.truth.inputs, trial.inputs, trial.layouts, strict=True)
        for name, number_, tensor, layout in given:  # the call may have written into the inputs that it had
            forwards.append(made(name, number_.to(tensor.device), layout, asks=tensor.requires_grad))
        y = f"y{mark}" if f"y{mark}" not in names else f"out{mark}"
        call = f"{y} = {name_of(target.call)}({', '.join(names)})"
        forwards += [call] if trial.way.records_graph else ["with torch.no_grad():", f"    {call}"]
        values = ", ".join(shown(value) for value in trial.truth.values)
        backwards.append(f"print({y})  # expected {values}")
        asked = [index for index, tensor in enumerate(trial.inputs) if tensor.requires_grad]
        if asked and any(value.requires_grad for value in trial.values):
            backwards.append(_backward(y, trial))
            backwards += [
                f"print({names[index]}.grad)  # expected {shown(trial.truth.gradients[index])}" for index in asked
            ]
    return "\n".join([*head(target), *forwards, *backwards])


def _backward(y: str, trial: Trial) -> str:
    layout = trial.way.grad_output_layout
    outputs = [f"{y}[{index}]" for index in range(len(trial.values))] if trial.truth.is_tuple else [y]
    answered = trial.way.answered or (True,) * len(outputs)
    pairs = [
        (output, literal(grad, layout))
        for output, grad, value, is_sent in zip(outputs, trial.truth.grad_outputs, trial.values, answered, strict=True)
        if is_sent and value.requires_grad
    ]
    if len(pairs) == 1:
        return f"{pairs[0][0]}.backward({pairs[0][1]})"
    sent, grads = (", ".join(each) for each in zip(*pairs, strict=True))
    return f"torch.autograd.backward([{sent}], [{grads}])"


def behavior_snippet(target: Target, behavior: str, inputs: Sequence[Tensor], *, is_tuple: bool) -> str:
    """Return the lines that show a fault of a behaviour on these inputs; empty where there are none for it."""
    template = BEHAVIORS.get(behavior)
    if template is None:
        return ""
    fn, first = name_of(target.call), "[0]" if is_tuple else ""
    lines = [made(name, tensor) for name, tensor in zip(target.names, inputs, strict=True)]
    lines.append(f"inputs = ({', '.join(target.names)}{',' if len(target.names) == 1 else ''})")
    body = [line.removeprefix("        ") for line in template.strip("\n").splitlines()]
    text = "\n".join(body)
    known = {"fn": fn, "first": first, "y": f"{fn}(*inputs){first}", "device": inputs[0].device.type}
    if behavior == "opcheck":
        leaves = tuple(tensor.detach().clone().requires_grad_() for tensor in inputs)
        known["op"] = str(next(iter(custom_operators(target.call, leaves))))
    for key, value in known.items():
        text = text.replace("{" + key + "}", value)
    return "\n".join([*head(target), *lines, text])
