/** How much the first load sends, and how long the first prediction takes, from the click to its picture. */
import { test } from "./browser.mjs";

test("speed", async (page) => {
  const network = await page.context().newCDPSession(page);
  await network.send("Network.enable");
  let bytes = 0;
  network.on("Network.loadingFinished", (event) => (bytes += event.encodedDataLength));
  const began = performance.now();
  await page.goto("/");
  await page.locator(".cell-title").waitFor();
  const loaded = performance.now() - began;
  await page.waitForLoadState("networkidle");
  const first = bytes;
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Predict" }).click();
  await page.getByRole("combobox", { name: /^Gene/ }).fill(process.env.AIVC_GENE ?? "STAT1");
  await page.locator("li[role=option]").first().click();
  const asked = performance.now();
  await page.getByRole("button", { name: "Predict", exact: true }).click();
  await page.getByRole("img", { name: /Strongest effects with their intervals/ }).waitFor();
  const answered = performance.now() - asked;
  return { first_load_bytes: first, first_load_seconds: loaded / 1000, first_prediction_seconds: answered / 1000 };
});
