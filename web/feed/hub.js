// One event stream for many who follow: tabs, in the shared worker (stream.js), or a page alone.
//
// A follower has a filter and the last event that it has seen. The stream asks for what any of them wants, from the
// oldest of those events on, and each gets what its filter lets through and it hasn't seen. So nobody misses an
// event when the stream is opened anew for another's sake, and nobody gets one twice. Events come in lots, LOT_MS
// together, each parsed once.
//
// Who is hidden for REST_MS rests: a stream costs the daemon a connection, and the browser one of its six. Every
// WAKE_MS it is given what has come (its title goes on), and at once when it is seen again. While all rest there is
// no stream. The browser reconnects a stream by itself; one that is refused (the daemon restarts behind a proxy, the
// session has ended) is opened again, later and later.

const KINDS = ["run", "metrics", "audit", "experiment", "queue", "log", "resync"];
const RETRY_MS = [1000, 2000, 5000, 10000];
const LOT_MS = 50, REST_MS = 60000, WAKE_MS = 60000, AWAKE_MS = 5000;
const MOST_IDS = 256; // of a filter; beyond them everything is asked for

/** What an event is about: {experiment, run}. */
function subject(kind, data) {
  if (kind === "run") return { experiment: data.run.experiment_id, run: data.run.id };
  if (kind === "experiment") return { experiment: data.deleted ?? data.experiment.id };
  return { experiment: data.experiment, run: data.run };
}

const everything = ({ experiment, run }) => experiment === undefined && run === undefined;
const concerns = (filter, about) => everything(filter) ||
  (filter.experiment !== undefined && filter.experiment === about.experiment) ||
  (filter.run !== undefined && filter.run === about.run);

export class Hub {
  /** open(address): an EventSource; later(work, ms) and never(timer): its timers. */
  constructor({ open, later = (work, ms) => setTimeout(work, ms), never = (timer) => clearTimeout(timer) }) {
    Object.assign(this, { open, later, never, followers: new Set(), source: null, failures: 0 });
  }

  /**
   * A follower of {address, experiment, run, after}: what is told goes to send({status}) and
   * send({events: [{kind, data}]}). Returns {hide(hidden), end()}.
   */
  follow({ address, experiment, run, after }, send) {
    const one = { address, filter: { experiment, run }, last: Number(after ?? 0), send, resting: false, lot: [] };
    this.followers.add(one);
    this.#arrange();
    if (this.live) send({ status: "live" });
    else send({ status: "connecting" });
    return {
      hide: (hidden) => this.#hide(one, hidden),
      end: () => {
        this.never(one.rest);
        this.followers.delete(one);
        this.#arrange();
      },
    };
  }

  #hide(one, hidden) {
    this.never(one.rest);
    const rest = (resting, then, ms) => {
      one.resting = resting;
      this.#arrange();
      one.rest = this.later(then, ms);
    };
    const sleep = () => rest(true, wake, WAKE_MS), wake = () => rest(false, sleep, AWAKE_MS);
    if (hidden) one.rest = this.later(sleep, REST_MS);
    else if (one.resting) {
      one.resting = false;
      this.#arrange();
    }
  }

  /** Opens the stream that those who are awake need, unless it is open. */
  #arrange() {
    const awake = [...this.followers].filter((one) => !one.resting);
    if (awake.length === 0) {
      this.#close();
      return;
    }
    const ids = (name) => [...new Set(awake.map((one) => one.filter[name]).filter((id) => id !== undefined))];
    const experiments = ids("experiment"), runs = ids("run");
    const all = awake.some((one) => everything(one.filter)) || Math.max(experiments.length, runs.length) > MOST_IDS;
    const query = all ? "" : `experiment=${experiments.sort().join()}&run=${runs.sort().join()}`;
    const oldest = Math.min(...awake.map((one) => one.last));
    if (this.source && this.query === query && oldest >= this.position) return; // what comes is what they lack
    Object.assign(this, { query, from: awake[0].address });
    this.#reopen(oldest);
  }

  #close() {
    this.never(this.retry);
    this.source?.close();
    this.source = null;
    this.live = false;
  }

  #reopen(after) {
    this.#close();
    this.position = after;
    const query = new URLSearchParams(this.query);
    for (const [key, value] of [...query]) if (value === "") query.delete(key);
    query.set("after", after);
    const source = (this.source = this.open(`${this.from}?${String(query).replaceAll("%2C", ",")}`));
    source.onopen = () => {
      this.failures = 0;
      this.live = true;
      this.#tell({ status: "live" });
    };
    source.onerror = () => {
      if (source !== this.source) return;
      const refused = source.readyState === 2; // CLOSED
      this.live = false;
      this.#tell({ status: this.failures > 0 ? "lost" : "connecting", refused });
      const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
      if (refused) this.retry = this.later(() => this.#reopen(this.position), wait);
      this.failures++;
    };
    for (const kind of KINDS)
      source.addEventListener(kind, (event) => {
        if (source === this.source) this.#take(kind, event);
      });
  }

  #tell(message) {
    for (const one of this.followers) if (!one.resting) one.send(message);
  }

  #take(kind, event) {
    const data = JSON.parse(event.data), id = Number(event.lastEventId || this.position);
    const about = kind === "resync" ? {} : subject(kind, data);
    this.position = id;
    for (const one of this.followers) {
      if (one.resting || (kind !== "resync" && id <= one.last)) continue;
      one.last = id;
      if (kind === "resync" || concerns(one.filter, about)) one.lot.push({ kind, data });
    }
    this.lot ??= this.later(() => this.#deliver(), LOT_MS);
  }

  #deliver() {
    this.lot = null;
    for (const one of this.followers) {
      if (one.lot.length === 0) continue;
      one.send({ events: one.lot });
      one.lot = [];
    }
  }
}
