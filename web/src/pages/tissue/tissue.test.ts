import { expect, it } from "vitest";
import type { Points } from "../../lib/arrow";
import { beyondChance } from "./Change";
import { editParts, editText } from "./edit";
import { rowsOf, sectionLabel, sideBySide, subset } from "./sections";

const section = { name: "section", categories: ["S10", "S2"], codes: Int32Array.of(0, 0, 1, 1) };
const points: Points = {
  x: Float32Array.of(0, 10, 0, 4),
  y: Float32Array.of(0, 20, 100, 110),
  labels: [section, { name: "cell_type", categories: ["B", "T", "NK"], codes: Int32Array.of(0, 2, 1, 2) }],
  numbers: { depth: Float32Array.of(1, 2, 3, 4) },
  axes: ["x (µm)", "y (µm)"],
  about: { section: "section", unit: "µm" },
};

it("finds the label that tells sections apart, only where there are several", () => {
  expect(sectionLabel(points)?.name).toBe("section");
  expect(sectionLabel({ ...points, about: {} })).toBeUndefined();
  expect(sectionLabel(subset(points, rowsOf(section, "S2")))).toBeUndefined();
});

it("takes one section with the categories that are in it", () => {
  const one = subset(points, rowsOf(section, "S2"));
  expect([[...one.x], one.numbers.depth]).toEqual([[0, 4], Float32Array.of(3, 4)]);
  expect(one.labels[1]).toEqual({ name: "cell_type", categories: ["T", "NK"], codes: Int32Array.of(0, 1) });
});

it("puts sections side by side in the order of their names, and leaves each as it is", () => {
  const { points: apart, names } = sideBySide(points, section);
  expect(names.map((name) => name.text)).toEqual(["S2", "S10"]);
  const [ax, bx, cx, dx] = apart.x as unknown as [number, number, number, number];
  expect([bx - ax, dx - cx, apart.y[1]! - apart.y[0]!]).toEqual([10, 4, 20]);
  const right = Math.max(cx, dx);
  expect(Math.min(ax, bx)).toBeGreaterThan(right);
});

it("writes edits as the service reads them, once all is chosen", () => {
  expect([editText("remove", "T cell", "", ""), editText("add", "B", "", "5"), editText("swap", "A", "B", "")]).toEqual(["remove:T cell", "add:B@5%", "swap:A by B"]);
  expect([editText("remove", "", "", ""), editText("add", "B", "", "none"), editText("swap", "A", "A", "")]).toEqual(["", "", ""]);
});

it("says whether neighbors tell more than who is there", () => {
  expect([beyondChance({ mean: 2, shuffled: 1 }), beyondChance({ mean: 1, shuffled: 1 }), beyondChance({ mean: null, shuffled: 1 })]).toEqual([true, false, null]);
});

it("reads the edits that it writes, and no others", () => {
  for (const text of ["remove:T cell", "add:B@5%", "swap:A by B"]) {
    const { deed, type, other, share } = editParts(text)!;
    expect(editText(deed, type, other, share)).toBe(text);
  }
  expect([editParts("ko:STAT1"), editParts("remove:A + remove:B"), editParts("remove:A where region=core"), editParts("")]).toEqual([null, null, null, null]);
});
