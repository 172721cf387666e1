// Findings of audits, merged for a page: one an audit, of which the worst counts.

/** From worst to best: how many of each there are, and in which order they are shown. */
export const STATUSES = ["fail", "warn", "skipped", "pass"];
export const SIGNS = { pass: "\u2713", fail: "\u2715", warn: "!", skipped: "\u2013" };

const rank = (status) => (STATUSES.includes(status) ? STATUSES.indexOf(status) : STATUSES.length);
const byRank = (a, b) => rank(a.status) - rank(b.status);

/** [{name, status, said: [{status, detail, grids, n}]}]: what several findings say alike is said once. */
export function merged(findings) {
  const audits = new Map();
  for (const { name, status, detail, grid } of findings) {
    if (!audits.has(name)) audits.set(name, { name, status, said: new Map() });
    const audit = audits.get(name), key = JSON.stringify([status, detail]);
    if (rank(status) < rank(audit.status)) audit.status = status;
    if (!audit.said.has(key)) audit.said.set(key, { status, detail, grids: new Map(), n: 0 });
    const said = audit.said.get(key);
    said.n++;
    if (grid) said.grids.set(JSON.stringify(grid), grid);
  }
  return [...audits.values()].sort(byRank)
    .map((audit) => ({ ...audit, said: [...audit.said.values()].sort(byRank).map((one) => ({ ...one, grids: [...one.grids.values()] })) }));
}
