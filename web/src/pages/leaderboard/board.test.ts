import { describe, expect, it } from "vitest";
import { best, floorOf, kindOf, type BoardMetric, type BoardRow } from "./board";

const row = (method: string, value: number | null, floor = false): BoardRow => ({ method, role: "method", floor, scores: { m: { value } } });
const higher: BoardMetric = { name: "m", label: "m", better: "higher" };
const lower: BoardMetric = { ...higher, better: "lower" };
const rows = [row("a", 0.2), row("mean", 0.4, true), row("b", 0.9), row("mean:shuffled", 0.8, true), row("none", null)];

describe("a leaderboard", () => {
  it("is in the order of its metric, without what was not scored", () => {
    expect(best(rows, higher).map((each) => each.method)).toEqual(["b", "mean:shuffled", "mean", "a"]);
    expect(best(rows, lower)[0]?.method).toBe("a");
  });
  it("has the best plain baseline for its floor, not a shuffled control", () => {
    expect(floorOf(rows, higher)).toBe(0.4);
    expect(floorOf([row("a", 1)], higher)).toBeNull();
  });
  it("says what each row is", () => {
    expect(rows.map(kindOf)).toEqual(["model", "baseline", "model", "shuffled control", "model"]);
  });
});
