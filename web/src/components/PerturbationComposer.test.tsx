import { cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { CellDetail } from "../api/types";
import { compositionText, type Composition } from "../lib/perturbation";
import { PerturbationComposer, usualDose } from "./PerturbationComposer";

const cell = {
  id: "drugs",
  kinds: ["drug", "ko"],
  doses: { used: true, units: "uM", values: [0.1, 1, 10] },
  hours: { used: true, values: [24, 48] },
} as unknown as CellDetail;
const NAMES = vi.hoisted(() => [{ text: "drug:nutlin-3", name: "nutlin-3", kind: "drug", measured: true }]);

let text = "";

function Composer() {
  const [value, setValue] = useState<Composition>({ agents: [], hours: null });
  text = compositionText(value);
  return <PerturbationComposer cell={cell} value={value} onChange={setValue} />;
}

vi.mock("../hooks/queries", () => ({ useNames: () => ({ data: NAMES, isFetching: false, isPlaceholderData: false }) }));

beforeEach(() => {
  render(<Composer />);
});

afterEach(cleanup);

it("gives a compound the middle of the measured doses, which can be changed, and hours", async () => {
  await userEvent.type(screen.getByRole("combobox", { name: "Gene or compound" }), "nut");
  await userEvent.click(await screen.findByRole("option", { name: /nutlin-3/ }));
  expect(text).toBe("drug:nutlin-3@1uM");
  const dose = screen.getByRole("spinbutton", { name: "Dose of nutlin-3, uM" });
  await userEvent.clear(dose);
  await userEvent.type(dose, "2.5");
  await userEvent.type(screen.getByRole("spinbutton", { name: "Hours" }), "24");
  expect(text).toBe("drug:nutlin-3@2.5uM for 24h");
});

it("combines, without a dose for a gene, and takes back", async () => {
  const box = () => screen.getByRole("combobox", { name: /Gene or compound|Combine with/ });
  await userEvent.type(box(), "ko:TP53{Enter}");
  await userEvent.type(box(), "drug:JQ1{Enter}");
  expect(text).toBe("ko:TP53 + drug:JQ1@1uM");
  await userEvent.click(screen.getByRole("button", { name: "Remove ko:TP53" }));
  expect(text).toBe("drug:JQ1@1uM");
});

it("has no usual dose where none was measured", () => {
  expect([usualDose([]), usualDose([5]), usualDose([1, 2, 3, 4])]).toEqual([null, 5, 2]);
});
