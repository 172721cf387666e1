#!/usr/bin/env python3
"""Seconds a training step of the same model in PyTorch, written plainly and well.

The other side of `make bench`. It does what the trainer does in one step: forward, cross-entropy, balance loss,
the indexer's KL where the arm trains one, backward, Adam. It is tuned as a careful user would: fused qkv, one
batched matmul for all heads, experts on gathered tokens, no Python loop over positions, gradients set to None.
Dropout and router noise use PyTorch's own generator: only the time counts here.

usage: torch_step.py --arm dense|dsa --seq-len T --vocab V [--threads N] [--steps N] ...
prints one JSON line: {"arm", "seq_len", "vocab", "threads", "median_s", "min_s", "steps"}
"""
import argparse
import json
import math
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--arm", choices=("dense", "dsa"), default="dense")
    p.add_argument("--seq-len", type=int, default=128)
    p.add_argument("--vocab", type=int, default=257)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--heads", type=int, default=8)
    p.add_argument("--d-model", type=int, default=256)
    p.add_argument("--d-ff", type=int, default=512)
    p.add_argument("--experts", type=int, default=4)
    p.add_argument("--experts-per-token", type=int, default=2)
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--router-noise", type=float, default=0.1)
    p.add_argument("--balance-weight", type=float, default=0.01)
    p.add_argument("--top-k", type=int, default=0, help="0 = half the sequence")
    p.add_argument("--indexer-heads", type=int, default=4)
    p.add_argument("--indexer-dim", type=int, default=64)
    p.add_argument("--indexer-training", choices=("kl", "frozen"), default="kl")
    p.add_argument("--threads", type=int, default=0, help="0 = PyTorch's default")
    p.add_argument("--steps", type=int, default=5, help="timed, after those of --warm-up")
    p.add_argument("--warm-up", type=int, default=2, help="not timed")
    return p.parse_args()


class RMSNorm(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(c))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1.1920929e-7) * self.weight


class Attention(nn.Module):
    def __init__(self, a):
        super().__init__()
        c, t, d = a.d_model, a.seq_len, a.d_model // a.heads
        self.a = a
        self.qkv = nn.Linear(c, 3 * c, bias=False)
        self.out = nn.Linear(c, c, bias=False)
        angle = torch.arange(t)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())
        self.register_buffer("future", torch.ones(t, t, dtype=torch.bool).triu(1))
        if a.arm == "dsa":
            self.k = a.top_k or t // 2
            self.index_q = nn.Linear(c, a.indexer_heads * a.indexer_dim, bias=False)
            self.index_k = nn.Linear(c, a.indexer_dim, bias=False)
            self.index_w = nn.Linear(c, a.indexer_heads, bias=False)

    def rotate(self, x):
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack((even * self.cos - odd * self.sin, even * self.sin + odd * self.cos), -1).flatten(-2)

    def scores(self, x):
        a, (b, t, _) = self.a, x.shape
        q = self.index_q(x).view(b, t * a.indexer_heads, a.indexer_dim)
        dots = torch.relu(q @ self.index_k(x).transpose(1, 2)).view(b, t, a.indexer_heads, t)
        scale = (a.indexer_heads * a.indexer_dim) ** -0.5
        return (self.index_w(x).unsqueeze(2) @ dots).squeeze(2) * scale

    def forward(self, x):
        a, (b, t, c) = self.a, x.shape
        q, k, v = self.qkv(x).view(b, t, 3, a.heads, c // a.heads).permute(2, 0, 3, 1, 4)
        q, k = self.rotate(q), self.rotate(k)
        closed, kl = self.future, None
        if a.arm == "dsa":
            train_indexer = self.training and a.indexer_training == "kl"
            with torch.set_grad_enabled(train_indexer):
                index = self.scores(x.detach()).masked_fill(self.future, -1e30)
            chosen = index.detach().topk(self.k, -1).indices
            closed = torch.ones(b, t, t, dtype=torch.bool).scatter_(2, chosen, False) | self.future
            closed = closed.unsqueeze(1)
        p = (q @ k.transpose(-1, -2) * (c // a.heads) ** -0.5).masked_fill(closed, -math.inf).softmax(-1)
        if a.arm == "dsa" and train_indexer:
            target = p.detach().mean(1)
            log_q = index.masked_fill(closed.squeeze(1), -math.inf).log_softmax(-1)
            kl = F.kl_div(log_q.masked_fill(closed.squeeze(1), 0), target, reduction="sum") / (b * t)
        y = F.dropout(p, a.dropout, self.training) @ v
        return self.out(y.transpose(1, 2).reshape(b, t, c)), kl


class MoE(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.a = a
        self.gate = nn.Linear(a.d_model, a.experts, bias=False)
        self.w1 = nn.ModuleList(nn.Linear(a.d_model, a.d_ff, bias=False) for _ in range(a.experts))
        self.w2 = nn.ModuleList(nn.Linear(a.d_ff, a.d_model, bias=False) for _ in range(a.experts))

    def forward(self, x):
        a, shape = self.a, x.shape
        x = x.reshape(-1, a.d_model)
        g = self.gate(x)
        if self.training:
            g = g + a.router_noise * torch.randn_like(g)
        top, chosen = g.topk(a.experts_per_token, -1)
        weight = top.softmax(-1)
        y = torch.zeros_like(x)
        for e in range(a.experts):
            row, slot = (chosen == e).nonzero(as_tuple=True)
            h = F.dropout(F.silu(self.w1[e](x[row])), a.dropout, self.training)
            y = y.index_add(0, row, self.w2[e](h) * weight[row, slot, None])
        share = torch.bincount(chosen.flatten(), minlength=a.experts) / chosen.numel()
        balance = a.experts * (share * g.softmax(-1).mean(0)).sum()
        return y.view(shape), balance


class Block(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.dropout = a.dropout
        self.norm1, self.attn = RMSNorm(a.d_model), Attention(a)
        self.norm2, self.moe = RMSNorm(a.d_model), MoE(a)

    def forward(self, x):
        y, kl = self.attn(self.norm1(x))
        x = x + F.dropout(y, self.dropout, self.training)
        y, balance = self.moe(self.norm2(x))
        return x + F.dropout(y, self.dropout, self.training), balance, kl


class Model(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.a = a
        self.embed = nn.Embedding(a.vocab, a.d_model)
        nn.init.normal_(self.embed.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(a) for _ in range(a.layers))
        self.norm = RMSNorm(a.d_model)

    def loss(self, tokens):
        x, extra = self.embed(tokens[:, :-1]), 0
        for block in self.blocks:
            x, balance, kl = block(x)
            extra = extra + self.a.balance_weight * balance + (kl if kl is not None else 0)
        logits = F.linear(self.norm(x), self.embed.weight)
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()) + extra


def main():
    a = arguments()
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    model = Model(a)
    adam = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    times = []
    for step in range(a.steps + a.warm_up):
        tokens = torch.randint(a.vocab, (a.batch, a.seq_len + 1))
        start = time.perf_counter()
        adam.zero_grad(set_to_none=True)
        model.loss(tokens).backward()
        adam.step()
        if step >= a.warm_up:
            times.append(time.perf_counter() - start)
    print(json.dumps({"arm": a.arm, "seq_len": a.seq_len, "vocab": a.vocab, "threads": torch.get_num_threads(),
                      "median_s": statistics.median(times), "min_s": min(times), "steps": a.steps}))


if __name__ == "__main__":
    main()
