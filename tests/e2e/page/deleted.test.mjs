// What was deleted, in a real browser: the way there, back, and out for good; by keyboard; for whom it isn't; and what
// others do meanwhile.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, beforeEach, test } from "node:test";
import { ABLATED, launch, link, open, overflow } from "../browser.mjs";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";

const SPEC = { data: { dataset: "corpus", seq_len: 16 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1 }, seeds: [1] };
const LONG = "n".repeat(64);

let daemon, browser, page, context, faults;

const { call, get, corpus, rows, until } = client(() => daemon);
const submit = async (name) => (await call("POST", "/experiments", { ...SPEC, name }, 201)).id;
async function deleted(name) {
  const id = await submit(name);
  await call("DELETE", `/experiments/${id}`, undefined, 204);
  return id;
}
const names = async (query = "") => (await get(`/experiments${query}`)).items.map(({ name }) => name);
const goto = (hash, target = page) => target.goto(`${daemon.base}/${hash}`);
const entry = (name, target = page) => target.locator("tbody tr", { hasText: name });
const button = (name, label, target = page) => entry(name, target).getByRole("button", { name: label });

before(async () => {
  daemon = await start({ args: ["--slots", "1", "--keep-deleted", "30"] });
  browser = await launch();
  await corpus(100);
  await call("POST", "/queue", { paused: true });
});
after(async () => {
  await browser?.close();
  await daemon?.stop();
});
beforeEach(async () => {
  await context?.close();
  ({ page, context, faults } = await open(browser));
  await page.goto(await link(daemon));
  await page.getByRole("heading", { name: "Experiments" }).waitFor();
});

test("deleted on its page, found among the deleted, restored", async () => {
  const id = await submit("comes back");
  await page.getByRole("link", { name: "Deleted" }).click();
  await page.getByText("Nothing that was deleted is left.").waitFor();
  await goto(`#/experiments/${id}`);
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByText(/can be restored until it is purged/).waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Keep" }).click();
  assert.deepEqual(await names(), ["comes back"]);
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.waitForURL(/#\/$/);
  await page.getByRole("link", { name: "Deleted" }).click();
  await entry("comes back").waitFor();
  const { items: [item] } = await get("/experiments?deleted=1");
  assert.equal(await entry("comes back").locator('[data-label="Purge due"]').getAttribute("title"), item.purge_due);
  assert.equal(Date.parse(item.purge_due) - Date.parse(item.deleted_at), 30 * 86400000);
  assert.equal(await page.locator('nav a[aria-current="page"]').innerText(), "Experiments");

  await button("comes back", "Restore").click();
  await entry("comes back").waitFor({ state: "detached" });
  await page.locator(".toast", { hasText: "is back" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.locator("main").getByRole("link", { name: "Experiments" }).click();
  await page.getByRole("link", { name: "comes back" }).waitFor();
  assert.deepEqual([await names(), await names("?deleted=1")], [["comes back"], []]);
  assert.deepEqual(faults, []);
});

test("a purge takes the name, by keyboard and at 400 pixels", async () => {
  const id = await deleted(LONG);
  await page.setViewportSize({ width: 400, height: 800 });
  await goto("#/deleted");
  const purge = button(LONG, "Purge"), dialog = page.getByRole("dialog"), sure = dialog.getByRole("button", { name: "Purge" });
  for (const leave of ["Escape", "Enter"]) {
    await purge.focus();
    await page.keyboard.press("Enter");
    await dialog.waitFor();
    assert.equal(await overflow(page), 0);
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "INPUT");
    await page.keyboard.type(LONG.slice(1));
    assert.equal(await sure.isDisabled(), true);
    await page.keyboard.press(leave); // Enter isn't enough for half a name
    if (leave === "Enter") {
      assert.equal(await dialog.isVisible(), true);
      assert.deepEqual(await names("?deleted=1"), [LONG]);
      await page.keyboard.type("n");
      assert.equal(await sure.isDisabled(), false);
      await page.keyboard.press("Enter");
    }
    await dialog.waitFor({ state: "detached" });
  }
  await entry(LONG).waitFor({ state: "detached" });
  await page.getByText("Nothing that was deleted is left.").waitFor();
  assert.deepEqual(await names("?deleted=1"), []);
  await until("its rows are gone", async () => (await rows(`SELECT 1 FROM experiments WHERE id = ${id}`)).length === 0);
  assert.equal(await overflow(page), 0);
  assert.deepEqual(faults, []);
});

test("the list follows what others delete, restore and purge", async () => {
  await goto("#/deleted");
  await page.locator(".live", { hasText: "live" }).waitFor();
  const ids = [await deleted("one"), await deleted("two")];
  await entry("one").waitFor();
  await entry("two").waitFor();
  await call("POST", `/experiments/${ids[0]}/restore`);
  await entry("one").waitFor({ state: "detached" });
  await call("POST", `/experiments/${ids[1]}/purge`, undefined, 202);
  await entry("two").waitFor({ state: "detached" });
  await page.getByText("Nothing that was deleted is left.").waitFor();
  assert.deepEqual(faults, []);
});

test("without admin access it is seen, and nothing else", async () => {
  const shown = await submit("shown");
  await deleted("not to be touched");
  const other = await open(browser);
  await other.page.goto(/https?:\S+#login=\S+/.exec(execFileSync(ABLATED, ["link", "--data", daemon.dir, "--access", "submit"], { encoding: "utf8" }))[0]);
  await other.page.getByRole("heading", { name: "Experiments" }).waitFor();
  await goto("#/deleted", other.page);
  await entry("not to be touched", other.page).waitFor();
  await other.page.getByText(/takes a log-in with admin access/).waitFor();
  assert.equal(await other.page.locator("tbody button").count(), 0);
  await goto(`#/experiments/${shown}`, other.page);
  await other.page.getByRole("button", { name: "Edit" }).waitFor();
  assert.equal(await other.page.getByRole("button", { name: "Delete" }).isVisible(), false);
  await goto(`#/experiments/${shown}`);
  await page.getByRole("button", { name: "Delete" }).waitFor(); // who may sees it
  assert.deepEqual([...faults, ...other.faults], []);
  await other.context.close();
});
