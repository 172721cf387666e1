// A real nginx on loopback, for what stands behind one.

import { spawn } from "node:child_process";
import { chown, readFile, readdir, writeFile } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { until } from "./until.mjs";

const NOBODY = 65534;

/** So many ports of loopback that are free at once. */
export async function freePorts(n) {
  const servers = Array.from({ length: n }, () => net.createServer());
  const found = await Promise.all(servers.map((server) => new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)))));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return found;
}

const listens = (port) => new Promise((resolve) =>
  net.connect(port, "127.0.0.1").on("connect", function () { this.destroy(); resolve(true); }).on("error", () => resolve(false)));

/** Starts one in the folder `dir` with `http`, the content of its http block, and waits until it listens on `port`; returns stop(). */
export async function startNginx(dir, http, port) {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((what) => `${what}_temp_path ${dir}/${what};`).join(" ");
  await writeFile(join(dir, "nginx.conf"), `daemon off; worker_processes 1; pid ${dir}/pid; error_log ${dir}/error.log;
events { worker_connections 256; } http { access_log off; ${temporary} ${http} }\n`);
  const as = process.getuid() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  if (as.uid) for (const name of ["", ...await readdir(dir)]) await chown(join(dir, name), NOBODY, NOBODY);
  // Debian has it in /usr/sbin, which isn't in everybody's PATH.
  const nginx = spawn("nginx", ["-e", `${dir}/error.log`, "-p", dir, "-c", `${dir}/nginx.conf`],
    { stdio: "ignore", ...as, env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` } });
  let gone = null;
  nginx.on("error", (error) => (gone = error)).on("exit", (code) => (gone ??= new Error(`nginx ended with ${code}`)));
  process.on("exit", () => nginx.kill("SIGKILL"));
  await until("nginx listens", async () => {
    if (gone) throw new Error(`${gone.message}\n${await readFile(join(dir, "error.log"), "utf8").catch(() => "")}`);
    return listens(port);
  });
  return async () => {
    if (nginx.exitCode !== null) return;
    nginx.kill("SIGTERM");
    await new Promise((resolve) => nginx.on("exit", resolve));
  };
}
