// Follows the events on so many connections, from wherever it is started: reader.mjs HOST PORT TOKEN N. Says "ready" when
// each has been answered, and reads on until it is killed.

import { connect } from "node:net";

const [host, port, token, n] = process.argv.slice(2);
let ready = 0;
for (let i = 0; i < n; i++) {
  const socket = connect(port, host, () => socket.write(`GET /api/v1/events HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n\r\n`));
  socket.once("data", () => ++ready === Number(n) && console.log("ready"));
  socket.on("data", () => {});
  socket.on("error", (error) => { console.log(error.message); process.exit(1); });
}
