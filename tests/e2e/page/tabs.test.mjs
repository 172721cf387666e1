// Many tabs of one browser: one stream for all, so that the eighth loads and what is saved in the first is saved.
import { after, before, test } from "node:test";
import { launch, link } from "../browser.mjs";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";
import { until } from "../until.mjs";

const TABS = 8;
const SPEC = {
  name: "in many tabs", data: { dataset: "synthetic:copy", seq_len: 4 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 1, experts_per_token: 1 },
  train: { steps: 1000000, batch_size: 2, eval_every: 1000000, checkpoint_every: 1000000 }, seeds: [1], arms: { dense: {}, other: { "train.lr": 0.001 } },
};
let daemon, browser, context, id;
const { call } = client(() => daemon);
const readers = async () => Number(/^ablate_event_readers (\d+)/m.exec(await (await daemon.fetch("/metrics")).text())[1]);

before(async () => {
  daemon = await start({ args: ["--slots", "1"] });
  await call("POST", "/queue", { paused: true });
  ({ id } = await call("POST", "/experiments", SPEC, 201));
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await daemon?.stop();
});

const name = (page, text) => page.getByRole("heading", { level: 1, name: text }).waitFor();
const live = (page) => page.locator("#live[data-kind=on]").waitFor();
async function tab(address) {
  const page = await context.newPage();
  page.setDefaultTimeout(300000); // bounds a hang, nothing else
  await page.goto(address);
  return page;
}

/** The daemon notices that a reader has gone when it has something to tell. */
const left = (n) => until(`${n} streams are left`, async () => {
  const { priority } = await call("GET", `/experiments/${id}`);
  await call("POST", `/experiments/${id}/priority`, { priority: (priority + 1) % 2 });
  return (await readers()) === n;
});

test("eight tabs load, and follow by one stream; what is saved in the first is seen in all", async () => {
  context = await browser.newContext();
  const pages = [await tab(await link(daemon))];
  await pages[0].getByRole("link", { name: SPEC.name }).waitFor();
  await pages[0].goto(`${daemon.base}/#/experiments/${id}`);
  await name(pages[0], SPEC.name);
  for (let i = 1; i < TABS; i++) {
    pages.push(await tab(`${daemon.base}/#/experiments/${id}`));
    await name(pages[i], SPEC.name);
  }
  for (const page of pages) await live(page);
  await until("there is one stream", async () => (await readers()) === 1);
  await pages[0].getByRole("button", { name: "Edit" }).click();
  await pages[0].getByLabel("Name", { exact: true }).fill("saved");
  await pages[0].getByRole("button", { name: "Save" }).click();
  for (const page of pages) await name(page, "saved");

  // Tabs that go leave the stream to those that stay; the last one takes it along.
  await pages[0].close();
  await call("PATCH", `/experiments/${id}`, { name: "saved again" });
  for (const page of pages.slice(1)) await name(page, "saved again");
  for (const page of pages.slice(1)) await page.close();
  await left(0);
});

test("the title of a hidden tab goes on", async () => {
  const page = await tab(`${daemon.base}/#/experiments/${id}`);
  await name(page, "saved again");
  await page.evaluate(() => { // as a browser hides a tab: it has no frames
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    window.requestAnimationFrame = () => 0;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await call("PATCH", `/experiments/${id}`, { name: "renamed meanwhile" });
  await page.waitForFunction(() => document.title.includes("renamed meanwhile"), null, { polling: 50 });
  await page.close();
});

test("without shared workers a page has a stream of its own", async () => {
  const page = await context.newPage();
  page.setDefaultTimeout(300000);
  await page.addInitScript(() => { delete window.SharedWorker; });
  await page.goto(`${daemon.base}/#/experiments/${id}`);
  await name(page, "renamed meanwhile");
  await live(page);
  await call("PATCH", `/experiments/${id}`, { name: "alone" });
  await name(page, "alone");
  await page.goto(`${daemon.base}/#/queue`); // another view, the same stream
  await live(page);
  await left(1);
  await page.close();
  await left(0);
});
