// HTTP by hand: bytes on a socket, for requests that no client library would send.

import net from "node:net";

/** Cuts the replies out of what a server has sent: [{status, headers, body}], and whether the last is whole. */
export function parse(bytes, { head = false } = {}) {
  const replies = [];
  let at = 0;
  while (at < bytes.length) {
    const end = bytes.indexOf("\r\n\r\n", at);
    if (end < 0) return { replies, whole: false };
    const [first, ...lines] = bytes.toString("latin1", at, end).split("\r\n");
    const headers = new Headers(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
    const status = Number(first.split(" ")[1]);
    const bare = head || status < 200 || status === 204 || status === 304;
    const chunked = headers.get("transfer-encoding") === "chunked";
    const length = bare ? 0 : headers.has("content-length") ? Number(headers.get("content-length")) : bytes.length - end - 4;
    const body = bytes.toString("utf8", end + 4, end + 4 + length);
    replies.push({ status, headers, body, json: () => JSON.parse(body) });
    if (!bare && (chunked || end + 4 + length > bytes.length)) return { replies, whole: false };
    at = end + 4 + length;
  }
  return { replies, whole: replies.length > 0 };
}

/** A connection: send(), wait for a condition on what has arrived, see it end. */
export function connect(port, address = "127.0.0.1") {
  const socket = net.connect(port, address);
  let received = Buffer.alloc(0), over = null;
  const waiting = new Set(), look = () => waiting.forEach((one) => one());
  socket.on("data", (data) => {
    received = Buffer.concat([received, data]);
    look();
  });
  socket.on("error", (error) => {
    over = error.code;
    look();
  });
  socket.on("close", () => {
    over ??= "closed";
    look();
  });
  const self = {
    socket,
    send: (text) => socket.write(text),
    received: () => received,
    /** Resolves once test(received, over) is true; rejects after `ms`. */
    until: (test, ms = 300000) => new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(one);
        reject(new Error(`nothing came of it; so far: ${JSON.stringify(received.toString("latin1").slice(0, 500))} ${over}`));
      }, ms);
      const one = () => {
        if (!test(received, over)) return;
        waiting.delete(one);
        clearTimeout(timer);
        resolve(self);
      };
      waiting.add(one);
      one();
    }),
    over: () => over,
    end: () => socket.destroy(),
  };
  return self;
}

/** Sends bytes, waits for one whole reply (or the end of the connection), and returns the reply. */
export async function ask(port, bytes, { head = false, address } = {}) {
  const connection = connect(port, address);
  connection.send(bytes);
  await connection.until((received, over) => over !== null || parse(received, { head }).replies.some((reply, i, all) =>
    reply.status >= 200 && (i < all.length - 1 || parse(received, { head }).whole)));
  const { replies } = parse(connection.received(), { head });
  connection.end();
  return replies.find((reply) => reply.status >= 200) ?? { status: connection.over(), headers: new Headers(), body: "" };
}

/** Sends bytes and gathers every reply until the server closes or nothing more comes for `quiet` ms. */
export async function all(port, bytes, { quiet = 300 } = {}) {
  const connection = connect(port);
  connection.send(bytes);
  for (let before = -1; connection.over() === null && connection.received().length !== before;) {
    before = connection.received().length;
    await new Promise((resolve) => setTimeout(resolve, quiet));
  }
  const { replies } = parse(connection.received());
  connection.end();
  return replies;
}
