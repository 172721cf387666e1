// The time by the daemon's clock, which its replies tell (Date, in seconds): how long a run has taken is counted by the
// clock that has written when it began, not by the one of whoever looks.

const CLOSE_MS = 1500; // less than that is the header's resolution and the way of the reply

let ahead = 0;

/** A reply's Date. */
export function told(date) {
  const off = Date.parse(date) + 500 - Date.now();
  if (Math.abs(off - ahead) > CLOSE_MS) ahead = Math.abs(off) > CLOSE_MS ? off : 0;
}

export const now = () => Date.now() + ahead;
