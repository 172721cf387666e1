// How the page looks, measured in the views that are seen most (tests/full/look: in each): nothing sticks out or is cut,
// text stands out from its ground, axe finds nothing. Then what it does where things aren't as they should be: an arm that leads because it cheats, runs that failed or diverged, a log-in that has ended, a
// daemon that has gone. One daemon, with one of everything (showcase.mjs).

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { START } from "../../../web/editor/start.js";
import { open } from "../browser.mjs";
import { start } from "../daemon.mjs";
import { here, measured } from "../views.mjs";

measured(400, "dark", ["experiments", "experiment", "curves", "new"]);

describe("where things aren't as they should be", () => {
  let page, context, faults;
  const goto = (hash) => page.goto(`${here.daemon.base}/${hash}`);

  beforeEach(async () => {
    await context?.close();
    ({ page, context, faults } = await open(here.browser));
    await context.addCookies(here.session.cookies);
    await goto("#/");
    await page.getByRole("heading", { name: "Experiments" }).waitFor();
  });

  test("an arm that an audit finds invalid is said to be", async () => {
    const asked = [];
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    await page.reload();
    const row = page.locator("tr", { hasText: "one of everything" }), listed = row.locator(".verdict-cell .listed");
    await listed.first().waitFor();
    const report = await here.json(`experiments/${here.made.experiment}/report`);
    assert.equal(report.arms["dsa-with-a-long-name-as-published"].valid, false);
    await listed.filter({ hasText: "dsa-with-a-long-name-as-published" }).getByText("invalid").waitFor();
    assert.deepEqual(await listed.locator("b").allInnerTexts(), report.primary.map(({ verdict }) => verdict));
    assert.equal(await listed.first().innerText(), "dense");

    // One that comes while the list is open, too.
    const { id } = await here.json("experiments", { data: { dataset: "squares", seq_len: 16, split: "windows" }, name: "overlaps", priority: 1000,
      model: { layers: 1, heads: 2, d_model: 32, d_ff: 32, experts: 2, experts_per_token: 1, dropout: 0 },
      train: { steps: 40, batch_size: 4, eval_every: 10, eval_windows: 8 }, arms: { one: {}, two: { "train.lr": 0.001 } }, seeds: [1] });
    await here.json("queue", { paused: false });
    await here.json(`experiments/${id}?wait=3600`);
    await here.json("queue", { paused: true });
    await page.locator("tr", { hasText: "overlaps" }).locator(".verdict-cell").getByText("invalid", { exact: true }).first().waitFor();
    assert.deepEqual(asked.filter((path) => /\/experiments\/\d/.test(path)), [], "the list says it all");
    assert.equal(asked.filter((path) => path.endsWith("/experiments")).length, 1);
    assert.deepEqual(faults, []);
  });

  test("why runs failed stands at the top, with the way to one of them", async () => {
    await goto(`#/experiments/${here.made.fails}`);
    await page.locator(".problem").getByText(/^Run \d+ failed: .*SIGKILL/).waitFor();
    await page.locator(".problem").getByRole("link").click();
    await page.waitForURL(new RegExp(`#/runs/${here.made.failed}$`));
    await page.locator(".heading .state.failed").waitFor();
    assert.deepEqual(faults, []);
  });

  test("a verdict about several arms is a paragraph an arm", async () => {
    await goto(`#/experiments/${here.made.experiment}`);
    const { primary } = await here.json(`experiments/${here.made.experiment}/report`);
    await page.locator(".verdict .said p").first().waitFor();
    assert.deepEqual(await page.locator(".verdict .said p").allInnerTexts(), primary.map(({ sentence }) => sentence));
    assert.deepEqual(faults, []);
  });

  test("loss by position names the arms in the order of the specification", async () => {
    await goto(`#/experiments/${here.made.experiment}/validity`);
    const legend = page.locator("section[aria-labelledby=positions] .legend").first();
    await legend.locator("dt").first().waitFor();
    const { arms, positions } = await here.json(`experiments/${here.made.experiment}/report`).then(({ experiment, positions: all }) => ({ arms: experiment.arms, positions: all }));
    const measured = new Set(positions.map(({ arm }) => arm));
    assert.deepEqual(await legend.locator("dt").allInnerTexts(), arms.filter((arm) => measured.has(arm)));
  });

  /** Answers of the daemon as they would be with a change. */
  const change = (path, edit) => page.route(`**/api/v1/${path}`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: edit(await response.json()) });
  });

  test("a verification that has compared nothing yet says so", async () => {
    await change(`runs/${here.made.diverged}`, (run) => ({ ...run, verify: { state: "running", attempt: 2, compared: 0, first_difference: null, reason: "" } }));
    await goto(`#/runs/${here.made.diverged}`);
    await page.locator(".verification").getByText("nothing has been compared yet").waitFor();
    assert.doesNotMatch(await page.locator(".verification").innerText(), /\d/);
  });

  test("what would mend an audit stands under the ones that failed or warn", async () => {
    const given = (checks) => checks.map((check) => ({ ...check, remedy: `Mend ${check.name}.` }));
    await change(`experiments/${here.made.experiment}/report?format=json`, (report) => ({ ...report, checks: given(report.checks),
      arms: Object.fromEntries(Object.entries(report.arms).map(([name, arm]) => [name, { ...arm, audits: given(arm.audits) }])) }));
    await goto(`#/experiments/${here.made.experiment}/validity?arm=dsa-with-a-long-name-as-published`);
    await page.locator(".detail").getByText("Mend causality.").waitFor();
    await page.locator(".detail").getByText("dense_equivalence passed").waitFor();
    assert.equal(await page.locator(".detail").getByText("Mend dense_equivalence.").count(), 0);
  });

  test("runs by state are one stop of the Tab key; arrows go from one to the next", async () => {
    await goto(`#/experiments/${here.made.experiment}`);
    const cells = page.locator(".strip a");
    await cells.nth(2).waitFor();
    assert.equal(await page.locator('.strip a[tabindex="0"]').count(), 1);
    await cells.first().focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    assert.equal(await cells.nth(2).evaluate((cell) => cell === document.activeElement), true);
    assert.equal(await page.locator('.strip a[tabindex="0"]').count(), 1);
    await page.keyboard.press("End");
    assert.equal(await cells.last().evaluate((cell) => cell === document.activeElement), true);
  });

  test("the first specification that the form shows is fair, has seeds enough, and is small", async () => {
    await goto("#/new");
    await page.getByText("squares").first().waitFor();
    const editor = page.getByLabel("Specification, JSON");
    await page.waitForFunction(() => document.querySelector("textarea")?.value.includes("squares")); // the corpus that there is
    const shown = JSON.parse(await editor.inputValue());
    assert.deepEqual({ ...shown, data: { ...shown.data, dataset: START.data.dataset } }, START);
    assert.equal(shown.data.split, "families");
    assert.ok(shown.seeds.length >= 6);
    await page.getByRole("button", { name: "Dry run" }).click();
    await page.getByText("36 runs, nothing stored").waitFor();
    assert.deepEqual(faults, []);
  });

  test("a log-in that has ended leads to the log-in page", async () => {
    await context.clearCookies();
    await goto("#/queue");
    await page.getByRole("heading", { name: "Log in with a link" }).waitFor();
  });

  test("a daemon that has gone is missed, and found again", async () => {
    const { port, dir } = here.daemon;
    await goto(`#/experiments/${here.made.experiment}`);
    await page.locator(".live", { hasText: "live" }).waitFor();
    await here.daemon.stop({ keep: true });
    await page.locator(".live", { hasText: "connection lost" }).waitFor();
    await page.evaluate(() => (location.hash = "#/queue"));
    await page.getByRole("heading", { name: "No answer" }).waitFor();
    await page.locator("main").getByText(/can\u2019t be reached/).waitFor();
    assert.ok(await page.locator(".toast").count() <= 3);
    here.daemon = await start({ dir, args: ["--slots", "2", "--listen", `127.0.0.1:${port}`] });
    await page.getByRole("heading", { name: "Queue" }).waitFor();
    await page.locator(".live", { hasText: "live" }).waitFor();
  });
});
