import { describe, expect, it } from "vitest";
import { missing, namesOf, paramsOf, type ScreenAsked } from "./screenQuestion";

const asked: ScreenAsked = { cell: "demo", context: "", response: " STAT1, -MYC ", direction: "lower", list: "", kind: "" };

describe("what a screen is asked", () => {
  it("takes lists as people paste them", () => {
    expect(namesOf("JAK2\nSTAT1, IRF1;\tJAK2\n\n")).toEqual(["JAK2", "STAT1", "IRF1"]);
  });
  it("asks about all where nothing is listed", () => {
    expect(paramsOf(asked)).toEqual({
      cell: "demo", context: "", response: "STAT1, -MYC", direction: "lower", perturbations: "all", kind: "",
    });
    expect(paramsOf({ ...asked, list: "ko:JAK2" }).perturbations).toEqual(["ko:JAK2"]);
  });
  it("says what is missing", () => {
    expect(missing({ ...asked, cell: "" }, [])).toContain("virtual cell");
    expect(missing({ ...asked, response: " " }, [])).toContain("read out");
    expect(missing(asked, ["A", "B"])).toContain("context");
    expect(missing(asked, ["A"])).toBe("");
  });
});
