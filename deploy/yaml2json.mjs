// Prints a YAML document as JSON: the daemon serves schema/openapi.yaml so. Usage: node deploy/yaml2json.mjs FILE
import { readFileSync } from "node:fs";
import { parse } from "../web/node_modules/yaml/dist/index.js";

process.stdout.write(JSON.stringify(parse(readFileSync(process.argv[2], "utf8"))) + "\n");
