import { describe, expect, it } from "vitest";
import { agentText, compositionText, escaped, parseAgent, parseComposition, spoken, typedAgents, withAgents } from "./perturbation";

describe("the text of a perturbation", () => {
  it.each([
    "ko:JAK2",
    "ko:JAK2 + ko:STAT1",
    "drug:nutlin-3@10uM + crispri:TP53 for 48h",
    "drug:(%2B)-JQ1@1uM",
    "crispri:MYC/up for 2.5h",
    "ko:STAT1 where cell_type=tumour",
    "ligand:TNF@20ng_per_ml",
    "time for 48h",
  ])("is written as it was read: %s", (text) => {
    const read = parseComposition(text);
    expect(read).not.toBeNull();
    expect(compositionText(read!)).toBe(text);
  });

  it("refuses what has another form", () => {
    expect(parseComposition("JAK2")).toBeNull();
    expect(parseComposition("ko:A/B")).toBeNull();
    expect(parseAgent("ko:")).toBeNull();
  });

  it("escapes what has a meaning, as the service does", () => {
    expect(escaped("(+)-JQ1")).toBe("(%2B)-JQ1");
    expect(escaped("a@b/c%")).toBe("a%40b%2Fc%25");
    expect(escaped("wait for it")).toBe("wait%20for it");
    expect(escaped("T cell")).toBe("T cell");
  });

  it("reads escapes back", () => {
    expect(parseAgent("drug:(%2B)-JQ1@1uM")).toEqual({ kind: "drug", target: "(+)-JQ1", dose: 1, unit: "uM", rest: "" });
  });

  it("leaves out a dose without its unit", () => {
    expect(agentText({ kind: "drug", target: "A", dose: 5, unit: "", rest: "" })).toBe("drug:A");
  });

  it("names the same agent once", () => {
    const agent = parseAgent("ko:JAK2")!;
    expect(compositionText({ agents: [agent, agent], hours: null })).toBe("ko:JAK2");
    expect(withAgents([agent], [agent, parseAgent("ko:STAT1")!])).toHaveLength(2);
  });
});

describe("what was typed", () => {
  it("takes the chosen kind for a plain name", () => {
    expect(typedAgents("JAK2", "crispri").map(agentText)).toEqual(["crispri:JAK2"]);
  });

  it("keeps a kind that was typed, and several", () => {
    expect(typedAgents("ko:JAK2 + STAT1", "crispri").map(agentText)).toEqual(["ko:JAK2", "crispri:STAT1"]);
  });

  it("makes nothing of nothing", () => {
    expect(typedAgents("  ", "ko")).toEqual([]);
  });
});

it("says it as people do", () => {
  expect(spoken("ko:JAK2 + drug:nutlin-3@10uM for 24h")).toBe("JAK2 knockout + nutlin-3 10 uM, 24 h");
  expect(spoken("not a perturbation")).toBe("not a perturbation");
});
