import { expect, it } from "vitest";
import { leftOutSentence } from "./CellCard";
import { wrongWith } from "./UploadPage";

it("refuses a file before it is sent", () => {
  expect(wrongWith({ name: "a.h5ad", size: 0 }, 10)).toContain("empty");
  expect(wrongWith({ name: "a.h5ad", size: 11 }, 10)).toContain("takes up to 10 B");
  expect(wrongWith({ name: "a.h5ad", size: 10 }, 10)).toBe("");
  expect(wrongWith({ name: "a.h5ad", size: 10 }, undefined)).toBe("");
});

it("says what a fit left out, and claims no more than its interval", () => {
  const said = (left_out: object) => leftOutSentence({ left_out });
  expect(said({ gain: 0.1, gain_low: -0.02, gain_high: 0.19, n: 25, harm_rate: 0.32 })).toContain("not shown to be better");
  expect(said({ gain: 0.1, gain_low: 0.02, gain_high: 0.19, n: 25 })).toContain("It was better");
  expect(said({ gain: -0.1, gain_low: -0.2, gain_high: -0.01, n: 25 })).toContain("It was worse than");
  expect(leftOutSentence({})).toBeNull();
});
