/** Pictures of the page for the README, into docs/_static: `node screenshots.mjs` with `make app` at AIVC_URL. */
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BASE, expect, test, watched } from "./e2e/browser.mjs";

const MOST_BYTES = 250_000;
const FOLDER = fileURLToPath(new URL("../docs/_static/", import.meta.url));
const GENE = process.env.AIVC_GENE ?? "JAK2";
const RESPONSE = process.env.AIVC_RESPONSE ?? "STAT1, UBE2L6, PSMB9";

async function take(browser, name, path, holds, { colorScheme = "light", width = 1280, height = 860 } = {}) {
  const page = await watched(browser, { baseURL: BASE, colorScheme, viewport: { width, height } });
  await page.goto(path);
  await page.getByText(holds).first().waitFor({ timeout: 60_000 });
  await page.waitForTimeout(800);
  await page.screenshot({ path: FOLDER + name });
  await page.context().close();
  const { size } = statSync(FOLDER + name);
  expect(size <= MOST_BYTES, `${name} to have at most ${MOST_BYTES} bytes, it has ${size}`);
  console.log(name, size);
}

test("screenshots", async (page, browser) => {
  const { cells } = await (await page.request.get("/api/v1/cells")).json();
  const { id } = cells[0];
  const asked = { cell: id, context: cells[0].contexts[0], response: RESPONSE, direction: "lower", perturbations: "all" };
  const started = await page.request.post("/api/v1/jobs", { data: { kind: "screen", params: asked }, headers: { Origin: BASE } });
  const job = await started.json();
  await take(browser, "page-cells.png", `/cells?cell=${id}`, "How it was scored");
  await take(browser, "page-predict.png", `/predict?cell=${id}&perturbation=ko:${GENE}`, "All genes");
  await take(browser, "page-predict-dark.png", `/predict?cell=${id}&perturbation=ko:${GENE}`, "All genes", { colorScheme: "dark", width: 820, height: 1100 });
  await take(browser, "page-screen.png", `/screen/${job.id}`, "perturbations, the best first");
});
