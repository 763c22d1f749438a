import type { CellSummary } from "../api/types";
import { Select } from "../ui";

const SOURCES: Record<string, string> = { demo: "demo", fit: "fitted here", hub: "from the hub", folder: "from a folder" };

/** Which cell a page is about. */
export function CellPicker({ cells, id, choose }: { cells: CellSummary[]; id: string | undefined; choose: (id: string) => void }) {
  return (
    <Select
      label="Virtual cell"
      value={id ?? ""}
      onChange={(event) => choose(event.target.value)}
      choices={cells.map((cell) => ({ value: cell.id, label: `${cell.title || cell.name} (${SOURCES[cell.source] ?? cell.source})` }))}
    />
  );
}

export function spokenSource(source: string): string {
  return SOURCES[source] ?? source;
}
