"""Arrangement's training step against the same networks, weights and batch in PyTorch, on this machine's CPU.

    pip install torch
    python tests/against_torch.py [BLOCKS]

Says first by how much the generators' losses differ in the third step, then seconds a step, the median of BLOCKS blocks
(default 5) that the two take in turn.
"""

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from musicfusion.systems.arrangement import objective
from musicfusion.systems.arrangement.system import SYSTEM

CONFIG = Path(__file__).parents[1] / "configs" / "arrangement.py"
SECONDS = 3.0  # of a block, at least


class Module(nn.Module):
    """The parameters of a Flax module, by their names there, as PyTorch has them."""

    def __init__(self, params) -> None:
        super().__init__()
        self.own = nn.ParameterDict()
        for layer, arrays in params.items():
            for name, array in arrays.items():
                self.own[f"{layer}/{name}"] = nn.Parameter(torch.tensor(self.moved(layer, name, np.asarray(array))))

    @staticmethod
    def moved(layer: str, name: str, array: np.ndarray) -> np.ndarray:
        """With the axes where PyTorch has them."""
        if layer.startswith("Up"):  # flipped
            return array[::-1, ::-1].transpose(2, 3, 0, 1).copy() if name == "kernel" else array
        return {4: lambda: array.transpose(3, 2, 0, 1), 2: lambda: array.T}.get(array.ndim, lambda: array)().copy()

    def dense(self, k: int, x):
        return functional.linear(x, self.own[f"Dense_{k}/kernel"], self.own[f"Dense_{k}/bias"])


class ResNet(Module):
    """nn.images.ResNet: [b, 1, H, W]."""

    def forward(self, x, condition):
        own, blocks = self.own, sum(key.startswith("Conv_") for key in self.own) // 4 - 2

        def conv(k, x, reflect=0, **more):
            x = functional.pad(x, (reflect,) * 4, mode="reflect") if reflect else x
            return functional.conv2d(x, own[f"Conv_{k}/kernel"], own[f"Conv_{k}/bias"], **more)

        norm, relu = functional.instance_norm, functional.relu
        x = relu(norm(conv(0, x, 3)))
        for k in (1, 2):
            x = relu(norm(conv(k, x, stride=2, padding=1)))
        for k in range(blocks):
            h = norm(conv(3 + 2 * k, x, 1))
            if condition is not None:
                h = h + self.dense(k, condition)[:, :, None, None]
            x = x + norm(conv(4 + 2 * k, relu(h), 1))
        for k in (0, 1):
            x = relu(norm(functional.conv_transpose2d(x, own[f"Up_{k}/kernel"], own[f"Up_{k}/bias"], 2, 1, 1)))
        return torch.tanh(conv(3 + 2 * blocks, x, 3))


class PatchGAN(Module):
    """nn.images.PatchGAN."""

    def forward(self, x):
        for k, stride in enumerate((2, 2, 2, 1, 1)):
            x = functional.conv2d(x, self.own[f"Conv_{k}/kernel"], self.own[f"Conv_{k}/bias"], stride, 1)
            if k < 4:
                x = functional.leaky_relu(functional.instance_norm(x) if k else x, 0.2)
        return x


