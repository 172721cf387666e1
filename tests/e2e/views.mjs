// Every view of the page, for what is measured in each: one daemon with one of everything (showcase.mjs), a browser, a
// session. Whoever imports this has them made before its tests, and removed after them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, link, open } from "./browser.mjs";
import { start } from "./daemon.mjs";
import { barriers, look, unfold, walk } from "./look.mjs";
import { client, fill } from "./showcase.mjs";

/** {daemon, json, browser, session, made}, once the tests begin. */
export const here = {};

before(async () => {
  here.daemon = await start({ args: ["--slots", "2"] });
  here.json = client(here.daemon);
  here.browser = await launch();
  const { page, context } = await open(here.browser);
  await page.goto(await link(here.daemon));
  await page.getByText("Nothing has been submitted yet.").waitFor();
  here.session = await context.storageState();
  assert.deepEqual(await look(page), [], "no experiments yet");
  await context.close();
  here.made = await fill(here.daemon);
});
after(async () => {
  await here.browser?.close();
  await here.daemon?.stop();
});

/** Every view: its address, and what is there once it has been drawn. */
export const views = () => ({
  experiments: ["#/", `tbody tr:nth-child(4) td`],
  deleted: ["#/deleted", "tbody tr:nth-child(2) td"],
  experiment: [`#/experiments/${here.made.experiment}`, "table.study"],
  curves: [`#/experiments/${here.made.experiment}/curves`, "canvas"],
  "runs of an experiment": [`#/experiments/${here.made.experiment}/runs`, "tbody a"],
  validity: [`#/experiments/${here.made.experiment}/validity`, ".finding"],
  attention: [`#/experiments/${here.made.experiment}/attention`, ".heatmap canvas"],
  setup: [`#/experiments/${here.made.experiment}/setup`, ".facts"],
  export: [`#/experiments/${here.made.experiment}/export`, "img.figure[src]"],
  "all runs": ["#/runs", "tbody a"],
  "experiment with thirty arms": [`#/experiments/${here.made.many}`, ".verdict"],
  "validity of thirty arms": [`#/experiments/${here.made.many}/validity`, ".detail h2"],
  "setup of thirty arms": [`#/experiments/${here.made.many}/setup`, "pre"],
  "experiment that failed": [`#/experiments/${here.made.fails}`, ".problem"],
  "experiment that waits": [`#/experiments/${here.made.waits}`, ".verdict"],
  "run that diverged": [`#/runs/${here.made.diverged}`, "canvas"],
  "run that failed": [`#/runs/${here.made.failed}`, ".problem"],
  "log of a run": [`#/runs/${here.made.diverged}/log`, ".line"],
  "system of a run": [`#/runs/${here.made.failed}/system`, ".facts"],
  "artifacts of a run": [`#/runs/${here.made.diverged}/artifacts`, "tbody a"],
  "specification of a run": [`#/runs/${here.made.diverged}/spec`, "pre.whole-spec"],
  queue: ["#/queue", "td input"],
  "queue by experiment": ["#/queue?by=experiment", "td input"],
  compare: [`#/compare?with=e${here.made.experiment},r${here.made.failed}`, "canvas"],
  "nothing to compare": ["#/compare", ".empty"],
  sql: ["#/sql?q=SELECT+run,+final,+arm+FROM+v_runs", "canvas"],
  datasets: ["#/datasets?name=squares", ".plain-list a"],
  new: ["#/new", "option"],
  clone: [`#/new?clone=${here.made.experiment}`, "#changes"],
  nowhere: ["#/nowhere", "h1"],
});

export async function visit(page, [hash, shown]) {
  await page.goto(`${here.daemon.base}/${hash}`);
  await page.locator(`main :is(${shown})`).first().waitFor({ state: "attached" });
  await page.locator(".view:not(.coming)").waitFor(); // what is hidden looks well
  await page.waitForFunction(() => document.querySelectorAll(".plot:empty").length === 0);
}

/** Tests that in a window of this width, under this scheme, nothing is cut and nothing faint, in these views; in any. */
export function measured(width, scheme, names = null) {
  test(`nothing cut, nothing faint: ${width} px, ${scheme}`, async (t) => {
    const { page, context, faults } = await open(here.browser, { width, scheme, motion: "reduce" });
    await context.addCookies(here.session.cookies);
    for (const [name, view] of Object.entries(views()).filter(([one]) => names === null || names.includes(one)))
      await t.test(name, async () => {
        await visit(page, view);
        const closed = await look(page);
        await unfold(page);
        assert.deepEqual([...closed, ...await look(page), ...await barriers(page)], []);
      });
    if (names === null) await t.test("the question before a purge", async () => {
      await visit(page, views().deleted);
      await page.getByRole("button", { name: "Purge" }).first().click();
      await page.getByRole("dialog").waitFor();
      assert.deepEqual(await look(page), []);
    });
    assert.deepEqual(faults, []);
    await context.close();
  });
}

/** Tests that in the views named, by the width of the window, the Tab key reaches every control. */
export function walked(widths) {
  test("every control is reached by the Tab key, and shows it", async (t) => {
    for (const [width, names] of Object.entries(widths)) {
      const { page, context } = await open(here.browser, { width: Number(width), motion: "reduce" });
      await context.addCookies(here.session.cookies);
      for (const name of names)
        await t.test(`${name}, ${width} px`, async () => {
          await visit(page, views()[name]);
          assert.deepEqual(await walk(page), []);
        });
      await context.close();
    }
  });
}
