import { describe, expect, it } from "vitest";
import type { Job } from "../../api/types";
import { askedOf, filesOf, placeOf, timeLeft } from "./jobWords";

const job: Job = {
  id: "a1",
  kind: "screen",
  params: { cell: "demo", response: "STAT1", perturbations: "all" },
  state: "done",
  progress: null,
  error: null,
  result: { files: ["screen.csv"] },
  owner: "local",
  created: 0,
  started: null,
  finished: null,
  attempts: 1,
  log: [],
};

describe("what is said of jobs", () => {
  it("rounds the time that is left", () => {
    expect(timeLeft(0.2)).toBe("almost done");
    expect(timeLeft(89)).toBe("about 89 s left");
    expect(timeLeft(600)).toBe("about 10 min left");
    expect(timeLeft(7200)).toBe("about 2 h left");
  });
  it("names what was asked and where the answer is", () => {
    expect(askedOf(job)).toBe("demo · STAT1");
    expect(placeOf(job)).toBe("/screen/a1");
    expect(placeOf({ ...job, kind: "fit", result: { cell: "x y" } })).toBe("/cells?cell=x%20y");
    expect(placeOf({ ...job, kind: "verify" })).toBeUndefined();
  });
  it("lists only files that the job names", () => {
    expect(filesOf(job)).toEqual(["screen.csv"]);
    expect(filesOf({ ...job, result: null })).toEqual([]);
  });
});
