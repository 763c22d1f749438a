import { expect, it } from "vitest";
import { asFailure, Failure, failureFrom, mayPass } from "./failure";

it("keeps what the service says", () => {
  const failure = failureFrom(422, { error: { kind: "DataError", problems: ["No control. Name one.", "Two genes."] } });
  expect(failure).toMatchObject({ kind: "DataError", status: 422, problems: ["No control. Name one.", "Two genes."] });
});

it("always says what to do", () => {
  expect(failureFrom(401, null).problems[0]).toContain("Settings");
  expect(failureFrom(500, null).problems[0]).toContain("500");
  expect(failureFrom(413, { detail: "Too large" }).problems).toHaveLength(2);
});

it("says that the service does not answer", () => {
  expect(asFailure(new TypeError("Failed to fetch")).problems[0]).toContain("aivc serve");
  expect(asFailure("odd")).toBeInstanceOf(Failure);
});

it("tells what may pass from a refusal", () => {
  expect([0, 429, 503, 404, 422].map((status) => mayPass(new Failure("Error", ["Said."], status)))).toEqual([true, true, true, false, false]);
});
