// `make bench BENCH=page`: what the page takes for what is large and what is fast, in Debian's chromium.
//
//   open   an experiment of 2,000 runs × 1,000 steps in 40 arms: its curves from the daemon, and the page, from the click
//          on a link to all charts drawn
//   live   50 runs, each 10 steps a second of 4 series: frames a second, and how much of the main thread the page takes
//   scroll 10,000 runs and 1,000 experiments, scrolled through: frames a second; and how far what has been drawn moves while
//          a view comes to be (the sum of its layout shifts)
//
// usage: page.mjs [open] [live] [scroll]

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { launch, link, open } from "../e2e/browser.mjs";
import { start } from "../e2e/daemon.mjs";
import { ask, ended, submit } from "./plant.mjs";

const BUILD = fileURLToPath(new URL(`../../${process.env.BUILD ?? "build"}/`, import.meta.url));
const ARMS = 40, SEEDS = 50, STEPS = 1000, LIVE_RUNS = 50, LIVE_S = 20, SCROLL_S = 5;
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
  await made.page.getByRole("heading", { name: "Experiments" }).waitFor(); // the link has been used
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

/** Frames a second of the page, and its longest one in ms; scroll: pixels that it, or the box in it, is scrolled by at each. */
const frames = (page, seconds, scroll = 0) => page.evaluate(([most, pixels]) => new Promise((resolve) => {
  const begun = performance.now(), box = document.querySelector("main [data-box]") ?? document.documentElement;
  let count = 0, longest = 0, before = begun;
  const frame = (now) => {
    count++;
    longest = Math.max(longest, now - before);
    before = now;
    box.scrollBy(0, pixels);
    if (now - begun < most * 1000) requestAnimationFrame(frame);
    else resolve({ fps: count * 1000 / (now - begun), longest, reached: box.scrollTop });
  };
  requestAnimationFrame(frame);
}), [seconds, scroll]);

/** The sum of the layout shifts since a page was loaded, but for those that an input explains. */
const shift = (page) => page.evaluate(() => new Promise((resolve) => {
  new PerformanceObserver((list, observer) => {
    observer.disconnect();
    resolve(list.getEntries().filter((entry) => !entry.hadRecentInput).reduce((sum, { value }) => sum + value, 0));
  }).observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(0))); // none is told of
}));

async function scrolling(browser) {
  const daemon = await start({ args: ["--log-level", "error"] });
  try {
    const many = await submit(daemon, { name: "nine thousand runs", arms: ARMS, seeds: 225, steps: 1, every: 1 });
    ended(daemon, many, 1, { "val/loss": 1 });
    for (let i = 1; i < 1000; i++) await submit(daemon, { name: `experiment ${i}`, arms: 1, seeds: i === 1 ? 2 : 1, steps: 1, every: 1 });
    const { page, session, context } = await shown(browser, daemon);
    const views = { "10,000 runs": ["#/runs", "tbody a"], "1,000 experiments": ["#/", "tbody a"],
      "a large experiment": [`#/experiments/${many}`, ".verdict"], "its curves": [`#/experiments/${many}/curves`, "canvas"],
      "its runs": [`#/experiments/${many}/runs`, "tbody a"] };
    for (const [name, [hash, there]] of Object.entries(views)) {
      await page.goto("about:blank");
      await page.goto(`${daemon.base}/${hash}`);
      await page.locator(there).first().waitFor();
      await frames(page, 1);
      tell(`${name}: layout shift`, (await shift(page)).toFixed(3), "≤ 0.05");
      if (there !== "tbody a") continue;
      const before = await spent(session);
      const { fps, longest, reached } = await frames(page, SCROLL_S, 200);
      const after = await spent(session);
      tell(`${name}, scrolled: frames a second`, `${fps.toFixed(1)} over ${reached} px, the longest ${ms(longest)}, the main thread computes ${((after.TaskDuration - before.TaskDuration) * 100 / SCROLL_S).toFixed(0)} %`, "60");
    }
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
    const { fps } = await frames(page, LIVE_S);
    const after = await spent(session);
    tell(`${LIVE_RUNS} runs × 10 steps/s × 4 series: frames a second`, fps.toFixed(1), "≥ 50");
    tell("… the main thread computes", `${((after.TaskDuration - before.TaskDuration) * 100 / LIVE_S).toFixed(0)} %` +
      ` (script ${((after.ScriptDuration - before.ScriptDuration) * 100 / LIVE_S).toFixed(0)} %)`, "≤ 40 %");
    await context.close();
  } finally {
    await daemon.stop();
  }
}

const PARTS = { open: opening, live, scroll: scrolling }, chosen = process.argv.slice(2);
console.log(`load ${readFileSync("/proc/loadavg", "utf8").split(" ")[0]}`);
const browser = await launch();
try {
  for (const [name, part] of Object.entries(PARTS)) if (chosen.length === 0 || chosen.includes(name)) await part(browser);
} finally {
  await browser.close();
}
