/** Sections of tissue, and how far a change in some cells is felt by their neighbors. */
import { useState } from "react";
import { Link } from "react-router";
import type { CellDetail } from "../../api/types";
import { DrawForm } from "../../components/DrawForm";
import { NeedsCell } from "../../components/NeedsCell";
import { useDatasets } from "../../hooks/queries";
import { EmptyState, ErrorState, PageHead, Select, Skeleton, TextField } from "../../ui";

export default function TissuePage() {
  return (
    <>
      <PageHead title="Tissue">
        Cells at their places, and what an edit would change: taking cells out, putting them in, or perturbing some of them.
      </PageHead>
      <NeedsCell what="tissue" lacks="This virtual cell was not fitted on cells with positions">
        {(cell) => <Sections key={cell.id} cell={cell} />}
      </NeedsCell>
    </>
  );
}

function Sections({ cell }: { cell: CellDetail }) {
  const datasets = useDatasets();
  const [chosen, setChosen] = useState("");
  const [edit, setEdit] = useState("");
  if (datasets.isPending) return <Skeleton lines={6} />;
  if (datasets.isError) return <ErrorState error={datasets.error} retry={() => void datasets.refetch()} />;
  const ready = datasets.data.filter((each) => each.state === "ready");
  const dataset = chosen || cell.dataset || ready[0]?.id || "";
  if (ready.length === 0) {
    return (
      <EmptyState title="No section to ask about">
        <p>
          Bring cells with positions under <Link to="/cells">Cells</Link>.
        </p>
      </EmptyState>
    );
  }
  return (
    <DrawForm
      path={`/cells/${encodeURIComponent(cell.id)}/tissue`}
      asked={{ dataset, edit: edit.trim() }}
      lacks={dataset ? "" : "Choose data with positions."}
      action={edit.trim() ? "Show what changes" : "Show the section"}
      name={`tissue ${edit}`}
      empty="Show a section, or ask what an edit would change"
    >
      <Select
        label="Data"
        value={dataset}
        onChange={(event) => setChosen(event.target.value)}
        choices={ready.map((each) => ({ value: each.id, label: each.name }))}
      />
      <TextField
        label="Edit"
        hint="Such as remove:T cell, or ko:STAT1 where cell_type=tumour. Empty: only show the section."
        value={edit}
        onChange={(event) => setEdit(event.target.value)}
      />
    </DrawForm>
  );
}
