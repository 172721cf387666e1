// `make bench BENCH=page`: what the page takes for what is large and what is fast, in Debian's chromium.
//
//   open   an experiment of 2,000 runs × 1,000 steps in 40 arms: its curves from the daemon, and the page, from the click
//          on a link to all charts drawn
//   live   50 runs, each 10 steps a second of 4 series: frames a second, and how much of the main thread the page takes
//
// usage: page.mjs [open] [live]

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { launch, link, open } from "../e2e/browser.mjs";
import { start } from "../e2e/daemon.mjs";
import { ask, ended, submit } from "./plant.mjs";

const BUILD = fileURLToPath(new URL(`../../${process.env.BUILD ?? "build"}/`, import.meta.url));
const ARMS = 40, SEEDS = 50, STEPS = 1000, LIVE_RUNS = 50, LIVE_S = 20;
const METRICS = { "train/loss": 1, "val/loss": 50, "val/accuracy": 50 };

/** Processor time of a process, in ms: what a busy machine doesn't falsify. */
const processor = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return 10 * (Number(fields[11]) + Number(fields[12]));
};
const median = (all) => [...all].sort((a, b) => a - b)[all.length >> 1];
async function timed(work, times = 5) {
  const all = [];
  for (let i = 0; i < times; i++) {
    const begun = performance.now();
    await work();
    all.push(performance.now() - begun);
  }
  return median(all);
}
const tell = (what, value, target = "") => console.log(`| ${what} | ${value} | ${target} |`);
const ms = (value) => `${value.toFixed(0)} ms`;
const MAIN = ["ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "TaskDuration"];
/** Seconds that the page's main thread has spent so far, by what on. */
async function spent(session) {
  const { metrics } = await session.send("Performance.getMetrics");
  return Object.fromEntries(metrics.filter(({ name }) => MAIN.includes(name)).map(({ name, value }) => [name, value]));
}
async function shown(browser, daemon) {
  const made = await open(browser), session = await made.context.newCDPSession(made.page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" }); // what a busy machine doesn't falsify
  await made.page.goto(await link(daemon));
  return { ...made, session };
}

async function opening(browser) {
  const daemon = await start({ args: ["--log-level", "error"] });
  try {
    const id = await submit(daemon, { name: "two thousand runs", arms: ARMS, seeds: SEEDS, steps: STEPS, every: 50 });
    ended(daemon, id, STEPS, METRICS);
    for (const query of ["metric=train/loss&points=1000", Object.keys(METRICS).map((name) => `metric=${name}`).join("&")]) {
      let bytes = 0;
      const before = processor(daemon.pid);
      const took = await timed(async () => {
        bytes = (await (await daemon.fetch(`/api/v1/experiments/${id}/curves?${query}`)).arrayBuffer()).byteLength;
      });
      tell(`curves?${query}`, `${ms(took)}, ${ms((processor(daemon.pid) - before) / 5)} of the processor, ${bytes} bytes unpacked`, "< 1000 ms");
    }
    const { page, session, context } = await shown(browser, daemon);
    const drawn = () => page.waitForFunction((steps) => {
      const plots = [...document.querySelectorAll(".plot")];
      return plots.length >= 3 && plots.every((plot) => plot.getAttribute("aria-label")?.includes(`at step ${steps}`));
    }, STEPS.toLocaleString("en"));
    const before = await spent(session);
    const took = await timed(async () => {
      await page.goto(`${daemon.base}/#/queue`);
      await page.getByRole("heading", { name: "Queue" }).first().waitFor();
      await page.evaluate((address) => { location.hash = address; }, `#/experiments/${id}/curves`);
      await drawn();
    }, 3);
    const after = await spent(session);
    tell(`${ARMS * SEEDS} runs × ${STEPS} steps: open to drawn`, `${ms(took)}, of which the main thread computed ${ms((after.TaskDuration - before.TaskDuration) * 1000 / 3)}`, "< 1500 ms");
    await context.close();
  } finally {
    await daemon.stop();
  }
}

async function live(browser) {
  const daemon = await start({
    args: ["--log-level", "error", "--slots", String(LIVE_RUNS), "--worker", `${BUILD}tests/bench/flood`],
    env: { FLOOD: `4 1 100 ${LIVE_S * 20}`, FLOOD_DIR: "/tmp" },
  });
  try {
    const id = await submit(daemon, { name: "fifty runs", arms: 5, seeds: LIVE_RUNS / 5, steps: 1000000, every: 1000000 });
    const { page, session, context } = await shown(browser, daemon);
    await page.goto(`${daemon.base}/#/experiments/${id}/curves`);
    await ask(daemon, "/queue", { paused: false });
    for (const name of ["bench/1", "bench/2", "bench/3", "bench/sent"]) {
      const box = page.locator(`label[title="${name}"] input`);
      await box.waitFor({ state: "attached" });
      await box.evaluate((input) => input.click());
    }
    await page.waitForFunction(() => document.querySelectorAll(".plot canvas").length >= 4);
    const before = await spent(session);
    const fps = await page.evaluate((seconds) => new Promise((resolve) => {
      const begun = performance.now();
      let frames = 0;
      const frame = (now) => {
        frames++;
        if (now - begun < seconds * 1000) requestAnimationFrame(frame);
        else resolve(frames * 1000 / (now - begun));
      };
      requestAnimationFrame(frame);
    }), LIVE_S);
    const after = await spent(session);
    tell(`${LIVE_RUNS} runs × 10 steps/s × 4 series: frames a second`, fps.toFixed(1), "≥ 50");
    tell("… the main thread computes", `${((after.TaskDuration - before.TaskDuration) * 100 / LIVE_S).toFixed(0)} %` +
      ` (script ${((after.ScriptDuration - before.ScriptDuration) * 100 / LIVE_S).toFixed(0)} %)`, "≤ 40 %");
    await context.close();
  } finally {
    await daemon.stop();
  }
}

const PARTS = { open: opening, live }, chosen = process.argv.slice(2);
console.log(`load ${readFileSync("/proc/loadavg", "utf8").split(" ")[0]}`);
const browser = await launch();
try {
  for (const [name, part] of Object.entries(PARTS)) if (chosen.length === 0 || chosen.includes(name)) await part(browser);
} finally {
  await browser.close();
}
