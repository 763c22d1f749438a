/** Text of cards that reads like HTML, scripts or orders to a machine is shown as text, and does nothing. */
import { expect, test } from "./browser.mjs";

test("hostile", async (page) => {
  const { places, texts } = JSON.parse(process.env.AIVC_HOSTILE);
  page.on("dialog", (dialog) => {
    page.complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  for (const [path, shown] of places) {
    await page.goto(path);
    for (const index of shown) await page.getByText(texts[index], { exact: false }).first().waitFor();
    const made = await page.evaluate(() => [window.owned, document.querySelectorAll("#root img:not(.brand img), #root script, #root iframe").length]);
    expect(made[0] === undefined && made[1] === 0, `no element or script made from the text of ${path}, got ${made}`);
    expect((await page.locator('a[href^="javascript:"]').count()) === 0, "no link that is a script");
  }
});
