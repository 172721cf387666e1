// The curves of an experiment as the page shows them, of what was planted: one request, how many seeds a mean stands for,
// a spike that a zoom finds, single seeds when they are asked for.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
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
  ended(daemon, id, STEPS, { "train/loss": 1, "val/loss": 100, "val/accuracy": 100 });
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
