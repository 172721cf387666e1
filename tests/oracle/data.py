"""From a text to the windows of every step (schema/numerics.md §4)."""
import math
import os

import numpy as np

from philox import Stream

END = 256  # the token that ends a document
VOCAB = 257


def documents_of_text(text):
    """A text's documents (bytes): separated by lines of a lone %, or by blank lines where there is none."""
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    separates = (lambda line: line == b"%") if b"%" in lines else (lambda line: not line.strip())
    documents, current = [], []
    for line in lines + [b"%" if b"%" in lines else b""]:
        if not separates(line):
            current.append(line if line.strip() else b"")
            continue
        while current and not current[0]:
            current.pop(0)
        while current and not current[-1]:
            current.pop()
        if current:
            documents.append(b"\n".join(current))
        current = []
    return list(dict.fromkeys(documents))  # exact duplicates are dropped, the first one stays


def documents_of_folder(path):
    """A stored corpus: the documents' bytes one after another, and where each ends."""
    with open(os.path.join(path, "text"), "rb") as f:
        text = f.read()
    ends = [0] + np.fromfile(os.path.join(path, "index"), dtype="<u8").tolist()
    return [text[a:b] for a, b in zip(ends, ends[1:])]


def read_documents(path):
    if os.path.isdir(path):
        return documents_of_folder(path)
    with open(path, "rb") as f:
        return documents_of_text(f.read())


def token_documents(documents, data):
    """The documents' tokens, as many as the spec asks for; the last one may be cut."""
    selected = documents[: data["documents"]] if data["documents"] else documents
    tokens = [list(document) + [END] for document in selected]
    left = data["tokens"] or sum(map(len, tokens))
    kept = []
    for document in tokens:
        if left == 0:
            break
        kept.append(document[:left])
        left -= len(kept[-1])
    return kept


def split_documents(documents, data):
    """Each part's windows: whole documents are held out, and windows don't overlap. File order within each part."""
    total = sum(map(len, documents))
    order = Stream(data["split_seed"], "split").permutation(0, len(documents)).tolist()
    parts = {}
    for part in "test", "val":
        needed, parts[part] = math.ceil(data[part + "_fraction"] * total), []
        while sum(len(documents[i]) for i in parts[part]) < needed:
            parts[part].append(order.pop(0))
    parts["train"] = order
    t = data["seq_len"]
    windows = {}
    for part, members in parts.items():
        stream = [token for i in sorted(members) for token in documents[i]]
        windows[part] = [stream[i * t:i * t + t + 1] for i in range((len(stream) - 1) // t)]
    return windows


def split_windows(documents, data):
    """The study's: a window at every token, a random tenth of them held out, test = val. Both in file order."""
    stream = [token for document in documents for token in document]
    t = data["seq_len"]
    starts = Stream(data["split_seed"], "split").permutation(0, len(stream) - t).tolist()
    held_out = len(starts) // 10
    val, train = ([stream[s:s + t + 1] for s in sorted(part)] for part in (starts[:held_out], starts[held_out:]))
    return {"train": train, "val": val, "test": val}


class Data:
    """The windows of a run, [T+1] tokens each, by part: train, val, test."""

    def __init__(self, spec, documents):
        split = {"documents": split_documents, "windows": split_windows}[spec["data"]["split"]]
        parts = split(token_documents(documents, spec["data"]), spec["data"])
        self.windows = {part: np.array(windows, dtype=np.int64) for part, windows in parts.items()}
        self.batch_size = spec["train"]["batch_size"]
        self.eval_windows = spec["train"]["eval_windows"]
        self.shuffle = Stream(spec["seed"], "shuffle")
        self.orders = {}

    def batch(self, step):
        """The windows [B, T+1] of training step 1, 2, …: epochs follow one another without a short batch."""
        train = self.windows["train"]
        chosen = []
        for k in range((step - 1) * self.batch_size, step * self.batch_size):
            epoch, place = divmod(k, len(train))
            if epoch not in self.orders:
                self.orders = {epoch: self.shuffle.permutation(epoch, len(train))}
            chosen.append(self.orders[epoch][place])
        return train[chosen]

    def evaluated(self, part):
        """All windows of a part, or eval_windows of them at even distances."""
        windows = self.windows[part]
        n, m = len(windows), self.eval_windows
        return windows[[i * n // m for i in range(m)]] if 0 < m < n else windows
