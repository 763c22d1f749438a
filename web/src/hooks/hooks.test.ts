import { expect, it } from "vitest";
import type { CellSummary } from "../api/types";
import { visible } from "../shell/navigation";
import { firstChoice } from "./useChosenCell";

const cells = [{ id: "own", source: "fit" }, { id: "demo", source: "demo" }] as CellSummary[]; // prettier-ignore

it("opens with the demo, unless another cell was named or used before", () => {
  expect(firstChoice(cells, "", "")).toBe("demo");
  expect(firstChoice(cells, "", "own")).toBe("own");
  expect(firstChoice(cells, "own", "demo")).toBe("own");
  expect(firstChoice(cells, "gone", "gone too")).toBe("demo");
  expect(firstChoice([], "", "")).toBeUndefined();
});

it("shows places only where the cell can serve them", () => {
  const can = { cells: true, tissue: true, time: false, images: false };
  const place = (needs?: keyof typeof can) => ({ path: "p", label: "P", ofCell: true, needs });
  expect([visible(place(), undefined), visible(place("tissue"), can), visible(place("time"), can), visible(place("tissue"), undefined)]).toEqual([true, true, false, false]);
});
