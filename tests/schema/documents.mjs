// The project's documents, for the tests that read them.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const names = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "-z", "*.md"], { cwd: ROOT, encoding: "utf8" });
/** Every Markdown file: path from the root => text. */
export const documents = new Map(names.split("\0").filter(Boolean).map((path) => [path, readFileSync(`${ROOT}${path}`, "utf8")]));

/** The fenced blocks of a language. */
export const blocks = (text, language) => [...text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)]
  .filter((block) => block[1] === language).map((block) => block[2]);
