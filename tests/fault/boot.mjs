// A machine for tests on which a real systemd runs the daemon's unit; what it is made of is told in programs/boot.sh.
//
//   test("…", { skip: refused() }, async (t) => {
//     const machine = await boot(t);
//     await machine.install();
//     machine.run("systemctl", "restart", "ablated");
//     await machine.die();                        // SIGKILL of its first process, and so of all
//     await machine.boot();                       // on the disk as it was left
//
// `daemon` is for the scenarios' `call`: it asks by the machine's curl, as an operator does.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { root, until } from "./faults.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url)), SCRIPT = `${ROOT}tests/fault/programs/boot.sh`;
const DATA = "/var/lib/ablate", ADDRESS = "http://127.0.0.1:8642";
const PROGRAMS = ["systemd-nspawn", "unshare", "nsenter"];
let machines = 0;

/** A folder for control groups that doesn't exist yet, below our own; undefined when there is no cgroup2. */
function cgroup() {
  const [, at] = / (\S+) \S+(?: \S+:\S+)* - cgroup2 /.exec(readFileSync("/proc/self/mountinfo", "utf8")) ?? [];
  const [, own] = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8")) ?? [];
  return at && own && `${at}${own === "/" ? "" : own}/ablate-${process.pid}-${machines++}`;
}

/** Why no such machine can be had here; false when one can. */
export function refused() {
  if (!root) return "needs root";
  const missing = PROGRAMS.filter((program) => spawnSync(program, ["--version"]).error);
  if (missing.length > 0) return `no ${missing.join(", ")}`;
  const group = cgroup();
  if (!group) return "no cgroup2";
  const { status, stdout, stderr } = spawnSync(SCRIPT, [group], { input: "", encoding: "utf8", timeout: 60000 });
  return status !== 0 || !stdout.includes("ready") ? `no namespaces, overlays or containers: ${stderr.trim().split("\n")[0]}` : false;
}

const read = (path) => { try { return readFileSync(path, "utf8").trim(); } catch { return ""; } };

/** The first process below `pid` with this name. */
function descendant(pid, name) {
  for (const child of read(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean)) {
    const found = read(`/proc/${child}/comm`) === name ? Number(child) : descendant(child, name);
    if (found) return found;
  }
  return undefined;
}

/** Boots a machine that is gone after the test, whatever becomes of it. */
export async function boot(t) {
  const child = spawn(SCRIPT, [cgroup()]), ended = new Promise((resolve) => child.on("close", resolve));
  let said = "", leader;
  child.stdout.on("data", (data) => (said += data));
  child.stderr.on("data", (data) => (said += data));
  child.stdin.on("error", () => { /* it has ended, and `until` says so */ });
  t.after(() => {
    child.stdin.end();
    return ended;
  });
  const downs = () => said.split("\n").filter((line) => line === "down").length;
  await until(`a machine: ${said}`, () => said.includes("ready"));

  /** Runs a program in it; its output. Any status but 0 is an error that has what it said. */
  function run(...command) {
    const input = typeof command.at(-1) === "object" ? command.pop().input : "";
    return execFileSync("nsenter", ["-t", leader, "-a", ...command], { input, encoding: "utf8", maxBuffer: 1 << 28, stdio: "pipe",
      env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8", HOME: "/root" } });
  }
  const tries = (...command) => { try { return run(...command); } catch (error) { return String(error.stdout ?? ""); } };

  const machine = {
    run, tries,
    async boot() {
      child.stdin.write("boot\n");
      leader = await until(`systemd: ${said}`, () => descendant(child.pid, "systemd"));
      await until(`it has booted: ${said}`, () => /^(running|degraded)/.test(tries("systemctl", "is-system-running", "--wait")));
    },
    /** What brings it down; waits until it is. */
    async down(how) {
      const before = downs();
      how();
      await until("it is down", () => downs() > before);
    },
    die: () => machine.down(() => process.kill(leader, "SIGKILL")),
    poweroff: () => machine.down(() => tries("systemctl", "poweroff")),

    /** What `make install` puts in place, below this machine's root. */
    put: () => execFileSync("make", ["-s", "-o", "all", "install", `DESTDIR=/proc/${leader}/root`, `BUILD=${process.env.BUILD ?? "build"}`],
      { cwd: ROOT, stdio: "pipe" }),
    async install() {
      machine.put();
      run("systemd-sysusers");
      run("systemctl", "daemon-reload");
      run("systemctl", "enable", "--now", "ablated");
      await machine.up();
    },
    /** Waits until the daemon answers. */
    up: () => until("the daemon is ready", () => /"ready":true/.test(tries("curl", "-sS", `${ADDRESS}/healthz`))),
    show: (property) => run("systemctl", "show", "-P", property, "ablated").trim(),
    journal: () => run("journalctl", "-u", "ablated", "--no-pager", "-o", "cat"),
    /** Pids of the unit's processes but the daemon's, there. The group goes with the last of them. */
    workers() {
      const group = machine.show("ControlGroup"), main = machine.show("MainPID");
      return group === "" ? [] : tries("cat", `/sys/fs/cgroup${group}/cgroup.procs`).split("\n").filter((pid) => pid !== "" && pid !== main).map(Number);
    },
    rows: (text) => JSON.parse(run("sqlite3", "-readonly", "-json", `${DATA}/ablate.db`, text) || "[]"),
    daemon: {
      async fetch(path, { method = "GET", body, headers = {} } = {}) {
        const more = [...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]), ...(body === undefined ? [] : ["--data-binary", "@-"])];
        const answer = run("curl", "-sS", "-K", `${DATA}/curlrc`, "-X", method, "-w", "\n%{http_code}", ...more, ADDRESS + path, { input: body ?? "" });
        const end = answer.lastIndexOf("\n");
        return { status: Number(answer.slice(end + 1)), text: async () => answer.slice(0, end) };
      },
    },
  };
  await machine.boot();
  return machine;
}
