import { expect, it } from "vitest";
import { fieldOrder, fieldText, fieldValue } from "./schemaFields";

it.each([
  ["perturbation", "gene"],
  ["control", ["NT", "non-targeting, pool"]],
  ["context", { value: "K562" }],
  ["dose", { value: 10 }],
  ["birth", 21],
])("writes and reads %s without loss", (name, value) => {
  expect(fieldValue(name, fieldText(value), value)).toEqual(value);
  expect(fieldValue(name, ` ${fieldText(value)} `)).toEqual(typeof value === "number" ? "21" : value);
});

it("reads what a person changed", () => {
  expect(fieldValue("control", "NT; safe", "NT")).toEqual(["NT", "safe"]);
  expect(fieldValue("context", "= THP-1", "cell_line")).toEqual({ value: "THP-1" });
  expect(fieldValue("birth", "19", 21)).toBe(19);
  expect(fieldValue("batch", "", "batch")).toBeUndefined();
});

it("asks open questions first", () => {
  expect(fieldOrder({ batch: "b", units: "counts", kind: "ko" }, ["species", "kind"])).toEqual(["kind", "species", "units", "batch"]);
});
