// Pictures of every view at 1280 and 400 pixels, light and dark, for looking at them: the whole page, and what the
// window shows of it first. web/screenshot.png is the tab Attention of an experiment whose arms are dense and published.
//   node shots.mjs "$(build/ablated link --data DIR | grep -o 'http.*')" OUT [experiment [run]]

import { mkdirSync } from "node:fs";
import { launch, open } from "./browser.mjs";

const [login, out = "shots", experiment = "1", run = "1"] = process.argv.slice(2);
const tabs = (path, names) => Object.fromEntries(names.map((name) => [`${path.slice(2).replaceAll("/", "-")}-${name}`, `${path}/${name}`]));
const views = {
  list: "#/", deleted: "#/deleted", experiment: `#/experiments/${experiment}`, run: `#/runs/${run}`, runs: "#/runs", queue: "#/queue",
  "queue-by-experiment": "#/queue?by=experiment", compare: `#/compare?with=e${experiment}`, datasets: "#/datasets", sql: "#/sql?q=SELECT+run,+final,+arm+FROM+v_runs",
  new: "#/new", clone: `#/new?clone=${experiment}`,
  ...tabs(`#/experiments/${experiment}`, ["curves", "runs", "validity", "attention", "setup", "export"]),
  ...tabs(`#/runs/${run}`, ["log", "system", "artifacts", "spec"]),
};

mkdirSync(out, { recursive: true });
const browser = await launch();
const first = await open(browser);
await first.page.goto(login);
await first.page.locator("h1").waitFor();
const session = await first.context.storageState();
for (const width of [1280, 400])
  for (const scheme of ["light", "dark"]) {
    const { page, context, faults } = await open(browser, { width, scheme });
    await context.addCookies(session.cookies);
    for (const [name, hash] of Object.entries(views)) {
      await page.goto(new URL(login).origin + "/" + hash);
      await page.locator("h1").waitFor();
      await page.waitForTimeout(1000); // charts and tables follow their first frame
      const path = `${out}/${name}-${width}-${scheme}`;
      await page.screenshot({ path: `${path}.png`, fullPage: true });
      await page.screenshot({ path: `${path}-window.png` });
    }
    for (const fault of faults) console.log(width, scheme, fault);
    await context.close();
  }
await browser.close();
