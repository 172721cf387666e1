// The curves of an experiment as the page shows them, of what was planted: one request, how many seeds a mean stands for,
// a spike that a zoom finds, single seeds when they are asked for.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { ended, submit } from "../../bench/plant.mjs";
import { launch, link, open } from "../browser.mjs";
import { start } from "../daemon.mjs";
import { until } from "../until.mjs";

const STEPS = 4000, SPIKE = 1234;
let daemon, browser, page, faults, id, asked;
const sql = (text) => execFileSync("sqlite3", [`${daemon.dir}/ablate.db`, ".timeout 60000", text], { encoding: "utf8" });

before(async () => {
  daemon = await start();
  id = await submit(daemon, { name: "planted", arms: 2, seeds: 3, steps: STEPS, every: 100 });
  ended(daemon, id, STEPS, { "train/loss": 1, "val/loss": 100, "val/accuracy": 100, "time/step_s": 1 });
  // A value that one bucket hides, and a seed of the other arm that waits to go on.
  const run = (arm) => `(SELECT max(id) FROM runs WHERE experiment = ${id} AND arm = 'arm ${arm}')`, name = "(SELECT id FROM metric_names WHERE name = 'train/loss')";
  sql(`UPDATE metrics SET value = 90 WHERE run = ${run(0)} AND name = ${name} AND step = ${SPIKE};
    UPDATE rollups SET max = 90, sum = sum + 88 WHERE run = ${run(0)} AND name = ${name} AND bucket = ${SPIKE} >> (4 * level);
    DELETE FROM metrics WHERE run = ${run(1)} AND step > 2000; DELETE FROM rollups WHERE run = ${run(1)} AND first_step > 2000;
    UPDATE series SET last_step = 2000, count = (SELECT count(*) FROM metrics m WHERE m.run = series.run AND m.name = series.name) WHERE run = ${run(1)};
    UPDATE runs SET state = 'queued', ended_at = NULL, step = 2000 WHERE id = ${run(1)}`);
  browser = await launch();
  ({ page, faults } = await open(browser));
  page.on("request", (request) => asked?.push(new URL(request.url())));
  await page.goto(await link(daemon));
  await page.getByRole("link", { name: "planted" }).waitFor();
});
after(async () => {
  await browser?.close();
  await daemon?.stop();
});

const chart = (title) => page.locator("figure.chart", { hasText: title }).first();
/** An arm in the legend, which says what the chart has that is looked at. */
async function row(title, arm) {
  await chart(title).locator(".plot").focus();
  return page.locator(".arms > li", { hasText: arm });
}
const state = () => new URLSearchParams(new URL(page.url()).hash.split("?")[1] ?? "");
const of = (ending) => asked.filter(({ pathname }) => pathname.endsWith(ending));

test("all curves come in one request; a mean says of how many seeds it is", async () => {
  asked = [];
  await page.goto(`${daemon.base}/#/experiments/${id}/curves`);
  await (await row("Training loss", "arm 0")).getByText("n\u2009=\u20093").waitFor();
  assert.deepEqual([of("/curves").length, of("/metrics").filter(({ pathname }) => pathname.includes("/runs/")).length], [1, 0]);
  assert.match(await (await row("Training loss", "arm 1")).innerText(), /n\s=\s2 of 3, not comparable yet/);
  assert.match(await chart("Training loss").locator(".caption").innerText(), /16 steps a point/);
  assert.doesNotMatch(await chart("Validation loss").locator(".caption").innerText(), /steps a point/);
  assert.deepEqual(faults, []);
});

test("a zoom asks for its range, in which a spike's step can be read", async () => {
  const plot = chart("Training loss").locator(".plot"), over = plot.locator(".u-over");
  await plot.scrollIntoViewIfNeeded();
  const box = await over.boundingBox(), x = box.x + box.width * SPIKE / STEPS, y = box.y + box.height / 2;
  asked = [];
  await page.mouse.move(x - 8, y);
  await page.mouse.down();
  await page.mouse.move(x + 8, y, { steps: 4 });
  await page.mouse.up();
  await until("the range is asked for", () => of("/curves").some(({ searchParams }) => searchParams.get("from") !== null));
  const [from, to] = state().get("zoom").split("~").map(Number);
  assert.ok(from < SPIKE && SPIKE < to && to - from < STEPS / 10, `${from}~${to}`);
  await page.waitForFunction(() => ![...document.querySelectorAll("figure.chart .caption")].some((one) => one.textContent.includes("steps a point")));
  await plot.focus();
  await page.keyboard.press("Home");
  await until("the cursor is at the spike", async () => {
    if ((await chart("Training loss").locator(".caption").innerText()).includes(`step ${SPIKE.toLocaleString("en")}`)) return true;
    await page.keyboard.press("ArrowRight");
    return false;
  });
  assert.ok(Number(/\d+\.\d+/.exec((await (await row("Training loss", "arm 0")).innerText()).replace("arm 0", ""))[0]) > 30);
  await page.keyboard.press("Escape");
  await chart("Training loss").locator(".caption", { hasText: "16 steps a point" }).waitFor();
  assert.equal(state().get("zoom"), null);
});

test("bands and single seeds are a choice; seeds are fetched when somebody wants them", async () => {
  asked = [];
  for (const band of ["sd", "95\u202f% pointwise", "none", "min\u2013max"]) await page.getByText(band, { exact: true }).click();
  assert.deepEqual(of("/metrics"), []);
  await page.getByLabel("seeds", { exact: true }).check();
  await until("six series are asked for", () => of("/metrics").length === 6);
  await page.getByLabel("seeds", { exact: true }).uncheck();
  assert.deepEqual(faults, []);
});

