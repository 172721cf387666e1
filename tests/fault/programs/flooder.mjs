// A worker that says without end what a log may say: flooder.mjs FOLDER. It takes the attempt's folder as a keeper does (its
// lock is held by who starts it), writes each line to events.ndjson first and then to the socket, and is never done. What
// stands on its standard error goes to log.txt, as a worker's does. It ends when it is told to stop.

import { openSync, readFileSync, writeSync } from "node:fs";
import { connect } from "node:net";

const AHEAD = 500, MESSAGE = "this is what a flood is made of ".repeat(200);
const dir = process.argv[2], launch = JSON.parse(readFileSync(`${dir}/launch.json`, "utf8"));
const file = openSync(`${dir}/events.ndjson`, "ax"), socket = connect(launch.socket);
let seq = 0, acked = 0, heard = "";

function say(event) {
  const line = `${JSON.stringify({ ...event, seq: ++seq })}\n`;
  writeSync(file, line);
  socket.write(line);
}
/** So many lines ahead of what is stored: as fast as the daemon takes them. */
function flood() {
  while (seq < acked + AHEAD) say({ type: "log", level: "info", message: `${seq} ${MESSAGE}` });
  writeSync(2, `${MESSAGE}\n`);
}

socket.write(`${JSON.stringify({ type: "hello", protocol: 1, run: launch.run, attempt: launch.attempt, token: launch.token, pid: process.pid })}\n`);
socket.on("data", (data) => {
  const lines = (heard + data).split("\n");
  heard = lines.pop();
  for (const { type, seq: upTo } of lines.map((line) => JSON.parse(line))) {
    if (type === "ack") acked = upTo;
    if (type === "stop") say({ type: "failed", reason: "stopped", detail: "" }), process.exit(0);
  }
  flood();
});
socket.on("error", () => process.exit(1));
