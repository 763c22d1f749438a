/** The cells behind a virtual cell, as points: coloured by label or gene, and counted where one draws a line. */
import { useMemo } from "react";
import { useSearchParams } from "react-router";
import { CellPicker } from "../../components/CellPicker";
import { Cloud } from "../../components/cloud/Cloud";
import { usePoints, type Source } from "../../components/cloud/points";
import { useDatasets } from "../../hooks/queries";
import { useChosenCell } from "../../hooks/useChosenCell";
import { count } from "../../lib/format";
import { EmptyState, ErrorState, PageHead, Select, Skeleton } from "../../ui";

export default function ExplorePage() {
  const { id, cells, cell, choose } = useChosenCell();
  const datasets = useDatasets();
  const [params, setParams] = useSearchParams();
  const dataset = params.get("dataset") ?? "";
  const source = useMemo<Source | null>(() => (dataset ? { kind: "dataset", id: dataset } : id ? { kind: "cell", id } : null), [dataset, id]);
  const points = usePoints(source);
  const ready = (datasets.data ?? []).filter((each) => each.state === "ready");
  // Genes are kept with data; those of a virtual cell are those of the dataset it was fitted on.
  const genesOf = dataset || (cell.data?.dataset ?? null);

  function chooseData(next: string) {
    setParams((params) => {
      if (next) params.set("dataset", next);
      else params.delete("dataset");
      return params;
    });
  }

  return (
    <>
      <PageHead title="Explore">The cells that a virtual cell was fitted on. Draw around some to see what they are.</PageHead>
      <div className="cloud-pick no-print">
        <CellPicker cells={cells.data ?? []} id={id} choose={choose} />
        <Select
          label="Points"
          value={dataset}
          onChange={(event) => chooseData(event.target.value)}
          choices={[{ value: "", label: "Cells of this virtual cell" }, ...ready.map((each) => ({ value: each.id, label: `Dataset ${each.name} (${count(each.cells)} cells)` }))]}
        />
      </div>
      {cells.error ? (
        <ErrorState title="The cells could not be listed" error={cells.error} retry={() => void cells.refetch()} />
      ) : source === null && !cells.isPending ? (
        <EmptyState title="There is nothing to draw yet">
          <p>Fit a virtual cell from your data under Cells.</p>
        </EmptyState>
      ) : points.error ? (
        <ErrorState title="The points could not be drawn" error={points.error} retry={() => void points.refetch()} />
      ) : points.data && source ? (
        <Cloud key={`${source.kind} ${source.id}`} points={points.data} cell={cell.data} genesOf={genesOf} />
      ) : (
        <Skeleton height="34rem" label="Loading the points" />
      )}
    </>
  );
}
