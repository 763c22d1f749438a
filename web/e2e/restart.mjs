/** A server that is killed in the middle of a screen: it goes on after a restart, and the page that stayed open says so. */
import { ask, expect, test } from "./browser.mjs";

test("restart", async (page) => {
  // While no server is there, its address cannot be reached.
  page.allowed.push(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_NETWORK/);
  await page.goto("/screen");
  await page.getByLabel("Response").fill("STAT1");
  await page.getByRole("button", { name: "Run the screen" }).click();
  await page.waitForURL(/\/screen\/[0-9a-f]{8}/);
  await page.getByRole("status").filter({ hasText: /, [1-9]\d* of / }).waitFor();
  const id = page.url().match(/\/screen\/([0-9a-f]+)/)[1];
  await ask(`KILL ${id}`);
  await page.getByRole("region", { name: "What was found" }).waitFor({ timeout: 120_000 });
  await page.goto(`/jobs/${id}`);
  await page.getByText(/attempt 2/).waitFor();
  expect(await page.getByText("done", { exact: true }).count(), "the job is done on its page");
  return { id };
});
