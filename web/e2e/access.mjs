/** Every page in light and dark, wide and narrow: what axe finds serious, and whether something sticks out sideways. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect, test, watched } from "./browser.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf-8");
const SERIOUS = new Set(["serious", "critical"]);

test("access", async (_, browser) => {
  const found = [];
  const places = JSON.parse(process.env.AIVC_PLACES);
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 820]) {
      const page = await watched(browser, { colorScheme, viewport: { width, height: 900 }, bypassCSP: true, reducedMotion: "reduce" });
      for (const place of places) {
        await page.goto(place.path);
        await page.getByText(place.holds).first().waitFor();
        await page.waitForLoadState("networkidle").catch(() => undefined);
        await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
        for (const rule of violations.filter((rule) => SERIOUS.has(rule.impact))) {
          found.push(`${place.path} ${colorScheme} ${width}: ${rule.id} (${rule.impact}) ${rule.nodes.map((node) => node.target.join(" ") + " " + (node.any[0]?.message ?? "")).slice(0, 3).join("; ")}`);
        }
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (wide > 1) found.push(`${place.path} ${colorScheme} ${width}: sticks out by ${wide} px`);
      }
      found.push(...page.complaints);
      await page.context().close();
    }
  }
  expect(found.length === 0, `nothing serious on any page, got\n${found.join("\n")}`);
  return { pages: places.length };
});
