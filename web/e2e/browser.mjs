/** A fresh browser for the tests of the page. What the page or its policy complains about is kept, and fails a test. */
import { mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const FLAGS = [
  ..."--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split(" "),
  ..."--disable-component-update --disable-sync --use-angle=swiftshader --enable-unsafe-swiftshader".split(" "),
];
const WAIT = 20_000;
export const RESULTS = fileURLToPath(new URL("../test-results/", import.meta.url));
export const BASE = process.env.AIVC_URL ?? "http://127.0.0.1:8000";

/** Runs one test in a browser of its own; its result is the last line printed, as JSON. */
export async function test(name, body) {
  mkdirSync(RESULTS, { recursive: true });
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: FLAGS });
  let page;
  try {
    page = await watched(browser, {});
    const result = await body(page, browser);
    const said = page.complaints.filter((complaint) => !(page.allowed ?? []).some((allowed) => allowed.test(complaint)));
    if (said.length) throw new Error(`The page complained:\n${said.join("\n")}`);
    console.log(JSON.stringify(result ?? {}));
  } catch (error) {
    console.error(error);
    await page?.screenshot({ path: `${RESULTS}${name}.png`, fullPage: true }).catch(() => undefined);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

/** A page whose errors are kept in `complaints`; patterns in `allowed` are part of the test. */
export async function watched(browser, options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, baseURL: BASE, ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.allowed = [];
  page.setDefaultTimeout(WAIT);
  page.on("pageerror", (error) => page.complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") page.complaints.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("requestfailed", (request) => {
    // A stream that is left, and a question that is no longer asked, end so.
    if (request.failure()?.errorText !== "net::ERR_ABORTED") page.complaints.push(`request: ${request.url()} ${request.failure()?.errorText}`);
  });
  await page.addInitScript(() =>
    document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)),
  );
  return page;
}

/** Throws what is wanted where it does not hold. */
export function expect(holds, wanted) {
  if (!holds) throw new Error(`Wanted: ${wanted}`);
}

/** Says something to the test that started this one, and waits for its answer. */
export async function ask(question) {
  console.log(question);
  const lines = createInterface({ input: process.stdin });
  for await (const line of lines) {
    lines.close();
    return line;
  }
  throw new Error("Nobody answered.");
}

/** Saves what a button gives. */
export async function saved(page, button) {
  const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  return { name: download.suggestedFilename(), text: Buffer.concat(chunks).toString("utf-8") };
}
