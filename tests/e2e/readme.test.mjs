// The README's console blocks, run as printed, in order, in a folder where the daemon serves var/. What they print
// must be what the README shows, numbers and the widths that hang on them aside.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ABLATED, start } from "./daemon.mjs";
import { make, remove } from "./folder.mjs";

const README = fileURLToPath(new URL("../../README.md", import.meta.url));

/** [{command, shown}] of the blocks; a command is a "$ " line, with the lines of its here-document. */
function commands(markdown) {
  const found = [];
  for (const [, block] of markdown.matchAll(/^```console\n([^]*?)^```/gm)) {
    let end = null;
    for (const line of block.split("\n").slice(0, -1)) {
      if (end !== null) {
        found.at(-1).command += `\n${line}`;
        if (line === end) end = null;
      } else if (line.startsWith("$ ")) {
        found.push({ command: line.slice(2), shown: "" });
        end = /<<'?(\w+)'?/.exec(line)?.[1] ?? null;
      } else found.at(-1).shown += `${line}\n`;
    }
  }
  return found;
}

/** Numbers become #; so do the spaces and rules whose length hangs on them. */
const shape = (text) => text.replace(/[-+]?\d+(\.\d+)?(e-?\d+)?/g, "#").replace(/─+/g, "─").replace(/ +/g, " ").trim();

test("numbers and widths aside, texts are compared", () => {
  assert.equal(shape('{"a":1.5e-3}  ──┐'), shape('{"a":-27} ─┐'));
  assert.notEqual(shape('{"a":1}'), shape('{"b":1}'));
  assert.notEqual(shape("1 2"), shape("1 2 3"));
});

test("every command of the README prints what it shows", async () => {
  const dir = await make("readme");
  const daemon = await start({ dir: join(dir, "var") });
  try {
    await symlink(dirname(ABLATED), join(dir, "build"));
    const steps = commands(await readFile(README, "utf8"));
    assert.ok(steps.length > 10);
    // One shell for all: what a command defines the next one has. A mark stands between what they print.
    const script = steps.map(({ command }) => `${command}\necho "== $?"`).join("\n");
    const printed = await new Promise((resolve) =>
      execFile("bash", ["-c", script], { cwd: dir }, (error, stdout, stderr) => resolve(stdout + stderr)));
    const parts = printed.split(/^== (\d+)\n/m);
    for (const [i, { command, shown }] of steps.entries()) {
      assert.equal(parts[2 * i + 1], "0", `${command}\nended with ${parts[2 * i + 1]}: ${parts[2 * i]}`);
      assert.equal(shape(parts[2 * i]), shape(shown), command);
    }
    assert.equal(parts.at(-1), "");
  } finally {
    await daemon.stop({ keep: true });
    await remove(dir);
  }
});
