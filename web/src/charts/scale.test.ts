import { expect, it } from "vitest";
import { extent, linear, ticks } from "./scale";
import { placeNames, volcanoPoints } from "./Volcano";

it("maps a range onto another", () => {
  const scale = linear([0, 10], [100, 200]);
  expect([scale(0), scale(5), scale(10)]).toEqual([100, 150, 200]);
});

it("chooses round ticks inside of the range", () => {
  expect(ticks([0, 1], 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticks([-3.7, 1.2], 5)).toEqual([-3, -2, -1, 0, 1]);
  expect(ticks([2, 2])).toEqual([2]);
});

it("spans finite numbers only", () => {
  expect(extent([1, null, NaN, 3], 0)).toEqual([1, 3]);
  expect(extent([])).toEqual([0, 1]);
});

it("puts clear genes on their side and draws them last", () => {
  const points = volcanoPoints(["A", "B", "C", "D"], [1, -2, 0.1, NaN], [2, 3, 0.5, 1], 1);
  expect(points.map((point) => [point.feature, point.side])).toEqual([["C", "quiet"], ["A", "up"], ["B", "down"]]); // prettier-ignore
});

it("leaves out a name that would cover another", () => {
  const points = volcanoPoints(["A", "B", "C"], [3, 2, -3], [5, 5, 5], 1);
  const names = placeNames(points, (value) => value, (value) => value, 10);
  expect(names.map((name) => name.feature)).toEqual(["A", "C"]);
});
