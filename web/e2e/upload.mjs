/** Data of one's own: a wrong file is refused in words, a right one is asked about, confirmed and fitted. */
import { expect, test } from "./browser.mjs";

const FILES = process.env.AIVC_FILES;

test("upload", async (page) => {
  // Browsers write refusals of the service to the console; here they are wanted.
  page.allowed.push(/Failed to load resource.*\/api\/v1\/datasets/);
  const problems = [];
  for (const wrong of ["wrong.h5ad", "empty.h5ad", "table.csv"]) {
    await page.goto("/cells/new");
    await page.locator("#file").setInputFiles(`${FILES}/${wrong}`);
    const send = page.getByRole("button", { name: "Send" });
    if (await send.isEnabled()) await send.click();
    // A table is read; what it lacks is said once its columns are confirmed.
    if (wrong.endsWith(".csv")) await page.getByRole("button", { name: "Confirm" }).click();
    const alert = page.getByRole("alert").or(page.locator(".banner.bad")).first();
    await alert.waitFor();
    const said = await alert.innerText();
    expect(said.length > 30 && !/Traceback|undefined|\[object/.test(said), `a clear problem for ${wrong}, got ${said}`);
    problems.push(said);
  }
  await page.goto("/cells/new");
  await page.locator("#file").setInputFiles(`${FILES}/crispr.h5ad`);
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("Step 2 of 3").waitFor();
  await page.getByText("please answer").first().waitFor();
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByText("Step 3 of 3").waitFor();
  await page.getByLabel("Name of the cell").fill("My knock-outs");
  await page.getByLabel(/Score it on held-out/).uncheck();
  await page.getByRole("button", { name: "Start the fit" }).click();
  await page.getByRole("link", { name: "Open the new cell" }).click({ timeout: 90_000 });
  await page.getByRole("heading", { name: "My knock-outs", exact: true }).waitFor();
  return { problems };
});
