import { describe, expect, it } from "vitest";
import { placeOf, rowName, shapeOf } from "./plateLayout";

describe("wells", () => {
  it("reads their names", () => {
    expect(placeOf("A1")).toEqual({ row: 0, column: 0 });
    expect(placeOf("b03")).toEqual({ row: 1, column: 2 });
    expect(placeOf("AA10")).toEqual({ row: 26, column: 9 });
    expect(placeOf("well 3")).toBeNull();
  });
  it("names rows back", () => {
    for (const row of [0, 7, 25, 26, 31]) expect(placeOf(`${rowName(row)}1`)?.row).toBe(row);
  });
  it("finds the plate", () => {
    expect(shapeOf(["A01", "H12"])).toEqual({ rows: 8, columns: 12 });
    expect(shapeOf(["A01", "P24"])).toEqual({ rows: 16, columns: 24 });
    expect(shapeOf([])).toEqual({ rows: 2, columns: 3 });
  });
});
