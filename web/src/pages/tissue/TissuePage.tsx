/** Sections of tissue as points, and how far a change in some cells is felt by their neighbors. */
import { Link, useSearchParams } from "react-router";
import type { CellDetail } from "../../api/types";
import { NeedsCell } from "../../components/NeedsCell";
import { useDatasets } from "../../hooks/queries";
import { count } from "../../lib/format";
import { EmptyState, ErrorState, PageHead, Select, Skeleton } from "../../ui";
import { Sections } from "./Sections";
import "./tissue.css";
import { usePositions } from "./tissueData";

export default function TissuePage() {
  return (
    <>
      <PageHead title="Tissue">Cells at their places, and what an edit would change: taking cells out, putting them in, or perturbing some of them.</PageHead>
      <NeedsCell
        what="tissue"
        lacks="This virtual cell was not fitted on cells with positions"
        how={
          <p>
            One that was is made in Python, by <code>fit_tissue(cells).save(FOLDER)</code>, and served with <code>aivc serve --cell FOLDER</code>.
          </p>
        }
      >
        {(cell) => <Data key={cell.id} cell={cell} />}
      </NeedsCell>
    </>
  );
}

function Data({ cell }: { cell: CellDetail }) {
  const datasets = useDatasets();
  const [params, setParams] = useSearchParams();
  const placed = (datasets.data ?? []).filter((each) => each.positions);
  const wanted = params.get("dataset") ?? "";
  const dataset = placed.find((each) => each.id === wanted) ?? placed.find((each) => each.id === cell.dataset) ?? placed[0];
  const positions = usePositions(dataset?.id ?? "");

  function ask(changes: Record<string, string>) {
    setParams((params) => {
      for (const [name, value] of Object.entries(changes)) {
        if (value) params.set(name, value);
        else params.delete(name);
      }
      return params;
    });
  }

  if (datasets.isPending) return <Skeleton lines={6} label="Loading the list of data" />;
  if (datasets.isError) return <ErrorState title="The data could not be listed" error={datasets.error} retry={() => void datasets.refetch()} />;
  if (!dataset) {
    return (
      <EmptyState title="No data with positions yet">
        <p>
          <Link to="/cells/new">Bring a file</Link> that says where its cells lie, such as an h5ad with <code>obsm["spatial"]</code> or the zipped folder of a spatial
          instrument. When you confirm its columns, say where the coordinates are, and in what unit.
        </p>
        <p>It needs the genes that this virtual cell was fitted on.</p>
      </EmptyState>
    );
  }
  const pick = (
    <Select
      label="Data"
      hint={placed.length === 1 ? "The only data here with positions." : undefined}
      value={dataset.id}
      onChange={(event) => ask({ dataset: event.target.value, section: "", edit: "" })}
      choices={placed.map((each) => ({ value: each.id, label: `${each.name}${each.cells ? ` (${count(each.cells)} cells)` : ""}` }))}
    />
  );
  if (positions.isError) {
    return (
      <div className="stack">
        <div className="cloud-pick no-print">{pick}</div>
        <ErrorState title="The sections could not be drawn" error={positions.error} retry={() => void positions.refetch()} />
      </div>
    );
  }
  if (!positions.data) return <Skeleton height="34rem" label="Loading the sections" />;
  return <Sections key={dataset.id} cell={cell} dataset={dataset} points={positions.data} pick={pick} edit={params.get("edit") ?? ""} section={params.get("section") ?? ""} ask={ask} />;
}
