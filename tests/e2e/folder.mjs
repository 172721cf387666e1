// Folders of tests, and the processes that are at work in them. Workers outlive their daemon by design, and one that still
// writes keeps its folder from being removed: whoever removes a data folder ends them first.

import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.mjs";

const folders = new Set();
process.on("exit", () => folders.forEach(endWorkers)); // a test that fails leaves nothing running

/** A new folder. `name` is part of its name. */
export async function make(name) {
  const dir = await mkdtemp(join(tmpdir(), `ablate-${name}-`));
  folders.add(dir);
  return dir;
}

const read = (path) => { try { return readFileSync(path, "latin1"); } catch { return ""; } };
/** The keepers and trainers of the attempts below a folder, whose command lines name it. Of one that is dead and waits to be
 *  seen there is none. */
export const workersIn = (dir) => readdirSync("/proc").filter((name) => /^\d+$/.test(name) &&
  new RegExp(`\0${dir}/(.*/)?runs/`).test(read(`/proc/${name}/cmdline`))).map(Number);

/** Kills them; how many there were. */
function endWorkers(dir) {
  const pids = workersIn(dir);
  for (const pid of pids) try { process.kill(pid, "SIGKILL"); } catch { /* it has ended by itself */ }
  return pids.length;
}

/** Removes a folder in which no daemon runs any more, once its workers have ended. */
export async function remove(dir) {
  await until(`no worker is left in ${dir}`, () => endWorkers(dir) === 0);
  await rm(dir, { recursive: true, force: true });
  folders.delete(dir);
}
