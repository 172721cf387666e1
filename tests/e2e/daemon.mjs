// The real daemon, for tests: a free port on loopback, a data folder of its own, stopped by its own pid.
//
//   const daemon = await start({ args: ["--slots", "2"] });
//   await daemon.fetch("/api/v1/runs");          // with the token
//   await daemon.stop();                         // SIGTERM; returns the exit status, ends the workers, removes the folder
//
// BUILD names the build folder (build), ABLATED another program altogether. UNDER is a program, with its arguments, that
// starts it, e.g. "tests/analyse/under valgrind".

import { execFile, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { make, remove } from "./folder.mjs";
import { PATIENCE_MS, until } from "./until.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const ABLATED = process.env.ABLATED ?? `${ROOT}${process.env.BUILD ?? "build"}/ablated`;
const UNDER = process.env.UNDER?.split(" ") ?? [];

/** Everything that was started and hasn't ended; a test that fails leaves nothing running. */
const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** Runs the program to its end, e.g. ablated("link", "--data", dir): {status, stdout, stderr}. */
export async function ablated(...args) {
  try {
    const [program, ...before] = [...UNDER, ABLATED];
    const { stdout, stderr } = await promisify(execFile)(program, [...before, ...args], { timeout: PATIENCE_MS });
    return { status: 0, stdout, stderr };
  } catch (error) {
    if (typeof error.code !== "number") throw error;
    return { status: error.code, stdout: error.stdout, stderr: error.stderr };
  }
}

async function whenReady(path, child, output) {
  return until("ablated is ready", async () => {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`ablated ended with ${child.exitCode ?? child.signalCode}\n${output()}`);
    // The file of an earlier life of the folder doesn't count: this daemon has said where it is.
    if (!/^Ablate is at /m.test(output())) return null;
    const text = await readFile(path, "utf8").catch(() => "");
    return text.endsWith("\n") && text.trim();
  }, { told: output });
}

/**
 * Starts a daemon on a free port. `dir`: an existing data folder (kept by stop), else a new one (removed);
 * `args`: more options; `env`: more environment; `listen`: another address; `under`: a program, with its arguments,
 * that starts it.
 */
export async function start({ args = [], dir, env = {}, listen = "127.0.0.1:0", under = UNDER } = {}) {
  const folder = dir ?? (await make("data"));
  const [program, ...before] = [...under, ABLATED];
  const child = spawn(program, [...before, "--data", folder, "--listen", listen, ...args],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  let text = "";
  const ended = new Promise((resolve) => child.on("close", (status, signal) => {
    running.delete(child);
    resolve(status ?? signal);
  }));
  running.add(child);
  child.stdout.on("data", (data) => (text += data));
  child.stderr.on("data", (data) => (text += data));
  try {
    const base = await whenReady(join(folder, "address"), child, () => text);
    const token = (await readFile(join(folder, "token"), "utf8")).trim();
    return {
      base, token, dir: folder, pid: child.pid, ended,
      port: Number(/ \(listening on .* port (\d+)\)/.exec(text)?.[1] ?? new URL(base).port),
      /** What it has printed so far. */
      output: () => text,
      fetch: (path, init = {}) => fetch(base + path, { ...init, headers: { Authorization: `Bearer ${token}`, ...init.headers } }),
      kill: (signal) => child.kill(signal),
      async stop({ keep = dir !== undefined } = {}) {
        child.kill("SIGTERM");
        const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
        const status = await ended;
        clearTimeout(timer);
        if (!keep) await remove(folder);
        return status;
      },
    };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}
