"""Lines of plain PyTorch that show a fault of each behaviour, once `inputs` are made."""

from __future__ import annotations

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
        batch = [torch.stack([x.detach(), 2 * x.detach()]) for x in inputs]
        places = range(len(batch))
        for mapped in dict.fromkeys([tuple(places), *((place,) for place in places)]):
            given = [batch[i] if i in mapped else batch[i][0] for i in places]
            print(mapped, torch.func.vmap({fn}, tuple(0 if i in mapped else None for i in places))(*given))
            print([{fn}(*(given[i][n] if i in mapped else given[i] for i in places)) for n in range(2)])  # the same""",
    "vmap_grad": """
        batch = tuple(torch.stack([x.detach(), x.detach()]) for x in inputs)
        print(torch.func.vmap(torch.func.grad(lambda *xs: {fn}(*xs){first}.sum()))(*batch))
        print(torch.autograd.grad({y}.sum(), inputs)[0])  # should be each row""",
    "fullgraph": """
        compiled = torch.compile({fn}, fullgraph=True, backend="aot_eager")
        for each in (compiled, {fn}):
            y = each(*inputs){first}
            print(y, torch.autograd.grad(y.sum(), inputs))  # should be the same""",
    "dynamic_shapes": """
        compiled = torch.compile({fn}, dynamic=True, backend="aot_eager")
        for xs in (inputs, tuple(x[..., 1:] for x in inputs)):
            for each in (compiled, {fn}):
                y = each(*xs){first}
                print(y, torch.autograd.grad(y.sum(), inputs))  # should be the same""",
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
"""Behaviour → what shows a fault of it, after the lines that make `inputs`.

{fn} is the call, {y} what it returns (the first of several outputs, which {first} takes), {op} its custom operator.
"""

TOLD_BY_REFERENCE = ("double_backward", "jvp")
"""Where nothing else that the call does says what is right."""
