/** A job as people watch it: where it is, how long the rest takes, what it said, and what can be done about it. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { sendJson } from "../../api/client";
import { Failure } from "../../api/failure";
import type { Job, JobState } from "../../api/types";
import { isFinished } from "../../hooks/useJob";
import { count } from "../../lib/format";
import { Badge, Button, ErrorState } from "../../ui";
import { timeLeft } from "./jobWords";

const TONES: Record<JobState, "good" | "warn" | "bad" | "accent"> = {
  queued: "warn",
  running: "accent",
  done: "good",
  failed: "bad",
  cancelled: "warn",
};

export function JobStateBadge({ state }: { state: JobState }) {
  return <Badge tone={TONES[state]}>{state}</Badge>;
}

export function JobProgress({ job }: { job: Job }) {
  const { text = "", done = 0, total = 0, seconds_left = null } = job.progress ?? {};
  if (isFinished(job)) return null;
  const known = total > 0;
  const said = job.state === "queued" ? "Waiting for a free place" : text || "Starting";
  return (
    <div className="stack-tight">
      <progress className="progress" max={known ? total : undefined} value={known ? done : undefined} aria-label={said} />
      <p className="small quiet" role="status">
        {said}
        {known && `, ${count(done)} of ${count(total)}`}
        {seconds_left !== null && `, ${timeLeft(seconds_left)}`}
      </p>
    </div>
  );
}

export function JobActions({ job }: { job: Job }) {
  const client = useQueryClient();
  const act = useMutation({
    mutationFn: (what: "cancel" | "resume") => sendJson<Job>(`/jobs/${encodeURIComponent(job.id)}/${what}`, {}),
    onSuccess: (next) => {
      client.setQueryData(["job", job.id], next);
      void client.invalidateQueries({ queryKey: ["jobs"] });
    },
  });
  const stopped = job.state === "failed" || job.state === "cancelled";
  return (
    <span className="row no-print">
      {!isFinished(job) && (
        <Button compact look="danger" busy={act.isPending} onClick={() => act.mutate("cancel")}>
          Cancel
        </Button>
      )}
      {stopped && (
        <Button compact busy={act.isPending} onClick={() => act.mutate("resume")}>
          Go on
        </Button>
      )}
      {act.isError && <ErrorState error={act.error} />}
    </span>
  );
}

/** Why a job ended without a result, in the words of what refused it. */
export function JobProblem({ job }: { job: Job }) {
  if (job.state === "cancelled") return <p className="quiet">It was cancelled. What was finished is kept: it can go on.</p>;
  if (job.state !== "failed") return null;
  const problems = job.error?.problems?.length ? job.error.problems : ["It ended without saying why. Its log says more."];
  return <ErrorState title="This job failed" error={new Failure(job.error?.kind ?? "Error", problems, 0)} />;
}

export function JobLog({ job }: { job: Job }) {
  if (job.log.length === 0) return null;
  return (
    <details className="no-print">
      <summary>Log</summary>
      <pre className="small mono" style={{ whiteSpace: "pre-wrap" }}>
        {job.log.join("\n")}
      </pre>
    </details>
  );
}
