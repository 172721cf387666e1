// Strangers at the workers' socket: wrong tokens, frames out of turn, garbage, half and endless lines. Each is turned
// away with a line in the log; no row is written, the daemon lives, and a worker that trains meanwhile notices nothing.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";
import { PATIENCE_MS } from "../until.mjs";

const TASK = { data: { dataset: "synthetic:copy", seq_len: 4 }, model: { layers: 1, heads: 2, d_model: 32, d_ff: 32 }, artifacts: [] };
let daemon, honest, reference, victim, other;

const { call, get, rows, until } = client(() => daemon);
async function submit(train) {
  const { id } = await call("POST", "/experiments", { ...TASK, train: { batch_size: 2, eval_windows: 2, ...train }, seeds: [5] }, 201);
  return (await get(`/runs?experiment=${id}`)).items[0].id;
}
const running = (id) => until(`run ${id} trains`, async () => (await get(`/runs/${id}`)).step > 0);
const launch = async (id) => JSON.parse(await readFile(join(daemon.dir, `runs/${id}/attempts/1/launch.json`), "utf8"));
const trainer = async (id) => {
  const [[pid]] = await rows(`SELECT pid FROM attempts WHERE run = ${id}`);
  return Number((await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim());
};

/** Stops a run's trainer, for good, when all that it has said is stored: what comes in its name from then on isn't its own. */
async function silence(id) {
  const pid = await trainer(id);
  let tries = 0;
  process.kill(pid, "SIGSTOP");
  await until(`all that run ${id} has said is stored`, async () => {
    const said = (await readFile(join(daemon.dir, `runs/${id}/attempts/1/events.ndjson`), "utf8")).split("\n");
    const [[acked]] = await rows(`SELECT acked_seq FROM attempts WHERE run = ${id}`);
    if (said.at(-1) === "" && JSON.parse(said.at(-2)).seq === acked) return true;
    if (++tries % 100 === 0) for (const signal of ["SIGCONT", "SIGSTOP"]) process.kill(pid, signal); // it stood between its file and the socket
    return false;
  });
}

before(async () => {
  daemon = await start({ args: ["--slots", "4"] });
  reference = await submit({ steps: 300 });
  await until("the reference", async () => (await get(`/runs/${reference}`)).state === "succeeded");
  victim = await submit({ steps: 9999999 });
  other = await submit({ steps: 9999998 });
  for (const id of [victim, other]) {
    await running(id);
    await silence(id);
  }
  honest = await submit({ steps: 300 });
});
after(() => daemon?.stop());

/** Says the lines; what the daemon answered until it hung up, or until `enough` of it was there. */
async function dial(lines, enough = () => false) {
  const socket = connect(join(daemon.dir, "worker.sock"));
  let heard = "";
  socket.on("error", () => {}); // it hangs up while more is being said
  const gone = new Promise((resolve) => socket.on("close", resolve));
  socket.on("data", (data) => {
    heard += data;
    if (enough(heard)) socket.end();
  });
  for (const line of lines) socket.write(line);
  const timer = setTimeout(() => socket.destroy(new Error("still there")), PATIENCE_MS);
  await gone;
  clearTimeout(timer);
  return heard;
}
const line = (value) => `${JSON.stringify(value)}\n`;
const hello = (more) => line({ type: "hello", protocol: 1, attempt: 1, pid: 1, ...more });
const metrics = (seq, step = 1e6) => line({ type: "metrics", seq, names: ["train/loss"], rows: [[step, 0]] });

/** Everything that is stored of the victims. */
const stored = () => rows(`SELECT r.id, r.state, r.step, r.reason, a.attempt, a.acked_seq, a.ended_at, (SELECT count(*) FROM metrics m WHERE m.run = r.id),
  (SELECT count(*) FROM audits u WHERE u.run = r.id), (SELECT count(*) FROM checkpoints c WHERE c.run = r.id)
  FROM runs r JOIN attempts a ON a.run = r.id WHERE r.id IN (${victim}, ${other}) ORDER BY r.id, a.attempt`);

async function refused(lines, said) {
  const before = await stored(), from = daemon.output().length;
  const heard = await dial(lines);
  await until(`"${said}" in the log`, () => said.test(daemon.output().slice(from)));
  assert.deepEqual(await stored(), before);
  return heard;
}

test("who isn't who he says is turned away", async () => {
  const { token } = await launch(victim), { token: another } = await launch(other);
  for (const [lines, said] of [
    [[hello({ run: victim, token: "0".repeat(64) })], /turned away: wrong token/],
    [[hello({ run: victim, token: another })], /turned away: wrong token/],
    [[hello({ run: victim, token: token.slice(1) })], /turned away/],
    [[hello({ run: victim, token: "" })], /turned away/],
    [[hello({ run: victim, attempt: 2, token })], /turned away: run \d+ has no attempt 2/],
    [[hello({ run: 999999, token })], /turned away/],
    [[hello({ run: -1, token })], /turned away/],
    [[hello({ run: reference, token: (await launch(reference)).token })], /turned away: the attempt has ended/],
    [[hello({ run: victim, protocol: 2, token })], /turned away/],
    [[metrics(1)], /turned away/],
    [["\x00\xff\x00 nonsense\n"], /turned away/],
    [["[1,2]\n"], /turned away/],
    [["\n"], /turned away/],
    [["x".repeat(2 << 20)], /a line longer than \d+ bytes/],
  ])
    assert.equal(await refused(lines, said), "");
});

test("frames that break the protocol are refused, with all that follow", async () => {
  const { token } = await launch(victim), [[acked]] = await rows(`SELECT acked_seq FROM attempts WHERE run = ${victim}`);
  for (const [frames, said] of [
    [[metrics(acked + 1000), metrics(acked + 1)], /events refused: event \d+ came after/],
    [[hello({ run: victim, token }), metrics(acked + 1)], /events refused: a hello message doesn't belong here/],
    [[line({ type: "welcome", acked: 0 }), metrics(acked + 1)], /events refused: a welcome message doesn't belong here/],
    [[line({ type: "stop", reason: "x" })], /events refused: a stop message/],
    [["{]\n", metrics(acked + 1)], /events refused/],
    [["\xc3\x28\n"], /events refused/],
    [[line({ type: "metrics", seq: acked + 1, names: ["a"], rows: [[1, 2, 3]] })], /events refused/],
    [[line({ type: "metrics", seq: acked + 1, names: ["a"], rows: [["1", 2]] })], /events refused/],
    [[line({ type: "metrics", seq: -1, names: ["a"], rows: [[1, 2]] })], /events refused/],
    [[line({ type: "nosuch", seq: acked + 1 })], /events refused/],
    [[`{"type":"metrics","seq":99999999999999999999}\n`], /events refused/],
    [[`${"[".repeat(5000)}\n`], /events refused/],
    [[`{"type":"log","seq":${acked + 1},"level":"info","message":"${"x".repeat(2 << 20)}"}\n`], /a line longer than \d+ bytes/],
  ])
    assert.match(await refused([hello({ run: victim, token }), ...frames], said), /^\{"type":"welcome","acked":\d+\}\n$/);
});

test("what was said before is stored once; half a line never", async () => {
  const { token } = await launch(victim), before = await stored();
  const [[acked]] = await rows(`SELECT acked_seq FROM attempts WHERE run = ${victim}`);
  const heard = await dial([hello({ run: victim, token }), metrics(acked), metrics(1)], (text) => /"ack"/.test(text));
  assert.match(heard, new RegExp(`\\{"type":"ack","seq":${acked}\\}`));
  const half = metrics(acked + 1).trimEnd();
  await dial([hello({ run: victim, token }), half], (text) => /"welcome"/.test(text));
  assert.deepEqual(await stored(), before);
});

test("a hundred strangers at once disturb nobody", async () => {
  const before = await stored();
  await Promise.all(Array.from({ length: 100 }, (_, i) => dial(i % 2 ? ["x\n"] : [hello({ run: victim, token: "f".repeat(64) })])));
  assert.deepEqual(await stored(), before);
  const { state } = await until("the honest worker's end", async () => {
    const run = await get(`/runs/${honest}`);
    return !["queued", "running"].includes(run.state) && run;
  });
  assert.equal(state, "succeeded");
  const bits = async (id) => Object.entries((await get(`/runs/${id}/metrics`)).series).filter(([name]) => !/^(time|throughput)\//.test(name));
  assert.deepEqual(await bits(honest), await bits(reference));
  for (const id of [victim, other]) process.kill(await trainer(id), "SIGCONT");
  for (const id of [victim, other]) {
    const { step } = await get(`/runs/${id}`);
    await until("they train on", async () => (await get(`/runs/${id}`)).step > step);
    await call("POST", `/runs/${id}/cancel`, undefined, 202);
    await until("their end", async () => (await get(`/runs/${id}`)).state === "cancelled");
  }
});
