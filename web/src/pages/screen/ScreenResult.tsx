import { Link } from "react-router";
import type { Job } from "../../api/types";
import { useJob } from "../../hooks/useJob";
import { count } from "../../lib/format";
import { Banner, ErrorState, PageHead, Skeleton } from "../../ui";
import { JobFiles } from "../jobs/JobFiles";
import { JobActions, JobLog, JobProblem, JobProgress, JobStateBadge } from "../jobs/JobView";
import { ScreenRows } from "./ScreenRows";

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function ScreenResult({ id }: { id: string }) {
  const job = useJob(id);
  if (job.isPending) return <Skeleton lines={6} />;
  if (job.isError) return <ErrorState error={job.error} retry={() => void job.refetch()} />;
  const found = job.data;
  if (found.kind !== "screen") return <ErrorState error={new Error("This job is no screen. See it under Jobs.")} />;
  const cell = text(found.params.cell);
  return (
    <>
      <PageHead
        title={`Screen: what ${found.params.direction === "raise" ? "raises" : "lowers"} ${text(found.params.response)}`}
        actions={<JobActions job={found} />}
      >
        {cell}
        {text(found.params.context) && ` in ${text(found.params.context)}`}
      </PageHead>
      <div className="stack">
        {found.state !== "done" && (
          <section className="card stack-tight" aria-label="State">
            <JobStateBadge state={found.state} />
            <JobProgress job={found} />
            <JobProblem job={found} />
            <JobLog job={found} />
          </section>
        )}
        {found.state === "done" && found.result && <Done job={found} cell={cell} />}
      </div>
    </>
  );
}

function Done({ job, cell }: { job: Job; cell: string }) {
  const result = job.result ?? {};
  return (
    <>
      {result.new_context === true && (
        <Banner tone="warn" title="Outside what the cell knows">
          <p>Nothing was measured in this context. Its answers carry over what was seen in others.</p>
        </Banner>
      )}
      <section className="card stack-tight" aria-label="What was found">
        <p>
          {typeof result.total === "number" && `${count(result.total)} perturbations, the best first. `}
          {text(result.note)}
        </p>
        {text(result.sureness) && <p className="quiet">{text(result.sureness)}</p>}
        <div className="row no-print">
          <Link className="button primary" to={`/plate?screen=${encodeURIComponent(job.id)}`}>
            Design the next plate
          </Link>
          <JobFiles job={job} />
        </div>
      </section>
      <ScreenRows job={job} cell={cell} />
    </>
  );
}
