/** The whole way: cells, their points, a prediction, a screen, a plate, the hub, and a second service. */
import { BASE, expect, saved, test, watched } from "./browser.mjs";

const OTHER = process.env.AIVC_OTHER_URL;
const SCREENED = ["JAK2", "IFNGR1", "TP53", "MDM2", "BRAF", "KRAS", "CUL3", "ko:JAK2+ko:TP53"];
const REF = `virtual-cell/lab-of-cells/${process.env.AIVC_NAME ?? "interferon"}@1.0.0`;

test("journey", async (page, browser) => {
  await page.goto("/");
  await page.getByRole("heading", { name: "Interferon", exact: true }).waitFor();

  await page.getByRole("link", { name: "Explore" }).first().click();
  await lasso(page);
  const selected = await page.getByRole("heading", { name: /^Selection: / }).innerText();

  await page.getByRole("link", { name: "Use as context to predict" }).click();
  await predict(page);

  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Screen" }).click();
  const rows = await screen(page);
  const wells = await plate(page);
  await publish(page);
  await fetchedElsewhere(browser);
  return { selected, rows, wells, complaints: page.complaints };
});

async function lasso(page) {
  await page.getByRole("button", { name: "Lasso" }).click();
  const box = await page.locator(".scatter-frame").boundingBox();
  const at = (x, y) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(0.02, 0.02));
  await page.mouse.down();
  for (const [x, y] of [[0.6, 0.02], [0.98, 0.02], [0.98, 0.98], [0.02, 0.98], [0.02, 0.1]]) await page.mouse.move(...at(x, y), { steps: 4 });
  await page.mouse.up();
  await page.getByRole("heading", { name: /^Selection: \d+ cells/ }).waitFor();
}

async function predict(page) {
  const box = page.getByRole("combobox", { name: "Gene" });
  await box.fill("jak");
  await page.getByRole("option", { name: /^JAK2/ }).first().click();
  await page.getByRole("combobox", { name: "Combine with" }).fill("tp5");
  await page.getByRole("option", { name: /^TP53/ }).first().click();
  await page.getByRole("button", { name: "Predict", exact: true }).click();
  await page.getByRole("img", { name: /Strongest effects with their intervals/ }).waitFor();
  const rests = page.getByRole("region", { name: "What it rests on" });
  await rests.waitFor();
  for (const tab of await rests.getByRole("tab").all()) {
    await tab.click();
    expect((await rests.getByRole("tabpanel").innerText()).length > 20, `text under ${await tab.innerText()}`);
  }
  const tabs = await rests.getByRole("tab").allInnerTexts();
  expect(tabs.some((each) => /scored/i.test(each)), `a tab on how it was scored among ${tabs}`);
  const csv = await saved(page, page.getByRole("button", { name: "Save all genes (CSV)" }));
  expect(csv.text.split("\n").length > 40, "a row a gene in the table of the answer");
}

async function screen(page) {
  await page.getByLabel("Response").fill("STAT1, IRF1");
  await page.getByLabel("Perturbations").fill(SCREENED.join("\n"));
  await page.getByRole("button", { name: "Run the screen" }).click();
  await page.getByRole("region", { name: "What was found" }).waitFor({ timeout: 60_000 });
  await page.getByRole("searchbox", { name: "Filter perturbations" }).fill("JAK");
  await page.getByRole("status").filter({ hasText: /^2 rows/ }).waitFor();
  const csv = await saved(page, page.getByRole("button", { name: /^Download .*\.csv/ }));
  const lines = csv.text.trim().split("\n");
  expect(lines.length === 9 && lines[0].includes("perturbation"), `eight rows and a header in ${csv.name}, got ${lines.length}`);
  return lines.length - 1;
}

async function plate(page) {
  await page.getByRole("link", { name: "Design the next plate" }).click();
  await page.getByLabel("Wells", { exact: true }).selectOption("12");
  await page.getByLabel("Control wells").fill("4");
  await page.getByRole("button", { name: "Design the plate" }).click();
  await page.getByRole("region", { name: "Plate map" }).waitFor({ timeout: 60_000 });
  const csv = await saved(page, page.getByRole("button", { name: /^Download .*\.csv/ }));
  return csv.text.trim().split("\n").length - 1;
}

async function publish(page) {
  await page.goto("/hub?publish");
  await page.getByLabel("Namespace").fill("lab-of-cells");
  await page.getByLabel("Name", { exact: true }).fill(process.env.AIVC_NAME ?? "interferon");
  await page.getByLabel("Licence").fill("CC-BY-4.0");
  await page.getByLabel("What it is").fill("Knock-outs of interferon signalling.");
  await page.getByLabel("Intended use").fill("Choosing the next knock-outs.");
  await page.getByLabel("Limits").fill("One cell line.");
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.getByRole("link", { name: "Open the result" }).click({ timeout: 60_000 });
  await page.getByRole("heading", { name: /interferon/i }).first().waitFor();
  await page.getByRole("button", { name: "Verify" }).click();
  await page.getByText("It was checked now").waitFor({ timeout: 60_000 });
  for (const badge of ["valid", "runs", "reproduces"]) await page.getByText(`✓ ${badge}`).first().waitFor();
}

/** A second service takes the version over the API of the first, and its page asks it. */
async function fetchedElsewhere(browser) {
  const page = await watched(browser, { baseURL: OTHER });
  const body = { ref: REF, from: `${BASE}/api/v1/hub` };
  const answer = await page.request.post("/api/v1/hub/pull", { data: body, headers: { Origin: OTHER } });
  expect(answer.ok(), `the second service to pull: ${await answer.text()}`);
  const { id } = await answer.json();
  await page.goto(`/predict?cell=${id}&perturbation=ko:JAK2`);
  await page.getByRole("img", { name: /Strongest effects with their intervals/ }).waitFor();
  expect(page.complaints.length === 0, `no complaints of the second page: ${page.complaints}`);
  await page.context().close();
}
