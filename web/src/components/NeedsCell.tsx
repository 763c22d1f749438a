/** What a page shows where the chosen cell cannot serve it. */
import type { ReactNode } from "react";
import { Link } from "react-router";
import type { CellDetail } from "../api/types";
import { useChosenCell } from "../hooks/useChosenCell";
import { EmptyState, ErrorState, Skeleton } from "../ui";

interface NeedsCellProps {
  what: keyof CellDetail["capabilities"];
  lacks: string;
  /** How one comes by a cell that can. */
  how?: ReactNode;
  children: (cell: CellDetail) => ReactNode;
}

export function NeedsCell({ what, lacks, how, children }: NeedsCellProps) {
  const { cells, cell, id } = useChosenCell();
  if (cells.isPending || (id && cell.isPending)) return <Skeleton lines={6} />;
  if (cells.isError) return <ErrorState error={cells.error} retry={() => void cells.refetch()} />;
  if (cell.isError) return <ErrorState error={cell.error} retry={() => void cell.refetch()} />;
  if (!cell.data?.capabilities[what]) {
    return (
      <EmptyState title={cell.data ? lacks : "No virtual cell yet"}>
        <p>
          Choose another one under <Link to="/cells">Cells</Link>.
        </p>
        {how}
      </EmptyState>
    );
  }
  return <>{children(cell.data)}</>;
}
