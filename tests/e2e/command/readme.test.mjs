// The documents' console blocks, run as printed, in a folder where the daemon serves var/. What they print must be what
// the documents show, numbers and the widths that hang on them aside.
//
// One daemon and one shell serve all of them, in this order: each goes on with what the README has submitted.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { blocks, documents } from "../../schema/documents.mjs";
import { ABLATED, start } from "../daemon.mjs";
import { make, remove } from "../folder.mjs";

const ORDER = ["README.md", "schema/verdict.md", "schema/api.md", "deploy/README.md"];

/** [{path, command, shown}] of a document's blocks; a command is a "$ " line, with the lines of its here-document. */
function commands(path) {
  const found = [];
  for (const block of blocks(documents.get(path), "console")) {
    let end = null;
    for (const line of block.split("\n").slice(0, -1)) {
      if (end !== null) {
        found.at(-1).command += `\n${line}`;
        if (line === end) end = null;
      } else if (line.startsWith("$ ")) {
        found.push({ path, command: line.slice(2), shown: "" });
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

test("no document with commands is left out", () => {
  const having = [...documents].filter(([, text]) => blocks(text, "console").length > 0).map(([path]) => path);
  assert.deepEqual([...ORDER].sort(), having.sort());
});

test("every command of the documents prints what they show", async () => {
  const dir = await make("readme");
  const daemon = await start({ dir: join(dir, "var") });
  try {
    await symlink(dirname(ABLATED), join(dir, "build"));
    const steps = ORDER.flatMap(commands);
    // One shell for all: what a command defines the next one has. A mark stands between what they print.
    const script = steps.map(({ command }) => `${command}\necho "== $?"`).join("\n");
    const printed = await new Promise((resolve) =>
      execFile("bash", ["-c", script], { cwd: dir }, (error, stdout, stderr) => resolve(stdout + stderr)));
    const parts = printed.split(/^== (\d+)\n/m);
    for (const [i, { path, command, shown }] of steps.entries()) {
      assert.equal(parts[2 * i + 1], "0", `${path}: ${command}\nended with ${parts[2 * i + 1]}: ${parts[2 * i]}`);
      assert.equal(shape(parts[2 * i]), shape(shown), `${path}: ${command}`);
    }
    assert.equal(parts.at(-1), "");
  } finally {
    await daemon.stop({ keep: true });
    await remove(dir);
  }
});
