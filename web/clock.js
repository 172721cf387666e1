// The daemon's clock, for spans up to now: the browser's may be wrong, and the times are the daemon's. Each reply says
// when it was made, to the second; the least difference that was seen is the nearest to the truth.

let behind = null; // the daemon's clock less the browser's, ms

/** Takes the Date of a reply. */
export function learnClock(date) {
  const at = Date.parse(date ?? "");
  if (!Number.isFinite(at)) return;
  const now = Date.now() - at - 500; // a second of which the half has passed
  if (behind === null || Math.abs(now + behind) > 1000) behind = -now;
}

export const daemonNow = () => Date.now() + (behind ?? 0);
