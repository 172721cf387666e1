// What the documents point at is there: files and headings that they link to, files and folders of the source that they
// name, and a specification that can be submitted.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join, normalize } from "node:path";
import { test } from "node:test";
import { ROOT, decode, schemaSays } from "./contract.mjs";
import { blocks, documents } from "./documents.mjs";

const prose = (text) => text.replace(/^```[^]*?^```$/gm, "");
/** A heading's anchor: lower case, without punctuation, a hyphen for a space. */
const anchor = (heading) => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
const anchors = (text) => [...prose(text).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading));

test("a heading's anchor", () => assert.equal(anchor("1. Which `keys`, exactly?"), "1-which-keys-exactly"));

for (const [path, text] of documents)
  test(`what ${path} points at is there`, () => {
    const missing = [];
    for (const [, target] of prose(text).replace(/`[^`]*`/g, "").matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^\w+:/.test(target)) continue; // elsewhere
      const [name, heading] = target.split("#");
      const file = name === "" ? path : normalize(join(path, "..", name));
      if (!existsSync(`${ROOT}${file}`)) missing.push(target);
      else if (heading !== undefined && !anchors(documents.get(file)).includes(heading)) missing.push(target);
    }
    // Capitals, braces and stars stand for names.
    for (const [, file] of prose(text).matchAll(/`((?:common|deploy|schema|server|tests|web|worker)\/[a-z\d_./-]*)`/g))
      if (!existsSync(`${ROOT}${file}`)) missing.push(file);
    assert.deepEqual(missing, []);
  });

test("the specification that is shown can be submitted", () => {
  const shown = blocks(documents.get("schema/experiment.md"), "json").map((json) => JSON.parse(json));
  assert.equal(shown.length, 1);
  assert.equal(schemaSays(shown[0]), "");
  assert.equal(decode(shown)[0].code, undefined);
});
