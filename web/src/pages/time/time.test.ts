import { expect, it } from "vitest";
import { Failure } from "../../api/failure";
import { always, became, cellsAmong, labelAt, otherMoments, spokenHours, ways } from "./moments";
import { momentText } from "./MomentSlider";
import { stepText, timesRead, withStep } from "./schedule";
import { outside } from "./StepTables";

// Two moments of three cells.
const state = { name: "state", categories: ["early", "left"], codes: Int32Array.of(0, 0, 0, 1, 0, 1) };

it("takes the points of one moment", () => {
  expect([...labelAt(state, 1, 3).codes]).toEqual([1, 0, 1]);
  expect([...otherMoments(6, 1, 3)]).toEqual([1, 1, 1, 0, 0, 0]);
});

it("follows cells that were drawn around, and leaves out points of other moments", () => {
  const cells = cellsAmong([0, 4, 5], 1, 3);
  expect([...cells!]).toEqual([0, 1, 1]);
  expect(cellsAmong([0, 1], 1, 3)).toBeNull();
  expect([...always(cells!, 6)]).toEqual([0, 1, 1, 0, 1, 1]);
});

it("draws the ways of followed cells in either direction, and of not too many", () => {
  const [x, y] = [[0, 1, 2, 10, 11, 12], [0, 0, 0, 5, 5, 5]];
  expect(ways(x, y, Uint8Array.of(1, 0, 1), 1, 0)).toEqual([[0, 0, 10, 5], [2, 0, 12, 5]]); // prettier-ignore
  expect(ways(x, y, Uint8Array.of(1, 1, 1), 0, 1, 1)).toHaveLength(1);
  expect(ways(x, y, Uint8Array.of(1, 1, 1), 1, 1)).toEqual([]);
});

it("counts what cells have become by how many each has become", () => {
  const rows = became(labelAt(state, 1, 3), Float32Array.of(3, 1, 9), Uint8Array.of(1, 1, 0));
  expect(rows).toEqual([
    { category: "left", code: 1, cells: 1, share: 0.75, mass: 3 },
    { category: "early", code: 0, cells: 1, share: 0.25, mass: 1 },
  ]);
});

it("says a moment and what led to it", () => {
  const step = { step: 1, begin: 0, end: 72, done: "wait", applicability: "inside", inside: true, seen: "", made_by: "m", mass: 1, low: 1, high: 1 } as const;
  const answer = { times: [0, 72], steps: [step] };
  expect([momentText(answer, 0), momentText(answer, 1)]).toEqual(["0 h, the start", "72 h (day 3), after waiting 72 h"]);
  expect(spokenHours(1 / 3)).toBe("0.33 h");
  expect(outside([step, { ...step, inside: false }, { ...step, applicability: "outside" }])).toHaveLength(2);
});

it("writes steps as the service reads them", () => {
  expect([stepText({ agent: "", hours: "24" }), stepText({ agent: "drug:X@1uM for 24h", hours: "3" }), stepText({ agent: "", hours: "soon" })]).toEqual(["wait 24h", "drug:X@1uM for 3h", ""]);
  expect([withStep("", "wait 1h"), withStep("wait 1h; ", "wait 2h")]).toEqual(["wait 1h", "wait 1h; wait 2h"]);
});

it("tells a schedule beyond the times that were read from other refusals", () => {
  const beyond = "transport.v1 was fitted on times from 0 to 72 h, but 'time for 500h' takes cells from 0 h to 500 h. Ask for a time between.";
  expect(timesRead(new Failure("PerturbationError", [beyond], 422))).toEqual(["0", "72"]);
  expect(timesRead(new Failure("PerturbationError", ["No step."], 422))).toBeNull();
});
