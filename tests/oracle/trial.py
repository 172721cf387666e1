"""One run: steps and evaluations."""
import torch
import torch.nn.functional as F

from data import Data
from model import Model
from optim import Optimizer


class Trial:
    def __init__(self, spec, documents, dtype=torch.float32):
        self.spec = spec
        self.data = Data(spec, documents)
        self.model = Model(spec, dtype)
        self.optimizer = Optimizer(spec["train"], self.model.parameters, self.resting())
        self.micro = spec["train"]["micro_batch_size"] or spec["train"]["batch_size"]

    def resting(self):
        """Steps in which all but the indexers rest; layers that have such agree about them."""
        model, steps = self.spec["model"], set()
        for a in [model["attention"], *(row["attention"] for row in model.get("attention_layers", []))]:
            last, alone = a.get("dense_warmup_steps", 0), a.get("indexer_only_steps", 0)
            steps |= set(range(last - alone + 1, last + 1))
        return steps

    def losses(self, windows, step):
        """What the gradient is of, and what a step reports, at step ≥ 1: means over the batch's micro-batches."""
        windows, m = torch.from_numpy(windows), self.spec["model"]
        total, reported = 0, {"loss": 0, "balance": 0, "kl": 0, "imbalance": 0}
        for first in range(0, len(windows), self.micro):
            part = windows[first:first + self.micro]
            share = len(part) / len(windows)
            logits, run = self.model.forward(part[:, :-1], step, step, first)
            loss = F.cross_entropy(logits.flatten(0, 1), part[:, 1:].flatten())
            balance, kl = sum(run.balance), sum(run.kl)
            total += share * (loss + m["balance_weight"] * balance + sum(run.weighted_kl))
            imbalance = float(sum(run.imbalance)) / m["layers"] if run.imbalance else 1.0
            for name, value in ("loss", loss), ("balance", balance), ("kl", kl), ("imbalance", imbalance):
                reported[name] += share * float(value)
        return total, reported

    def step(self, step):
        """Trains on the step's batch; what it reports is from before the update."""
        for p in self.model.parameters.values():
            p.grad = None
        total, reported = self.losses(self.data.batch(step), step)
        total.backward()
        reported["lr"], reported["grad_norm"] = self.optimizer.step(step)
        return reported

    @torch.no_grad()
    def evaluate(self, part, step):
        """Mean loss and accuracy over a part, after `step` training steps."""
        windows, size = self.data.evaluated(part), self.spec["train"]["batch_size"]
        nll, correct, targets = 0.0, 0, 0
        for first in range(0, len(windows), size):
            batch = torch.from_numpy(windows[first:first + size])
            logits, _ = self.model.forward(batch[:, :-1], 0, step)
            logits, target = logits.flatten(0, 1), batch[:, 1:].flatten()
            nll += F.cross_entropy(logits.double(), target, reduction="sum").item()
            best = logits == logits.max(-1, keepdim=True).values
            correct += (best.int().argmax(-1) == target).sum().item()  # ties: the lowest id
            targets += target.numel()
        return {"loss": nll / targets, "accuracy": correct / targets}
