/** What the cells that were chosen at one moment are at another. */
import { categoryColor, categoryShape, css, shapePath } from "../../charts/scatter";
import { chosenIn } from "../../components/cloud/selection";
import { useDark } from "../../hooks/useDark";
import type { Label } from "../../lib/arrow";
import { figure, many, percent } from "../../lib/format";
import { Button, Table, type Column } from "../../ui";
import { became, spokenHours, type Became } from "./moments";

interface FollowedCellsProps {
  followed: { cells: Uint8Array; since: number } | null;
  state: Label;
  mass: Float32Array;
  times: number[];
  moment: number;
  onClear: () => void;
}

export function FollowedCells({ followed, state, mass, times, moment, onClear }: FollowedCellsProps) {
  const dark = useDark();
  if (!followed) {
    return (
      <section className="card stack-tight" aria-label="Selection">
        <h2>Follow some cells</h2>
        <p className="quiet">None is chosen. Choose Lasso and draw around points, or choose a label above. Then move the slider.</p>
      </section>
    );
  }
  const rows = became(state, mass, followed.cells);
  const total = chosenIn(followed.cells);
  const now = rows.reduce((sum, row) => sum + row.mass, 0);
  const columns: Column<Became>[] = [
    {
      key: "state",
      header: "State",
      rowHeader: true,
      cell: (row) => (
        <span className="followed-state">
          <svg width="14" height="14" viewBox="-8 -8 16 16" aria-hidden="true">
            <path d={shapePath(categoryShape(row.code), 6)} fill={css(categoryColor(row.code, dark))} fillRule="evenodd" />
          </svg>
          {row.category}
        </span>
      ),
      value: (row) => row.category,
    },
    { key: "cells", header: "Followed", numeric: true, cell: (row) => row.cells, value: (row) => row.cells },
    { key: "share", header: "Share", numeric: true, cell: (row) => percent(row.share), value: (row) => row.share },
  ];
  return (
    <section className="card stack-tight" aria-label="Selection">
      <h2 aria-live="polite">
        {many(total, "cell")} of {spokenHours(times[followed.since] ?? 0)}, at {spokenHours(times[moment] ?? 0)}
      </h2>
      <p>
        Each has become <strong>{figure(now / total)}</strong> cells on average.
      </p>
      <Table caption="What they are now" columns={columns} rows={rows} rowKey={(row) => row.category} pageSize={8} />
      <p className="small quiet">Shares count how many cells each has become.</p>
      <div className="row">
        <Button compact onClick={onClear}>
          Clear
        </Button>
      </div>
    </section>
  );
}
