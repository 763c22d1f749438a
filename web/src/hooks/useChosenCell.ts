/** Which cell the pages talk about: named in the address, else the last one, else the fitted demo. */
import { useCallback, useEffect } from "react";
import { useSearchParams } from "react-router";
import type { CellSummary } from "../api/types";
import { useCell, useCells } from "./queries";

const KEY = "aivc.cell";

function remembered(): string {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** The cell to open with; undefined only where there is none. */
export function firstChoice(cells: CellSummary[], asked: string, before: string): string | undefined {
  const has = (id: string) => cells.some((cell) => cell.id === id);
  if (asked && has(asked)) return asked;
  if (before && has(before)) return before;
  return (cells.find((cell) => cell.source === "demo") ?? cells[0])?.id;
}

export function useChosenCell() {
  const cells = useCells();
  const [params, setParams] = useSearchParams();
  const asked = params.get("cell") ?? "";
  const id = cells.data ? firstChoice(cells.data, asked, remembered()) : undefined;
  const cell = useCell(id);

  useEffect(() => {
    try {
      if (id) localStorage.setItem(KEY, id);
    } catch {
      // Without storage the page opens with the demo the next time.
    }
  }, [id]);

  const choose = useCallback(
    (next: string) =>
      setParams((params) => {
        params.set("cell", next);
        return params;
      }),
    [setParams],
  );
  return { id, cells, cell, choose };
}
