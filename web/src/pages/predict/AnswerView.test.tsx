import { cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, it } from "vitest";
import type { Answer, CellDetail } from "../../api/types";
import { AnswerView, effectRows, levelRows, setName } from "./AnswerView";

afterEach(cleanup);

const genes = [
  { feature: "UP", control: 1, predicted: 2, effect: 1, low: 0.5, high: 1.5, clear: true },
  { feature: "DOWN", control: 3, predicted: 1, effect: -2, low: -4, high: 0.1, clear: false },
];
const answer: Answer = {
  perturbation: "ko:JAK2", context: "THP-1", units: "log counts", level: 0.9, applicability: "inside", applicability_text: "Seen.", made_by: ["effect.v2"],
  abstained: false, sureness: "1 of 2 features have an interval clear of zero.", measured: false, genes, volcano: { feature: ["UP", "DOWN"], effect: [1, -2], sureness: [2, 0.9] },
  pathways: [], why: [], scored: null, remarks: ["A remark."], seconds: 0.2,
}; // prettier-ignore
const cell = { id: "c", name: "c", title: "C", scores: null, instruments: [], card: {} } as unknown as CellDetail;

function shown(change: Partial<Answer>) {
  render(<AnswerView cell={cell} question={{ perturbation: "ko:JAK2" }} answer={{ ...answer, ...change }} />);
}

it("shows what is known at once, with its sureness and remarks", () => {
  shown({});
  expect(screen.getByRole("rowheader", { name: "UP" })).toBeTruthy();
  expect(screen.getByText(answer.sureness)).toBeTruthy();
  expect(screen.getByText("A remark.")).toBeTruthy();
});

it.each([{ applicability: "outside" as const }, { abstained: true }])("draws no default as if it were known: %o", async (change) => {
  shown(change);
  expect(screen.queryByRole("rowheader", { name: "UP" })).toBeNull();
  expect(screen.queryByText(answer.sureness)).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Show the default answer" }));
  expect(screen.getByRole("rowheader", { name: "UP" })).toBeTruthy();
  expect(screen.getByText(/Default answer: the mean effect/)).toBeTruthy();
});

it("draws effects and levels with the same interval, filled only where it is clear of zero", () => {
  expect(effectRows(genes, true)).toMatchObject([{ label: "UP", value: 1, strong: true, tone: "up" }, { label: "DOWN", low: -4, strong: false, tone: "down" }]); // prettier-ignore
  expect(levelRows(genes, true)[1]).toMatchObject({ value: 1, low: -1, high: 3.1, beside: 3 });
  expect(effectRows(genes, false)[0]).toMatchObject({ strong: false, tone: "muted" });
});

it("reads the names of gene sets", () => {
  expect(setName("HALLMARK_INTERFERON_GAMMA_RESPONSE")).toBe("INTERFERON GAMMA RESPONSE");
});
