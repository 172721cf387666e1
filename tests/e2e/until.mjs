// Waiting for what a test can only ask for again and again. Tests have no other loop that waits (eslint.config.js): one that
// waits for a certain state goes on for ever when another comes.

import { setTimeout as sleep } from "node:timers/promises";

export const PATIENCE_MS = 600000; // bounds a hang, nothing else

/** What `is` gives once it gives something. `told`: what else is printed when it never does. */
export async function until(what, is, { every = 10, told = () => "" } = {}) {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await sleep(every)) {
    const value = await is();
    if (value) return value;
  }
  throw new Error(`in vain: ${what}\n${told()}`);
}
