// `ablate`, as a person or a script runs it: {status, stdout, stderr}. On a terminal by util-linux' script.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import http from "node:http";
import { dirname, join } from "node:path";
import { ABLATED } from "./daemon.mjs";
import { PATIENCE_MS } from "./until.mjs";

const UNDER = process.env.UNDER?.split(" ") ?? [];
export const ABLATE = process.env.ABLATE ?? join(dirname(ABLATED), "ablate");
const CLEAN = { PATH: process.env.PATH, LC_ALL: "C.UTF-8", HOME: "/nonexistent" };

/** Starts it; `said()` is what it has printed so far, `ended` its result. */
export function begin(args, { env = {}, input = "", terminal = false, cwd } = {}) {
  const quoted = (word) => `'${String(word).replaceAll("'", "'\\''")}'`;
  const [program, ...words] = terminal
    ? ["script", "-qefc", [...UNDER, ABLATE, ...args].map(quoted).join(" "), "/dev/null"] : [...UNDER, ABLATE, ...args];
  const child = spawn(program, words, { env: { ...CLEAN, ...env }, cwd });
  let stdout = "", stderr = "";
  child.stdout.on("data", (data) => (stdout += data));
  child.stderr.on("data", (data) => (stderr += data));
  child.stdin.on("error", () => {}).end(input);
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  const ended = new Promise((resolve) => child.on("close", (status, signal) => {
    clearTimeout(timer);
    resolve({ status: status ?? signal, stdout, stderr });
  }));
  return { said: () => stdout, complained: () => stderr, kill: (signal) => child.kill(signal), ended };
}
export const ablate = (args, options) => begin(args, options).ended;

/** Runs it against a daemon and expects that it ends with 0; what it printed. */
export async function fine(daemon, args, options = {}) {
  const { status, stdout, stderr } = await ablate(args, { ...options, env: { ABLATE_DATA: daemon.dir, ...options.env } });
  assert.equal(status, 0, `${args.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}

/** A server that isn't Ablate: `answer` is given (request, reply). `asked`: every request that came. */
export async function fake(t, answer) {
  const asked = [];
  const server = http.createServer((request, reply) => { asked.push(request); answer(request, reply); });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => { server.closeAllConnections(); server.close(); });
  const port = server.address().port, url = `http://127.0.0.1:${port}`;
  return { asked, port, url, env: { ABLATE_URL: url, ABLATE_TOKEN: "the-token-of-this-test" } };
}

export const json = (reply, value, status = 200, type = "application/json") =>
  reply.writeHead(status, { "Content-Type": type }).end(typeof value === "string" ? value : JSON.stringify(value));
