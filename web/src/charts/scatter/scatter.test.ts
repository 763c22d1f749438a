import { expect, it } from "vitest";
import { inside, lassoed, nearest } from "./lasso";
import { categoryColor, categoryShape, colorRange, paintCategories, paintValues, withoutColor } from "./paint";
import { apart, coarseness } from "./ScatterPlot";
import { barLength, moved, onPlane, toPlane, toScreen, WHOLE, zoomed } from "./view";

const SIZE = { width: 800, height: 600 };

it("finds the points inside a line, corners and notches included", () => {
  const notched = [-1, -1, 1, -1, 1, 1, 0, 0, -1, 1];
  expect([inside(notched, 0, -0.5), inside(notched, 0, 0.5), inside(notched, -0.9, 0.5)]).toEqual([true, false, true]);
  const plane = Float32Array.from([0, -0.5, 0, 0.5, 5, 5]);
  expect([...lassoed(plane, notched)]).toEqual([0]);
  expect([...lassoed(plane, [0, 0, 1, 1])]).toEqual([]);
});

it("finds the nearest point within reach", () => {
  const plane = Float32Array.from([0, 0, 1, 1]);
  expect([nearest(plane, 0.9, 0.9, 0.5), nearest(plane, 0.5, 0.4, 0.1)]).toEqual([1, -1]);
});

it("goes to the screen and back", () => {
  const view = { x: 0.3, y: -0.2, zoom: 3 };
  const [px, py] = toScreen(view, SIZE, 0.1, 0.4);
  expect(toPlane(view, SIZE, px, py)[0]).toBeCloseTo(0.1);
  expect(toPlane(view, SIZE, px, py)[1]).toBeCloseTo(0.4);
});

it("keeps the place under the pointer while it zooms", () => {
  const before = toPlane(WHOLE, SIZE, 200, 150);
  const after = toPlane(zoomed(WHOLE, SIZE, 200, 150, 2.5), SIZE, 200, 150);
  expect(after[0]).toBeCloseTo(before[0]);
  expect(after[1]).toBeCloseTo(before[1]);
});

it("moves with the pointer", () => {
  const [px, py] = toScreen(moved(WHOLE, SIZE, 10, -20), SIZE, 0, 0);
  expect([px, py]).toEqual([SIZE.width / 2 + 10, SIZE.height / 2 - 20]);
});

it("brings points between -1 and 1, by one factor, and those without a place out of sight", () => {
  expect([...onPlane([0, 10, 5, NaN], [0, 4, 2, 1])]).toEqual([-1, expect.closeTo(-0.4), 1, expect.closeTo(0.4), 0, 0, 1e6, 1e6]);
});

it("draws a scale bar of a round length that fits", () => {
  expect([barLength(1, 800), barLength(10, 800), barLength(0.003, 800, 0.3)]).toEqual([100, 10, 50_000]);
});

it("gives each of the first categories a pair of colour and symbol of its own", () => {
  const pairs = Array.from({ length: 48 }, (_, code) => `${categoryColor(code, false)} ${categoryShape(code)}`);
  expect(new Set(pairs).size).toBe(48);
});

it("draws what is selected last, and high values over low ones", () => {
  const { order, colors } = paintCategories([0, 1, 0], false, { selected: Uint8Array.from([0, 1, 0]) });
  expect([...order!]).toEqual([0, 2, 1]);
  expect(colors[3]).toBeLessThan(colors[7]!);
  expect([...paintValues(Float32Array.from([3, 1, 2]), [0, 3], false).order!]).toEqual([1, 2, 0]);
});

it("draws what stands behind first and faintly, also where it is selected", () => {
  const { order, colors } = paintCategories([0, 0, 0], false, { behind: Uint8Array.from([0, 0, 1]), selected: Uint8Array.from([0, 1, 1]) });
  expect([...order!]).toEqual([2, 0, 1]);
  expect([colors[11]! < colors[3]!, colors[3]! < colors[7]!]).toEqual([true, true]);
});

it("draws points without a value as grey crosses below the others", () => {
  const { order, shapes, colors } = paintValues(Float32Array.from([2, NaN, 1]), [0, 2], false);
  expect([...order!]).toEqual([1, 2, 0]);
  expect([...shapes]).toEqual([0, 4, 0]);
  expect([...colors.subarray(4, 7)]).toEqual(withoutColor(false));
});

it("spans the colours so that one high point does not fade the rest", () => {
  const values = Float32Array.from({ length: 1000 }, (_, i) => (i === 0 ? 1e6 : i % 10));
  expect(colorRange(values)).toEqual([0, 9]);
  expect(colorRange(Float32Array.from([2, 2]))).toEqual([2, 3]);
});

it("draws coarsely only where drawing takes long", () => {
  expect([coarseness(3), coarseness(250), coarseness(1e6)]).toEqual([1, 10, 64]);
});

it("leaves out names that would cover others", () => {
  const name = (text: string, x: number, y: number) => ({ text, at: [x, y] as const });
  expect(apart([name("T cell", 0, 0), name("B cell", 20, 5), name("NK", 20, 40)]).map((each) => each.text)).toEqual(["T cell", "NK"]);
});
