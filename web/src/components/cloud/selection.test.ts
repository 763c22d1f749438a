import { expect, it } from "vitest";
import { chosenIn, counts, mainCategory, maskOf, maskOfCategory, places, ranked, taken } from "./selection";
import { contextOf, means } from "./SelectionSummary";

const label = { name: "cell_type", categories: ["B", "T"], codes: Int32Array.from([0, 1, 1, 1]) };

it("counts each category in the selection and in all", () => {
  const mask = maskOf([0, 1], 4);
  expect(counts(label, mask)).toEqual([
    { category: "T", code: 1, selected: 1, all: 3 },
    { category: "B", code: 0, selected: 1, all: 1 },
  ]);
  expect(chosenIn(mask)).toBe(2);
  expect(maskOf([], 4)).toBeNull();
});

it("gives the largest category the first colour", () => {
  expect(ranked(label)).toEqual({ name: "cell_type", categories: ["T", "B"], codes: Int32Array.from([1, 0, 0, 0]) });
});

it("finds what most of a selection is, and the context it can be used as", () => {
  const mask = maskOfCategory(label, 1);
  expect(mainCategory(label, mask)).toEqual({ category: "T", share: 1 });
  expect(contextOf([label], mask, ["T", "NK"])).toEqual({ context: "T", share: 1 });
  expect(contextOf([label], mask, ["NK"])).toBeNull();
});

it("compares means inside and outside", () => {
  expect(means(Float32Array.from([1, 2, 4, 6]), maskOfCategory(label, 0))).toEqual({ inside: 1, outside: 4 });
  expect(means(Float32Array.from([1, 2, NaN, 6]), maskOfCategory(label, 0))).toEqual({ inside: 1, outside: 4 });
});

it("puts a name where half of its points lie on each side", () => {
  expect(places(label, Float32Array.from([9, 1, 2, 90]), Float32Array.from([0, 5, 5, 5]))[1]).toEqual({ text: "T", x: 2, y: 5 });
});

it("takes some values in the order asked for, and keeps their kind", () => {
  expect(taken(Float32Array.of(5, 6, 7), [2, 0])).toEqual(Float32Array.of(7, 5));
  expect(taken(Int32Array.of(5, 6, 7), Uint32Array.of(1))).toEqual(Int32Array.of(6));
});
