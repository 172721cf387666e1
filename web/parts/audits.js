// How findings of audits are shown, wherever they are.

/** From worst to best: how many of each there are, and in which order they are shown. */
export const STATUSES = ["fail", "warn", "skipped", "pass"];
export const SIGNS = { pass: "\u2713", fail: "\u2715", warn: "!", skipped: "\u2013", missing: "?" };
