"""The transformer (schema/numerics.md §1–2), forward only: gradients are autograd's.

Written for reading: dense T×T masks everywhere, experts in a loop, selections by a stable sort. Draws and masks
come from numpy in double; the model's own arithmetic is in `dtype`, float32 as in the trainer or float64, which
shows what the formulas say without a trainer's rounding.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F

from philox import Stream

NORM_EPS = 1.1920929e-7
INDEXER_NORM_EPS = 1e-6
ROPE_BASE = 10000.0
FUTURE_SCORE = -1e9  # what the published selection puts in place of a future key's score
VOCAB = 257


def attention_of(spec, layer):
    """A layer's attention: model.attention, unless a range of attention_layers has the layer."""
    for one in spec["model"].get("attention_layers", []):
        first, last = one["layers"]
        if first <= layer <= last:
            return one["attention"]
    return spec["model"]["attention"]


def parameter_shapes(spec):
    """name → shape, rows = outputs."""
    m = spec["model"]
    c, f = m["d_model"], m["d_ff"]
    shapes = {"embed.weight": (VOCAB, c)}
    for n in range(m["layers"]):
        block, a = f"blocks.{n}.", attention_of(spec, n)
        shapes[block + "norm1.weight"] = (c,)
        shapes[block + "attn.qkv.weight"] = (3 * c, c)
        shapes[block + "attn.out.weight"] = (c, c)
        if a["kind"] == "dsa":
            indexer = block + "attn.indexer."
            shapes[indexer + "q.weight"] = (a["indexer_heads"] * a["indexer_dim"], c)
            shapes[indexer + "k.weight"] = (a["indexer_dim"], c)
            shapes[indexer + "w.weight"] = (a["indexer_heads"], c)
            if a["indexer_norm"]:
                shapes[indexer + "k_norm.weight"] = (a["indexer_dim"],)
                shapes[indexer + "k_norm.bias"] = (a["indexer_dim"],)
        shapes[block + "norm2.weight"] = (c,)
        if m["experts"] > 1:
            shapes[block + "moe.gate.weight"] = (m["experts"], c)
        for e in range(m["experts"]):
            shapes[block + f"moe.experts.{e}.w1.weight"] = (f, c)
            shapes[block + f"moe.experts.{e}.w2.weight"] = (c, f)
            if m["activation"] == "swiglu":
                shapes[block + f"moe.experts.{e}.w3.weight"] = (f, c)
    shapes["norm.weight"] = (c,)
    if not m["tied"]:
        shapes["head.weight"] = (VOCAB, c)
    return shapes


def initial_value(spec, name, shape):
    """float32, rounded once from double. A parameter's draws depend on seed and name alone."""
    if len(shape) == 1:
        return np.full(shape, 0 if name.endswith("bias") else 1, dtype=np.float32)
    stream, n = Stream(spec["seed"], "init", name), math.prod(shape)
    if spec["model"]["init"] == "gpt2":
        value = 0.02 * stream.normal(0, n)
        if name.endswith(("attn.out.weight", "w2.weight")):
            value /= math.sqrt(2 * spec["model"]["layers"])
    elif name == "embed.weight":
        value = stream.normal(0, n)
    else:
        value = (2 * (stream.uniform(0, n) + 2.0**-25) - 1) / math.sqrt(shape[1])
    return value.astype(np.float32).reshape(shape)


def initial_values(spec):
    return {name: initial_value(spec, name, shape) for name, shape in parameter_shapes(spec).items()}


