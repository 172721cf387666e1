#!/usr/bin/env python3
"""Reference values for tests/unit/server/verdict/test_claims.c, by brute force and without the daemon's formulas.

Every p is counted over all 2^n sign flips with numpy; where scipy is installed its permutation_test has to agree.
Intervals are found by testing means m outwards from the observed one until the test of d - m rejects (bisection),
not from order statistics. The adjusted p is the share of flips whose greatest |t| reaches a row's own.
Prints what the test has as constants; run it again after changing the data of the test.
"""
import itertools
import numpy as np

try:
    from scipy.stats import permutation_test
except ImportError:
    permutation_test = None

MARGIN = 0.05
BIG = 1e9  # stands for a diverged run


def loss(arm, point, seed):
    """The made-up study of the test: arms a0 (baseline) … a4, points 0 and 1, seeds 1 …"""
    noise = ((seed * 37 + arm * 11 + point * 17 + seed * arm * 5) % 29) / 100
    return 2 + point / 2 + noise + (0, -0.3, 0.02, 0.1, 0.4)[arm]


def difference(arm, point, seeds):
    return np.array([loss(arm, point, s) - loss(0, point, s) for s in seeds])


def flips(n):
    return np.array(list(itertools.product((1, -1), repeat=n)))


def p_value(d):
    sums = np.abs(flips(len(d)) @ d)
    p = np.mean(sums >= abs(d.sum()) - 1e-9 * max(1, np.abs(d).max()))
    if permutation_test and np.abs(d).max() < BIG:
        other = permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
        assert abs(other - p) < 1e-12, (other, p)
    return p


def interval(d, alpha):
    f, ends = flips(len(d)), []
    for side in (-1, 1):
        # far outside the test rejects, at the mean it doesn't; the end is where it changes
        inside, outside = d.mean(), d.mean() + side * (10 * np.ptp(d) + 1)
        for _ in range(200):
            m = (inside + outside) / 2
            e = d - m
            p = np.mean(np.abs(f @ e) >= abs(e.sum()) - 1e-12)
            inside, outside = (m, outside) if p > alpha else (inside, m)
        ends.append(inside)
    return ends


def t_values(rows, shift=0, scale=1):
    """[rows × flips], the first flip turns nothing; rows: lists with None where a seed is missing."""
    f, t_all = flips(len(rows[0])), []
    for row in rows:
        have = np.array([x is not None for x in row])
        d, g = np.array([shift + scale * x for x in row if x is not None]), f[:, have]
        x = g * d
        with np.errstate(divide="ignore"):
            t_all.append(x.mean(1) / (x.std(1, ddof=1) / np.sqrt(have.sum())))
    return np.array(t_all)


def share_beyond(t):
    return [float(np.mean(t.max(0) >= own - 1e-9 * abs(own))) for own in t[:, 0]]


def adjusted(rows):
    return share_beyond(np.abs(t_values(rows)))


def equivalent(rows):
    """That the mean lies within the margin: the greater of the two one-sided tests' adjusted p."""
    sides = [share_beyond(t_values(rows, MARGIN, scale)) for scale in (1, -1)]
    return [max(p) for p in zip(*sides)]


def show(name, d):
    print(f"{name}: n {len(d)} mean {d.mean():.12f} sd {d.std(ddof=1) if len(d) > 1 else float('nan'):.12f} "
          f"p {p_value(d):.12f}", end=" ")
    if np.abs(d).max() < BIG:
        print("ci95 [%.9f, %.9f] ci90 [%.9f, %.9f]" % (*interval(d, 0.05), *interval(d, 0.10)), end="")
    print()


eight = range(1, 9)
print("two arms, one point, eight seeds")
for arm in (1, 2):
    show(f"a{arm}", difference(arm, 0, eight))

print("five arms, two points, eight seeds")
rows = [list(difference(arm, point, eight)) for point in (0, 1) for arm in range(1, 5)]
for (point, arm), row, p in zip(itertools.product((0, 1), range(1, 5)), rows, adjusted(rows)):
    show(f"a{arm} point {point} adjusted {p:.12f}", np.array(row))
print("equivalent", [f"{p:.12f}" for p in equivalent(rows)])
primary = [list((difference(arm, 0, eight) + difference(arm, 1, eight)) / 2) for arm in range(1, 5)]
for arm, p, q in zip(range(1, 5), adjusted(primary), equivalent(primary)):
    show(f"a{arm} primary adjusted {p:.12f} equivalent {q:.12f}", np.array(primary[arm - 1]))


def sides(row, seed):
    """The row with that seed's difference as large as any, once for the arm and once against it."""
    most = max(MARGIN, *(abs(x) for i, x in enumerate(row) if i != seed))
    return [[side * most if i == seed else x for i, x in enumerate(row)] for side in (-1, 1)]


def with_row(rows, which, row):
    return [row if i == which else r for i, r in enumerate(rows)]


def tell_sides(what, rows, which, seed):
    made = [with_row(rows, which, row) for row in sides(rows[which], seed)]
    print(what, "adjusted", [f"{max(p):.12f}" for p in zip(*map(adjusted, made))])
    print(what, "equivalent", [f"{max(p):.12f}" for p in zip(*map(equivalent, made))])
    for side, row in zip(("low", "high"), made):
        show(f"{what} side {side}", np.array(row[which]))


print("a2 has lost seed 3 at point 1, a0 hasn't; then both")
tell_sides("a2 point 1", rows, 5, 2)
tell_sides("a2 primary", primary, 1, 2)
gone = with_row(rows, 5, [None if i == 2 else x for i, x in enumerate(rows[5])])
print("point 1 lost by both: adjusted", [f"{p:.12f}" for p in adjusted(gone)])
show("a2 point 1, lost by both", np.array([x for x in gone[5] if x is not None]))
both = with_row(primary, 1, [None if i == 2 else x for i, x in enumerate(primary[1])])
print("a2 primary, lost by both: adjusted", [f"{p:.12f}" for p in adjusted(both)], "equivalent",
      [f"{p:.12f}" for p in equivalent(both)])
show("a2 primary, lost by both", np.array([x for x in both[1] if x is not None]))

for which in (2, 0):
    print(f"row {which}: seed 5 lost by both; lost by one or cancelled")
    lost = with_row(rows, which, [None if i == 4 else x for i, x in enumerate(rows[which])])
    print([f"{p:.12f}" for p in adjusted(lost)])
    tell_sides(f"row {which}", rows, which, 4)

print("a1 with seed 8 cancelled")
d = difference(1, 0, range(1, 8))
for side in (-1, 1):
    show(f"a1 side {side}", np.append(d, side * max(MARGIN, np.abs(d).max())))

print("a1 with seed 4 diverged; all of a1 diverged but seeds 1 and 2")
d = difference(1, 0, eight)
d[3] = BIG
show("one", d)
d[2:] = BIG
show("six", d)

print("ties: differences of 0, 0, 0.1, 0.1, -0.1, 0.2, 0.2")
show("ties", np.array([0, 0, 0.1, 0.1, -0.1, 0.2, 0.2]))

print("seventeen seeds, exact (the daemon draws 65,536 of the 131,072 flips)")
show("a2", difference(2, 0, range(1, 18)))
