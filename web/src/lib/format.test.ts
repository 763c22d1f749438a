import { expect, it } from "vitest";
import { bytes, count, day, figure, interval, many, percent, signed } from "./format";

it("rounds to what is known, with a true minus", () => {
  expect([figure(0.123456), figure(-2.5), figure(123456.7), figure(0.00001), figure(0), figure(null), figure(NaN)]).toEqual(["0.123", "−2.5", "1.23e+5", "1.00e−5", "0", "–", "–"]);
  expect([signed(0.5), signed(-0.5), signed(0)]).toEqual(["+0.5", "−0.5", "0"]);
});

it("says an interval only where there is one", () => {
  expect(interval(-1, 2)).toBe("−1 to 2");
  expect(interval(null, 2)).toBe("–");
});

it("counts, weighs and dates", () => {
  expect([count(20729), bytes(4294967296), percent(0.486), many(1, "gene"), many(2, "gene")]).toEqual(["20,729", "4.29 GB", "49%", "1 gene", "2 genes"]);
  expect([day(1796086057), day("2026-12-01T10:00:00Z"), day(null), day("soon")]).toEqual(["1 Dec 2026", "1 Dec 2026", "–", "soon"]);
});
