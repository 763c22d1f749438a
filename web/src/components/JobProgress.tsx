/** How far a job is, in a bar and in words. */
import type { Job } from "../api/types";
import { ErrorState } from "../ui";
import { Failure } from "../api/failure";

const SPOKEN: Record<Job["state"], string> = { queued: "Waiting for its turn", running: "Running", done: "Done", failed: "Failed", cancelled: "Cancelled" };

export function secondsSaid(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

export function JobProgress({ job }: { job: Job }) {
  const { progress } = job;
  const known = progress && progress.total > 0;
  return (
    <div className="stack-tight">
      <div role="status" className="small">
        <strong>{SPOKEN[job.state]}</strong>
        {progress?.text ? `: ${progress.text}` : ""}
        {known && job.state === "running" ? ` (${progress.done} of ${progress.total})` : ""}
        {typeof progress?.seconds_left === "number" && job.state === "running" ? `, about ${secondsSaid(progress.seconds_left)} left` : ""}
      </div>
      {(job.state === "queued" || job.state === "running") && (
        <progress className="progress" aria-label="Progress of the job" {...(known ? { value: progress.done, max: progress.total } : {})} />
      )}
      {job.state === "failed" && <ErrorState title="The job failed" error={new Failure(job.error?.kind ?? "Error", job.error?.problems ?? ["It gave no reason. Its log says more."], 0)} />}
    </div>
  );
}
