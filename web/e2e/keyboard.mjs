/** A prediction without a mouse: by Tab, letters, arrows and Enter. */
import { expect, test } from "./browser.mjs";

/** Presses Tab until the focus is on what is wanted. */
async function tabTo(page, wanted) {
  for (let i = 0; i < 60; i += 1) {
    await page.keyboard.press("Tab");
    const on = await page.evaluate(() => {
      const it = document.activeElement;
      const shown = getComputedStyle(it);
      const marked = shown.outlineStyle !== "none" || shown.boxShadow !== "none";
      return { text: it.textContent?.trim() ?? "", role: it.getAttribute("role") ?? it.tagName, marked };
    });
    if (wanted(on)) {
      expect(on.marked, `the focus to be seen on ${on.text || on.role}`);
      return i + 1;
    }
  }
  throw new Error("Sixty times Tab did not get there.");
}

test("keyboard", async (page) => {
  await page.goto("/cells");
  await page.getByRole("heading", { name: "Interferon", exact: true }).waitFor();
  await page.keyboard.press("Tab");
  expect((await page.evaluate(() => document.activeElement.textContent)).includes("Skip"), "the first Tab to offer the page itself");
  await tabTo(page, (on) => on.text === "Predict");
  await page.keyboard.press("Enter");
  await page.getByRole("combobox", { name: "Gene" }).waitFor();
  await tabTo(page, (on) => on.role === "combobox");
  await page.keyboard.type("stat");
  await page.getByRole("option", { name: /^STAT1/ }).first().waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("list", { name: "Chosen perturbations" }).waitFor();
  const steps = await tabTo(page, (on) => on.text === "Predict");
  await page.keyboard.press("Enter");
  await page.getByRole("img", { name: /Strongest effects with their intervals/ }).waitFor();
  return { steps };
});
