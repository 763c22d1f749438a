import { expect, it } from "vitest";
import { csvCell, fileName, toCsv } from "./csv";

it("quotes what needs it", () => {
  expect(toCsv(["gene", "note"], [["A", 'say "hi", twice'], ["B", null]])).toBe('gene,note\r\nA,"say ""hi"", twice"\r\nB,\r\n');
});

it("keeps numbers whole, and leaves out what is none", () => {
  expect([csvCell(-1.5), csvCell(1e-9), csvCell(NaN), csvCell(Infinity), csvCell(true)]).toEqual(["-1.5", "1e-9", "", "", "true"]);
});

it("lets no spreadsheet run a text", () => {
  expect(["=1+1", "+1", "@SUM(A1)", "-cmd"].map(csvCell)).toEqual(["'=1+1", "'+1", "'@SUM(A1)", "'-cmd"]);
});

it("names files as every system takes them", () => {
  expect(fileName("Demo cell ko:JAK2 + ko:STAT1", "csv")).toBe("Demo-cell-ko-JAK2-ko-STAT1.csv");
  expect(fileName("///", "csv")).toBe("table.csv");
});
