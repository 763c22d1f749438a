/** The next plate: part to confirm, part to learn from, with controls, at random places. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { getJson, pathWith } from "../../api/client";
import type { Job } from "../../api/types";
import { useJobs } from "../../hooks/queries";
import { useJob, useStartJob } from "../../hooks/useJob";
import { Button, Check, EmptyState, ErrorState, PageHead, Select, Skeleton, Table, TextField, type Column } from "../../ui";
import { JobFiles } from "../jobs/JobFiles";
import { askedOf } from "../jobs/jobWords";
import { JobActions, JobProblem, JobProgress, JobStateBadge } from "../jobs/JobView";
import { PlateMap } from "./PlateMap";
import { roleOf, type PlateRow } from "./plateLayout";

const COLUMNS: Column<PlateRow>[] = [
  { key: "well", header: "Well", rowHeader: true, value: (row) => row.well, cell: (row) => row.well },
  { key: "perturbation", header: "Perturbation", value: (row) => row.perturbation, cell: (row) => row.perturbation },
  { key: "role", header: "Role", value: (row) => row.role, cell: (row) => roleOf(row.role).said },
  { key: "reason", header: "Why", value: (row) => row.reason, cell: (row) => row.reason },
];

// Plates as they are made; the service takes no other.
const SIZES = ["6", "12", "24", "48", "96", "384", "1536"];
const AT_ONCE = 1000;

export default function PlatePage() {
  const id = useParams()["*"]?.split("/")[0];
  return id ? <OnePlate id={id} /> : <PlateForm />;
}

function PlateForm() {
  const jobs = useJobs();
  const [params] = useSearchParams();
  const screens = (jobs.data ?? []).filter((job) => job.kind === "screen" && job.state === "done");
  const [chosen, setChosen] = useState(params.get("screen") ?? "");
  const [size, setSize] = useState("96");
  const [controls, setControls] = useState("8");
  const [explore, setExplore] = useState("0.5");
  const [seed, setSeed] = useState("0");
  const [noEdge, setNoEdge] = useState(false);
  const start = useStartJob();
  const navigate = useNavigate();
  const screen = chosen || screens[0]?.id;

  if (jobs.isPending) return <Skeleton lines={6} />;
  if (jobs.isError) return <ErrorState error={jobs.error} retry={() => void jobs.refetch()} />;
  return (
    <>
      <PageHead title="Plate">Turn a virtual screen into the next plate: part to confirm what is predicted, part to learn from.</PageHead>
      {!screen ? (
        <EmptyState title="No finished screen yet">
          <p>
            A plate is designed from a ranking. Run a <Link to="/screen">screen</Link> first.
          </p>
        </EmptyState>
      ) : (
        <form
          className="card stack"
          style={{ maxWidth: "46rem" }}
          onSubmit={(event) => {
            event.preventDefault();
            const asked = { screen, size: Number(size), controls: Number(controls), explore: Number(explore), seed: Number(seed), no_edge: noEdge };
            start.mutate({ kind: "propose", params: asked }, { onSuccess: (job) => void navigate(`/plate/${job.id}`) });
          }}
        >
          <Select
            label="Screen"
            value={screen}
            onChange={(event) => setChosen(event.target.value)}
            choices={screens.map((job) => ({ value: job.id, label: askedOf(job) || job.id }))}
          />
          <div className="split">
            <Select label="Wells" value={size} onChange={(event) => setSize(event.target.value)} choices={SIZES.map((value) => ({ value, label: value }))} />
            <TextField label="Control wells" type="number" min={0} required value={controls} onChange={(event) => setControls(event.target.value)} />
            <TextField
              label="Share to learn from"
              hint="0: only confirm the best; 1: only explore."
              type="number"
              min={0}
              max={1}
              step={0.05}
              required
              value={explore}
              onChange={(event) => setExplore(event.target.value)}
            />
            <TextField
              label="Seed of the layout"
              hint="The same seed gives the same places."
              type="number"
              min={0}
              required
              value={seed}
              onChange={(event) => setSeed(event.target.value)}
            />
          </div>
          <Check label="Leave the outer wells empty" checked={noEdge} onChange={(event) => setNoEdge(event.target.checked)} />
          {start.isError && <ErrorState error={start.error} title="The plate was not designed" />}
          <div className="row">
            <Button type="submit" look="primary" busy={start.isPending}>
              Design the plate
            </Button>
          </div>
        </form>
      )}
    </>
  );
}

function OnePlate({ id }: { id: string }) {
  const job = useJob(id);
  if (job.isPending) return <Skeleton lines={6} />;
  if (job.isError) return <ErrorState error={job.error} retry={() => void job.refetch()} />;
  return (
    <>
      <PageHead title="Plate" actions={<JobActions job={job.data} />}>
        {typeof job.data.result?.note === "string" ? job.data.result.note : ""}
      </PageHead>
      {job.data.state === "done" ? (
        <Wells job={job.data} />
      ) : (
        <section className="card stack-tight" aria-label="State">
          <JobStateBadge state={job.data.state} />
          <JobProgress job={job.data} />
          <JobProblem job={job.data} />
        </section>
      )}
    </>
  );
}

function Wells({ job }: { job: Job }) {
  const rows = useQuery({
    queryKey: ["rows", job.id, "plate"],
    staleTime: Infinity,
    queryFn: async ({ signal }) => {
      const read = (offset: number) =>
        getJson<{ rows: PlateRow[]; total: number }>(
          pathWith(`/jobs/${encodeURIComponent(job.id)}/rows`, { limit: AT_ONCE, offset: offset || undefined }),
          signal,
        );
      const first = await read(0);
      // The largest plate has more wells than the service gives at once.
      const more = first.total > AT_ONCE ? await read(AT_ONCE) : { rows: [] };
      return [...first.rows, ...more.rows];
    },
  });
  const remarks = Array.isArray(job.result?.remarks) ? job.result.remarks.map(String) : [];
  if (rows.isPending) return <Skeleton height="20rem" />;
  if (rows.isError) return <ErrorState error={rows.error} retry={() => void rows.refetch()} />;
  return (
    <div className="stack">
      {(remarks.length > 0 || typeof job.result?.sureness === "string") && (
        <section className="card stack-tight" aria-label="Remarks">
          {typeof job.result?.sureness === "string" && <p>{job.result.sureness}</p>}
          {remarks.map((remark) => (
            <p key={remark} className="quiet">
              {remark}
            </p>
          ))}
        </section>
      )}
      <JobFiles job={job} />
      <section className="card" aria-label="Plate map">
        <PlateMap rows={rows.data} />
      </section>
      <Table caption="Wells" columns={COLUMNS} rows={rows.data} rowKey={(row) => row.well} pageSize={96} filter filterLabel="Filter wells" />
    </div>
  );
}
