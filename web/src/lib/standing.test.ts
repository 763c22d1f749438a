import { expect, it } from "vitest";
import { standing } from "./standing";

const answer = (change: object) => ({ applicability: "inside", applicability_text: "Seen.", abstained: false, measured: false, ...change }) as Parameters<typeof standing>[0];

it("draws what is inside", () => {
  expect(standing(answer({}))).toMatchObject({ tone: "good", known: true, text: "Seen." });
  expect(standing(answer({ measured: true })).title).toContain("measured");
});

it("warns at the edge, and draws", () => {
  expect(standing(answer({ applicability: "edge" }))).toMatchObject({ tone: "warn", known: true });
});

it("draws nothing as known outside, nor where the model abstained", () => {
  expect(standing(answer({ applicability: "outside" }))).toMatchObject({ tone: "bad", known: false });
  expect(standing(answer({ abstained: true }))).toMatchObject({ tone: "warn", known: false });
  expect(standing(answer({ applicability: "outside", abstained: true })).title).toContain("Outside");
});

it("does not take a word it does not know for a good one", () => {
  expect(standing(answer({ applicability: "beside" })).tone).toBe("warn");
});