const shown = () => page.locator(".arms > li:not(.off) .arm-name").allInnerTexts();

test("one legend: an arm alone by its entry or its line, all again, by value", async () => {
  const only = page.getByRole("button", { name: "arm 1", exact: true });
  await only.click();
  assert.deepEqual([await shown(), state().get("arms"), await only.getAttribute("aria-pressed")], [["arm 1"], "arm 1", "true"]);
  await only.click();
  assert.deepEqual([await shown(), state().get("arms")], [["arm 0", "arm 1"], null]);
  await page.getByLabel("Show arm 0").uncheck();
  assert.deepEqual(await shown(), ["arm 1"]);
  await page.getByRole("button", { name: "Show all 2 arms" }).click();
  await page.getByLabel("by value").check();
  const values = (await page.locator(".arms .value").allInnerTexts()).map(Number);
  assert.deepEqual(values, [...values].sort((a, b) => a - b));
  await page.getByLabel("by value").uncheck();

  const over = chart("Validation loss").locator(".u-over"), tip = chart("Validation loss").locator(".tip");
  await over.scrollIntoViewIfNeeded();
  const { x, y, width, height } = await over.boundingBox();
  let at = y + 1; // down, until there is a line
  await until("a line is named", async () => {
    at = at + 2 < y + height ? at + 2 : y + 1;
    await page.mouse.move(x + width / 2, at);
    return await tip.isVisible() && tip.innerText();
  });
  const [name] = (await tip.innerText()).split(" \u00b7 ");
  assert.match(await tip.innerText(), /^arm \d \u00b7 \d\.\d+ \(min\u2013max .* \u2026 .*\) \u00b7 n/);
  await page.mouse.click(x + width / 2, at);
  assert.deepEqual(await shown(), [name]);
  await page.getByRole("button", { name: "Show all 2 arms" }).click();
  assert.deepEqual(faults, []);
});

test("x, scales, band, smoothing, metrics and the chart that fills the screen are in the address: a link shows the same", async () => {
  const label = (title) => chart(title).locator(".plot").getAttribute("aria-label");
  assert.match(await label("Training loss"), /^Training loss by step: arm 0 /);
  for (const [x, words] of [["tokens", /by tokens: .* at tokens 128,000,/], ["FLOPs", /by FLOPs: .* at FLOPs [\d.]+\u202f.FLOP,/], ["seconds", /by seconds of training: .* at seconds of training 2\u202fh/]]) {
    await page.getByText(x, { exact: true }).click();
    await until(`x is ${x}`, async () => words.test(await label("Training loss")), { told: () => label("Training loss") });
  }
  for (const name of ["log x", "log y"]) await page.getByLabel(name).check();
  await page.getByText("sd", { exact: true }).click();
  await page.getByLabel("Smoothing").fill("0.5");
  await page.locator(".toolbar summary").click();
  await page.locator(".menu").getByLabel("Validation accuracy").uncheck();
  await page.getByRole("button", { name: "Full screen: Training loss" }).click();
  await page.locator(".curves.full").waitFor();
  assert.equal(await page.locator("figure.chart:visible").count(), 1);
  assert.deepEqual([await page.locator(".tabs").isVisible(), await page.getByRole("heading", { name: "Dynamics" }).isVisible()], [false, false]);
  const told = await label("Training loss"), address = page.url();
  assert.deepEqual(Object.fromEntries(state()), { x: "seconds", logx: "1", log: "1", band: "sd", smooth: "0.5", metrics: "train/loss,val/loss", full: "train/loss|[]" });
  await page.goto("about:blank");
  await page.goto(address);
  await until("the same is shown", async () => await label("Training loss") === told, { told: () => label("Training loss") });
  assert.match(await chart("Training loss").locator(".caption").innerText(), /smoothed 0.5/);
  assert.ok(await page.getByLabel("log x").isChecked() && await page.locator(".curves.full").isVisible());
  await page.getByRole("button", { name: "Full screen: Training loss" }).click();
  await page.getByText("step", { exact: true }).click();
  await page.locator(".tabs").waitFor();
  assert.equal(await page.locator("figure.chart:visible").count(), 2);
  assert.deepEqual(faults, []);
});

test("a chart is taken away as numbers and as a picture", async () => {
  const take = async (name) => (await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]))[0];
  await page.goto(`${daemon.base}/#/experiments/${id}/curves?arms=arm+0&band=sd`);
  await row("Validation loss", "arm 0");
  const numbers = await take("CSV of Validation loss");
  assert.equal(numbers.suggestedFilename(), "validation-loss.csv");
  const lines = (await readFile(await numbers.path(), "utf8")).trim().split("\r\n");
  assert.equal(lines[0], "step,arm,grid point,n,mean of val/loss,mean - sd,mean + sd");
  assert.equal(lines.length, 1 + STEPS / 100);
  const { metrics } = await (await daemon.fetch(`/api/v1/experiments/${id}/curves?metric=val/loss`)).json();
  const { step, mean } = metrics["val/loss"].curves[0];
  assert.deepEqual(lines.slice(1).map((line) => line.split(",")).map((cells) => [Number(cells[0]), cells[1], Number(cells[4])]), step.map((at, i) => [at, "arm 0", mean[i]]));
  const bytes = await readFile(await (await take("PNG of Validation loss")).path());
  assert.equal(bytes.subarray(1, 4).toString(), "PNG");
  assert.ok(bytes.readUInt32BE(16) > 300 && bytes.readUInt32BE(20) > 250);
  assert.deepEqual(faults, []);
});
