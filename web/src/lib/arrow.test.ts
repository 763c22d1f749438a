import { Dictionary, Float32, Int16, makeData, tableFromArrays, tableToIPC, Table, Utf8, vectorFromArray, Vector } from "apache-arrow";
import { expect, it } from "vitest";
import { readPoints, readTable, readValues } from "./arrow";

it("reads coordinates, labels and the names of axes", () => {
  const type = new Dictionary(new Utf8(), new Int16());
  const labels = new Vector([makeData({ type, length: 3, data: Int16Array.from([1, 0, 1]), dictionary: vectorFromArray(["B", "T"], new Utf8()) })]);
  const table = new Table({ x: vectorFromArray(Float32Array.of(1, 2, 3)), y: vectorFromArray(Float32Array.of(4, 5, 6)), cell_type: labels, hours: vectorFromArray([0, null, 24], new Float32()) });
  table.schema.metadata.set("axes", '["UMAP 1", "UMAP 2"]');
  const points = readPoints(tableToIPC(table, "stream"));
  expect([...points.x]).toEqual([1, 2, 3]);
  expect(points.axes).toEqual(["UMAP 1", "UMAP 2"]);
  expect(points.numbers).toEqual({ hours: Float32Array.of(0, NaN, 24) });
  const [label] = points.labels;
  expect([...label!.codes].map((code) => label!.categories[code])).toEqual(["T", "B", "T"]);
});

it("reads values, and what is missing as no number", () => {
  const values = readValues(tableToIPC(new Table({ value: vectorFromArray([1, null, 3], new Float32()) }), "stream"));
  expect([...values]).toEqual([1, NaN, 3]);
});

it("reads any table as rows", () => {
  const bytes = tableToIPC(tableFromArrays({ feature: ["A", "B"], effect: Float64Array.of(0.5, -1) }), "stream");
  expect(readTable(bytes)).toEqual({ header: ["feature", "effect"], rows: [["A", 0.5], ["B", -1]] }); // prettier-ignore
});