def rope_table(positions, dims, dtype):
    """cos and sin [positions, dims/2] of t·10000^(−2i/dims), in double, rounded once to float32."""
    angles = np.outer(np.arange(positions), ROPE_BASE ** (-2 * np.arange(dims // 2) / dims))
    return (torch.tensor(table.astype(np.float32), dtype=dtype) for table in (np.cos(angles), np.sin(angles)))


def rotate_interleaved(x, cos, sin):
    """x [..., T, D]: pairs (2i, 2i+1)."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)


def rotate_halves(x, cos, sin):
    """x [..., T, dims]: pairs (i, i + dims/2)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


def largest(scores, k, candidates):
    """The k largest of each row's candidates, all where there are fewer; ties go to the lower index.
    scores [..., T] as an array, candidates [..., T] bool → bool."""
    ranked = np.where(candidates, -(scores + np.float32(0)), np.inf)  # + 0: −0 ties with +0
    order = np.argsort(ranked, axis=-1, kind="stable")
    selected = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(selected, order[..., :k], True, axis=-1)
    return selected & candidates


def chain(a, b):
    """a [..., M, K] · b [..., N, K]ᵀ, each sum taken place by place, in order. What decides is computed so: equal rows
    then give equal bits wherever they stand, which no BLAS promises, and tie."""
    total = 0
    for p in range(a.shape[-1]):
        total = total + a[..., :, None, p] * b[..., None, :, p]
    return total


class Pass:
    """One walk through the model: at step ≥ 1 with that step's dropout and noise, at step 0 with neither.
    The windows are `first` and those after it of a batch, by whose numbering elements are drawn."""

    def __init__(self, model, step, done, first, batch):
        self.model, self.step, self.done = model, step, done
        self.first, self.batch = first, batch
        self.dtype = model.dtype
        self.balance, self.kl, self.weighted_kl, self.imbalance = [], [], [], []

    def before(self, n):
        """How many elements the batch has before the walk's own n."""
        return n // self.batch * self.first

    def drop(self, x, name):
        return x * self.mask(name, x.shape)

    def mask(self, name, shape):
        """What dropout multiplies by: 0 or the scale; elements count row by row through the whole shape."""
        spec = self.model.spec
        p = spec["model"]["dropout"]
        if self.step == 0 or p == 0:
            return torch.ones(shape, dtype=self.dtype)
        n = math.prod(shape)
        keep = Stream(spec["seed"], "dropout", name).keep(self.step, n, p, self.before(n))
        return torch.tensor(keep.reshape(shape) * np.float32(1 / (1 - p)), dtype=self.dtype)


class Model:
    def __init__(self, spec, dtype=torch.float32):
        self.spec, self.dtype = spec, dtype
        self.parameters = {}
        for name, value in initial_values(spec).items():
            frozen = ".indexer." in name and attention_of(spec, int(name.split(".")[1]))["indexer_training"] == "frozen"
            self.parameters[name] = torch.tensor(value, dtype=dtype, requires_grad=not frozen)
        t = spec["data"]["seq_len"]
        self.head_dim = spec["model"]["d_model"] // spec["model"]["heads"]
        self.rope = tuple(rope_table(t, self.head_dim, dtype))
        self.causal = torch.ones(t, t, dtype=torch.bool).tril()

    def weight(self, name):
        return self.parameters[name + ".weight"]

    def linear(self, x, name):
        return x @ self.weight(name).T

    def deciding(self, x, name):
        """The same, of what is compared later."""
        return chain(x, self.weight(name))

    def norm(self, x, name):
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + NORM_EPS) * self.weight(name)

    # Which keys a query may see.

    def indexer_scores(self, a, x, name):
        """I [B, T, T] from the layer's normed input, which the indexer doesn't send gradients to."""
        b, t, _ = x.shape
        heads, dim = a["indexer_heads"], a["indexer_dim"]
        x = x.detach()
        q = self.deciding(x, name + ".q").view(b, t, heads, dim).transpose(1, 2)
        k = self.deciding(x, name + ".k")
        w = self.deciding(x, name + ".w")
        if a["indexer_norm"]:
            k = F.layer_norm(k, (dim,), self.weight(name + ".k_norm"), self.parameters[name + ".k_norm.bias"],
                             INDEXER_NORM_EPS)
        if a["indexer_rope"]:
            half = dim // 2
            cos, sin = rope_table(t, half, self.dtype)
            q, k = (torch.cat((rotate_halves(z[..., :half], cos, sin), z[..., half:]), dim=-1)
                    for z in (q, k))
        each = w.transpose(1, 2).unsqueeze(-1) * torch.relu(chain(q, k.unsqueeze(1)))
        scores = sum(each.unbind(1))
        if a["indexer_training"] == "kl":
            scores = scores * (heads * dim) ** -0.5
        return scores.masked_fill(~self.causal, FUTURE_SCORE) if a["selection"] == "published" else scores

    def select_dsa(self, a, scores):
        causal = self.causal.numpy()
        return largest(scores.detach().numpy(), a["top_k"],
                       np.ones_like(causal) if a["selection"] == "published" else causal)

    def select_window(self, a):
        t = np.arange(self.spec["data"]["seq_len"])
        near = t[None, :] > t[:, None] - a["window"]
        return self.causal.numpy() & (near | (t[None, :] < a["sink"]))

    def select_strided(self, a):
        t = np.arange(self.spec["data"]["seq_len"])
        back = t[:, None] - t[None, :]
        return self.causal.numpy() & ((back < a["window"]) | (back % a["stride"] == 0))

    def select_random(self, a, run, batch, block):
        t = self.spec["data"]["seq_len"]
        words = Stream(self.spec["seed"], "select", block).words(run.step, batch * t * t, run.before(batch * t * t))
        return largest(-words.astype(np.float64).reshape(batch, t, t), a["top_k"], self.causal.numpy())

    def select_oracle(self, a, probabilities):
        return largest(probabilities.detach().mean(1).numpy(), a["top_k"], self.causal.numpy())

    # A layer.

    def attention(self, a, run, x, block):
        m = self.spec["model"]
        b, t, c = x.shape
        name = block + ".attn"
        q, k, v = self.deciding(x, name + ".qkv").view(b, t, 3, m["heads"], self.head_dim).permute(2, 0, 3, 1, 4)
        q, k = rotate_interleaved(q, *self.rope), rotate_interleaved(k, *self.rope)
        scores = chain(q, k) * self.head_dim**-0.5

        def probabilities(visible):
            return torch.softmax(scores.masked_fill(~visible, -math.inf), dim=-1)

        visible, index = self.causal, None
        if a["kind"] == "dsa":
            index = self.indexer_scores(a, x, name + ".indexer")
            if run.done > a["dense_warmup_steps"]:
                visible = torch.from_numpy(self.select_dsa(a, index))
        elif a["kind"] == "window":
            visible = torch.from_numpy(self.select_window(a))
        elif a["kind"] == "strided":
            visible = torch.from_numpy(self.select_strided(a))
        elif a["kind"] == "random_topk":
            visible = torch.from_numpy(self.select_random(a, run, b, block))
        elif a["kind"] == "oracle_topk":
            visible = torch.from_numpy(self.select_oracle(a, probabilities(self.causal)))
        visible = visible.expand(b, t, t)
        p = probabilities(visible.unsqueeze(1))
        if index is not None and a["indexer_training"] == "kl":
            run.kl.append(self.divergence(p.detach().mean(1), index, visible))
            run.weighted_kl.append(a["kl_weight"] * run.kl[-1])
        y = (run.drop(p, name + ".probs") @ v).transpose(1, 2).reshape(b, t, c)
        return run.drop(self.linear(y, name + ".out"), name + ".resid")

    @staticmethod
    def divergence(p, index, visible):
        """Mean over the queries of KL(p ‖ softmax of I), both over the visible keys."""
        log_q = torch.log_softmax(index.masked_fill(~visible, -math.inf), dim=-1)
        each = torch.special.xlogy(p, p) - p * log_q.masked_fill(~visible, 0)
        return each.sum(-1).mean()

    def feed_forward(self, run, x, block):
        m = self.spec["model"]
        b, t, c = x.shape
        experts, chosen = m["experts"], m["experts_per_token"]
        name, rows = block + ".moe", x.reshape(b * t, c)
        hidden_mask = run.mask(name + ".hidden", (b * t, experts, m["d_ff"]))

        def expert(e, taken):
            hidden = F.silu(self.linear(rows[taken], f"{name}.experts.{e}.w1"))
            if m["activation"] == "swiglu":
                hidden = hidden * self.linear(rows[taken], f"{name}.experts.{e}.w3")
            return self.linear(hidden * hidden_mask[taken, e], f"{name}.experts.{e}.w2")

        if experts == 1:
            out = expert(0, torch.arange(b * t))
        else:
            g = self.deciding(rows, name + ".gate")
            if run.step > 0 and m["router_noise"] > 0:
                noise = m["router_noise"] * Stream(self.spec["seed"], "router", block).normal(run.step, g.numel(),
                                                                                          run.before(g.numel()))
                g = g + torch.tensor(noise.astype(np.float32).reshape(g.shape), dtype=self.dtype)
            selected = torch.from_numpy(largest(g.detach().numpy(), chosen, np.ones(g.shape, dtype=bool)))
            weights = torch.softmax(g.masked_fill(~selected, -math.inf), dim=-1)
            out = torch.zeros_like(rows)
            for e in range(experts):
                taken = selected[:, e].nonzero().squeeze(1)
                out = out.index_add(0, taken, weights[taken, e].unsqueeze(1) * expert(e, taken))
            share = selected.sum(0).to(self.dtype) / (b * t * chosen)
            run.balance.append(experts * (share * torch.softmax(g, dim=-1).mean(0)).sum())
            run.imbalance.append(experts * share.max())
        return run.drop(out.view(b, t, c), name + ".resid")

    def forward(self, tokens, step, done, first=0):
        """tokens [B, T] → logits [B, T, V], and the pass, with its losses by layer. done: training steps begun, by
        which layers are in their dense warm-up. first: the tokens' place in the batch that they are a part of."""
        run = Pass(self, step, done, first, len(tokens))
        x = self.weight("embed")[tokens]
        for n in range(self.spec["model"]["layers"]):
            block = f"blocks.{n}"
            x = x + self.attention(attention_of(self.spec, n), run, self.norm(x, block + ".norm1"), block)
            x = x + self.feed_forward(run, self.norm(x, block + ".norm2"), block)
        head = "embed" if self.spec["model"]["tied"] else "head"
        return self.linear(self.norm(x, "norm"), head), run
