/** All jobs, and one of them closely. Jobs outlive the page and the server: this is where one finds them again. */
import { Link, useParams } from "react-router";
import type { Job } from "../../api/types";
import { useJobs } from "../../hooks/queries";
import { isFinished, useJob } from "../../hooks/useJob";
import { percent } from "../../lib/format";
import { EmptyState, ErrorState, PageHead, Skeleton, Table, type Column } from "../../ui";
import { JobFiles } from "./JobFiles";
import { askedOf, kindOf, placeOf } from "./jobWords";
import { JobActions, JobLog, JobProblem, JobProgress, JobStateBadge } from "./JobView";

function when(value: number | string | null): string {
  if (!value) return "–";
  const date = new Date(typeof value === "number" ? value * 1000 : value);
  return date.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

const COLUMNS: Column<Job>[] = [
  {
    key: "kind",
    header: "Job",
    rowHeader: true,
    value: kindOf,
    cell: (job) => <Link to={`/jobs/${job.id}`}>{kindOf(job)}</Link>,
  },
  { key: "asked", header: "Asked", value: askedOf, cell: askedOf },
  { key: "state", header: "State", value: (job) => job.state, cell: (job) => <JobStateBadge state={job.state} /> },
  {
    key: "progress",
    header: "Done",
    numeric: true,
    value: (job) => share(job),
    cell: (job) => (job.state === "done" ? "100%" : share(job) === null ? "–" : percent(share(job) ?? 0)),
  },
  {
    key: "created",
    header: "Begun",
    value: (job) => (typeof job.created === "number" ? job.created : Date.parse(job.created) / 1000),
    cell: (job) => when(job.created),
  },
  {
    key: "open",
    header: "Result",
    cell: (job) => {
      const place = placeOf(job);
      return place && job.state === "done" ? <Link to={place}>Open</Link> : "–";
    },
  },
];

function share(job: Job): number | null {
  const { done = 0, total = 0 } = job.progress ?? {};
  return total > 0 ? done / total : null;
}

export default function JobsPage() {
  const id = useParams()["*"]?.split("/")[0];
  return id ? <OneJob id={id} /> : <AllJobs />;
}

function AllJobs() {
  const jobs = useJobs(5_000);
  return (
    <>
      <PageHead title="Jobs">Long work: fits, screens and checks. It goes on when you leave, and after a restart.</PageHead>
      {jobs.isPending && <Skeleton lines={5} />}
      {jobs.isError && <ErrorState error={jobs.error} retry={() => void jobs.refetch()} />}
      {jobs.data?.length === 0 && (
        <EmptyState title="No job yet">
          <p>
            Start a <Link to="/screen">screen</Link>, or upload cells and fit a virtual cell to them.
          </p>
        </EmptyState>
      )}
      {jobs.data && jobs.data.length > 0 && (
        <Table
          caption="Jobs"
          columns={COLUMNS}
          rows={jobs.data}
          rowKey={(job) => job.id}
          sort={{ key: "created", descending: true }}
          filter
        />
      )}
    </>
  );
}

function OneJob({ id }: { id: string }) {
  const job = useJob(id);
  if (job.isPending) return <Skeleton lines={5} />;
  if (job.isError) return <ErrorState error={job.error} retry={() => void job.refetch()} />;
  const found = job.data;
  const place = placeOf(found);
  return (
    <>
      <PageHead title={kindOf(found)} actions={<JobActions job={found} />}>
        {askedOf(found)}
      </PageHead>
      <div className="stack">
        <section className="card stack-tight" aria-label="State">
          <p className="row">
            <JobStateBadge state={found.state} />
            <span className="small quiet">
              begun {when(found.created)}
              {found.finished ? `, ended ${when(found.finished)}` : ""}
              {found.attempts > 1 ? `, attempt ${found.attempts}` : ""}
            </span>
          </p>
          <JobProgress job={found} />
          <JobProblem job={found} />
          {place && isFinished(found) && found.state === "done" && <Link to={place}>Open the result</Link>}
          <JobFiles job={found} />
        </section>
        {found.kind === "verify" && found.result && <Facts title="What was found" facts={found.result} />}
        <Facts title="What was asked" facts={found.params} />
        <JobLog job={found} />
      </div>
    </>
  );
}

function Facts({ title, facts }: { title: string; facts: Record<string, unknown> }) {
  return (
    <section className="card" aria-label={title}>
      <h2>{title}</h2>
      <dl className="facts">
        {Object.entries(facts).map(([key, value]) => (
          <div key={key} style={{ display: "contents" }}>
            <dt>{key}</dt>
            <dd>{typeof value === "object" ? JSON.stringify(value) : String(value)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
