/** A dataset: the questions its file leaves open, then what can be made of it. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { removeAt } from "../../api/client";
import type { Dataset } from "../../api/types";
import { useDataset } from "../../hooks/queries";
import { count, day } from "../../lib/format";
import { fieldText, meaningOf } from "../../lib/schemaFields";
import { Badge, Banner, Button, ErrorState, PageHead, Skeleton } from "../../ui";
import { FitForm } from "./FitForm";
import { SchemaForm } from "./SchemaForm";

export function DatasetPage() {
  const { dataset: id } = useParams();
  const dataset = useDataset(id);
  if (dataset.error) {
    return (
      <>
        <PageHead title="Dataset" />
        <ErrorState title="The dataset could not be opened" error={dataset.error} retry={() => void dataset.refetch()} />
      </>
    );
  }
  if (!dataset.data) return <Skeleton lines={8} label="Loading the dataset" />;
  return <Shown key={dataset.data.state} dataset={dataset.data} />;
}

function Shown({ dataset }: { dataset: Dataset }) {
  const step = dataset.state === "ready" ? "Step 3 of 3: fit a virtual cell." : "Step 2 of 3: confirm what the columns mean.";
  return (
    <>
      <PageHead title={dataset.name} actions={<Remove dataset={dataset} />}>
        {dataset.state === "refused" ? "This file could not be used." : step}
      </PageHead>
      <div className="stack">
        {dataset.problems.length > 0 && (
          <Banner tone="bad" title="What is wrong with this file">
            <ul>
              {dataset.problems.map((problem) => (
                <li key={problem}>{problem}</li>
              ))}
            </ul>
          </Banner>
        )}
        {dataset.state === "asked" && <SchemaForm dataset={dataset} />}
        {dataset.state === "ready" && <Ready dataset={dataset} />}
        {dataset.state === "refused" && (
          <p>
            <Link className="button" to="/cells/new">
              Bring another file
            </Link>
          </p>
        )}
      </div>
    </>
  );
}

function Ready({ dataset }: { dataset: Dataset }) {
  return (
    <div className="split">
      <section className="card stack" aria-label="Facts">
        <h2>
          Data <Badge tone="good">ready</Badge>
        </h2>
        <dl className="facts">
          <dt>Cells</dt>
          <dd>{count(dataset.cells)}</dd>
          <dt>Genes</dt>
          <dd>{count(dataset.genes)}</dd>
          <dt>Brought</dt>
          <dd>{day(dataset.created)}</dd>
          <dt>Who may see it</dt>
          <dd>{dataset.visibility}</dd>
          {Object.entries(dataset.confirmed ?? {}).filter(([, value]) => value !== null && fieldText(value) !== "").map(([name, value]) => (
            <div key={name} className="fact">
              <dt>{meaningOf(name).label}</dt>
              <dd>{fieldText(value)}</dd>
            </div>
          ))}
        </dl>
        <p>
          <Link className="button" to={`/explore?${new URLSearchParams({ dataset: dataset.id })}`}>
            Look at its cells
          </Link>
        </p>
      </section>
      <FitForm dataset={dataset} />
    </div>
  );
}

function Remove({ dataset }: { dataset: Dataset }) {
  const [sure, setSure] = useState(false);
  const client = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => removeAt(`/datasets/${encodeURIComponent(dataset.id)}`),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["datasets"] });
      void navigate("/cells");
    },
  });
  return (
    <div className="stack-tight">
      {sure ? (
        <div className="row" role="group" aria-label="Remove this dataset?">
          <span>Remove it and its file?</span>
          <Button look="danger" busy={remove.isPending} onClick={() => remove.mutate()}>
            Remove
          </Button>
          <Button onClick={() => setSure(false)}>Keep</Button>
        </div>
      ) : (
        <Button onClick={() => setSure(true)}>Remove…</Button>
      )}
      {remove.error && <ErrorState title="It could not be removed" error={remove.error} />}
    </div>
  );
}