def over_time(net: Module, k: int, x, size: int, stride: int = 1, dilation: int = 1):
    """A convolution over time of [b, c, T], borders repeated."""
    reach = dilation * (size - 1) + 1 - stride
    kernel = net.own[f"Dense_{k}/kernel"]
    x = functional.pad(x, (reach // 2, reach - reach // 2), mode="replicate")
    return functional.conv1d(x, kernel.unflatten(1, (size, -1)).transpose(1, 2), net.own[f"Dense_{k}/bias"], stride,
                             dilation=dilation)


class FrameNet(Module):
    """nn.frames.FrameNet: [b, 1, T, M]."""

    def forward(self, x, condition):
        own = self.own
        blocks = sum(key.startswith("LayerNorm") for key in own) // 2 - 1

        def norm(k, x):
            weights = own[f"LayerNorm_{k}/scale"], own[f"LayerNorm_{k}/bias"]
            return functional.layer_norm(x.transpose(1, 2), x.shape[1:2], *weights, eps=1e-6).transpose(1, 2)

        x, layer = over_time(self, 0, x[:, 0].transpose(1, 2), 4, 2), 1
        for k in range(blocks):
            h, layer = over_time(self, layer, norm(k, x), 5, dilation=2 ** (k % 3)), layer + 1
            if condition is not None:
                h, layer = h + self.dense(layer, condition)[:, :, None], layer + 1
            x, layer = x + over_time(self, layer, torch.relu(h), 1), layer + 1
        x = torch.relu(over_time(self, layer, norm(blocks, x), 1))
        x = x.unflatten(1, (2, -1)).permute(0, 2, 3, 1).flatten(2)
        return torch.tanh(over_time(self, layer + 1, x, 3)).transpose(1, 2)[:, None]


class FramePatchGAN(Module):
    """nn.frames.FramePatchGAN."""

    def forward(self, x):
        x = x[:, 0].transpose(1, 2)
        for k, stride in enumerate((2, 2, 2, 1)):
            x = functional.leaky_relu(over_time(self, k, x, 4, stride), 0.2)
        return over_time(self, 4, x, 4)


NETWORKS = {"frames": (FrameNet, FramePatchGAN), "images": (ResNet, PatchGAN)}


class Trainer:
    """The step of objective.task, as it is written in PyTorch."""

    def __init__(self, networks: str, params, group, batch, quantiles) -> None:
        generator, discriminator = NETWORKS[networks]
        self.group = group
        self.g = {domain: generator(own) for domain, own in params["generators"].items()}
        self.d = {domain: discriminator(own) for domain, own in params["discriminators"].items()}
        rate, betas = group.optimizer.rate, (group.optimizer.beta1, group.optimizer.beta2)
        self.optimizer = {part: torch.optim.Adam([x for net in nets.values() for x in net.parameters()], rate, betas)
                          for part, nets in (("g", self.g), ("d", self.d))}
        self.pool: dict[str, list] = {"a": [], "b": []}
        self.a, self.b = (torch.tensor(np.asarray(batch[domain]))[..., 0][:, None] for domain in "ab")
        density = np.asarray(4 * objective.densities(objective.levels(batch["b"]), quantiles) - 2)
        self.condition = torch.tensor(density)[:, None] if group.density else None

    def exchange(self, domain: str, translated):
        seen = []
        for mels in translated.detach():
            pool = self.pool[domain]
            if len(pool) < objective.POOL:
                pool.append(mels.clone())
            elif torch.rand(()) < 0.5:
                position = int(torch.randint(objective.POOL, ()))
                mels, pool[position] = pool[position], mels.clone()
            seen.append(mels)
        return torch.stack(seen)

    def step(self) -> float:
        def least_squares(scores, label):
            return torch.mean((scores - label) ** 2)

        def l1(x, y):
            return torch.mean(torch.abs(x - y))

        def level(x):
            return (torch.mean(x, (1, 2, 3)) + 1) / 2

        a, b, condition, group = self.a, self.b, self.condition, self.group
        for net in self.d.values():
            net.requires_grad_(False)
        self.optimizer["g"].zero_grad()
        twice = None if condition is None else torch.cat([condition, condition])
        to_b, same_b = self.g["b"](torch.cat([a, b]), twice).chunk(2)
        to_a, same_a = self.g["a"](torch.cat([b, a]), None).chunk(2)
        back_a, back_b = self.g["a"](to_b, None), self.g["b"](to_a, condition)
        loss = (least_squares(self.d["a"](to_a), 1) + least_squares(self.d["b"](to_b), 1)
                + group.cycle * (l1(back_a, a) + l1(back_b, b)
                                 + group.identity * (l1(same_a, a) + l1(same_b, b)))
                + group.density * l1(level(to_b), level(b)))
        loss.backward()
        self.optimizer["g"].step()
        for net in self.d.values():
            net.requires_grad_(True)
        self.optimizer["d"].zero_grad()
        other = sum(0.5 * (least_squares(self.d[domain](real), 1)
                           + least_squares(self.d[domain](self.exchange(domain, translated)), 0))
                    for domain, real, translated in (("a", a, to_a), ("b", b, to_b)))
        other.backward()
        self.optimizer["d"].step()
        return float(loss.detach())


def timed(run: Callable[[], object]) -> float:
    """Seconds of one call, over a block of them."""
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < SECONDS:
        run()
        count += 1
    return (time.perf_counter() - begun) / count


def compare(name: str, config, blocks: int) -> None:
    """One line of the table."""
    key, group = jax.random.key(0), config.cyclegan
    group.noise = 0.0  # which the two would draw differently
    shape = (2, group.batch, config.data.crop, config.data.bands, 1)
    a, b = np.asarray(jax.random.uniform(key, shape, minval=-1.0))
    batch = {"a": a, "b": b, "pair": b, "example_key": jax.random.split(key, group.batch)}
    frozen = {"level_quantiles": jnp.linspace(0.4, 0.6, 21)}
    task = SYSTEM.stages(config)[0].task
    state = task.init(key, batch, frozen)
    theirs = Trainer(config.networks, jax.device_get(state["params"]), group, batch, frozen["level_quantiles"])
    step = jax.jit(task.step, donate_argnums=0)

    def run() -> float:
        nonlocal state
        state, metrics = step(state, batch, frozen, key)
        return float(metrics["loss"])

    ours, other = ([of() for _ in range(3)][-1] for of in (run, theirs.step))
    of = np.array([(timed(run), timed(theirs.step)) for _ in range(blocks)])
    jax_seconds, torch_seconds = np.median(of, 0)
    print(f"| {name} | {abs(ours - other) / abs(other):.1e} | {jax_seconds:.3f} | {torch_seconds:.3f} |"
          f" {np.median(of[:, 1] / of[:, 0]):.2f} |", flush=True)


def main() -> None:
    """The table."""
    spec = importlib.util.spec_from_file_location("arrangement_config", CONFIG)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    blocks = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"jax {jax.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads\n\n"
          "| step of | losses differ by | s, musicfusion | s, PyTorch | times as fast |\n|---|---|---|---|---|")
    compare("cyclegan", module.get_config("cyclegan"), blocks)
    compare("quick", module.get_config("quick"), blocks)
    compare("paper", module.get_config("paper"), blocks)


if __name__ == "__main__":
    main()
