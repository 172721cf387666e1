"""Schedules, clipping, Adam, AdamW, SGD with momentum (schema/numerics.md §5). Scalars are Python's doubles."""
import math

import torch


def learning_rate(train, step):
    warmup, lr, ratio = train["warmup_steps"], train["lr"], train["min_lr_ratio"]
    if step <= warmup:
        return lr * step / warmup
    if train["schedule"] == "constant":
        return lr
    u = (step - warmup) / (train["steps"] - warmup)
    if train["schedule"] == "cosine":
        return lr * (ratio + (1 - ratio) * (1 + math.cos(math.pi * u)) / 2)
    return lr * (1 - (1 - ratio) * u)


def norm_of(tensors):
    return math.sqrt(sum(t.double().square().sum().item() for t in tensors))


def is_indexer(name):
    return ".indexer." in name


def is_decayed(name, tensor):
    return tensor.dim() == 2 and name != "embed.weight"


class Optimizer:
    def __init__(self, train, parameters, resting=()):
        """resting: the steps in which the indexers' tensors alone are updated."""
        self.train, self.resting = train, resting
        self.parameters = {name: p for name, p in parameters.items() if p.requires_grad}
        self.m = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.v = {name: torch.zeros_like(p) for name, p in self.parameters.items()}

    def gradients(self):
        """An expert without tokens has a zero gradient, and is still updated."""
        return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in self.parameters.items()}

    def clip(self, gradients):
        c = self.train["grad_clip"]
        if c == 0:
            return
        for group in True, False:
            members = [g for name, g in gradients.items() if is_indexer(name) == group]
            factor = min(1, c / (norm_of(members) + 1e-6))
            for g in members:
                g *= factor

    @torch.no_grad()
    def step(self, s):
        """One update; returns the learning rate and the gradient's norm before clipping."""
        train, gradients = self.train, self.gradients()
        lr, norm = learning_rate(train, s), norm_of(gradients.values())
        self.clip(gradients)
        beta1, beta2 = train["betas"]
        step = s
        for name, p in self.parameters.items():
            if not is_indexer(name):
                if step in self.resting:
                    continue
                s = step - sum(1 for other in self.resting if other < step)
            else:
                s = step
            g, m, v = gradients[name], self.m[name], self.v[name]
            if train["optimizer"] != "adam" and is_decayed(name, p):
                p *= 1 - lr * train["weight_decay"]
            if train["optimizer"] == "sgd":
                v.mul_(train.get("momentum", 0.9)).add_(g)
                p -= lr * v
                continue
            m.mul_(beta1).add_(g, alpha=1 - beta1)
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            p -= lr / (1 - beta1**s) * m / (v.clamp(min=2**-149).sqrt() / math.sqrt(1 - beta2**s) + train["eps"])
        return lr, norm
