/** What is said of jobs. */
import type { Job, JobKind } from "../../api/types";

const KINDS: Record<JobKind, string> = {
  screen: "Virtual screen",
  fit: "Fit of a virtual cell",
  search: "Search for an intervention",
  propose: "Plate",
  publish: "Publication",
  verify: "Check of a hub entry",
};

export function kindOf(job: Job): string {
  return KINDS[job.kind] ?? job.kind;
}

/** "about 40 s left", "about 5 min left". */
export function timeLeft(seconds: number): string {
  if (seconds < 1) return "almost done";
  if (seconds < 90) return `about ${Math.round(seconds)} s left`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${Math.round(seconds / 3600)} h left`;
}

/** What was asked, in one line. */
export function askedOf(job: Job): string {
  const params = job.params;
  const parts = [params.cell, params.dataset, params.response, params.name, params.ref, params.screen && `of screen ${params.screen}`];
  return parts.filter((part) => typeof part === "string" && part).join(" · ");
}

/** Where its result is looked at; undefined where only the job itself shows it. */
export function placeOf(job: Job): string | undefined {
  if (job.kind === "screen") return `/screen/${job.id}`;
  if (job.kind === "propose") return `/plate/${job.id}`;
  const cell = job.result?.cell;
  if (job.kind === "fit" && typeof cell === "string") return `/cells?cell=${encodeURIComponent(cell)}`;
  const ref = job.result?.ref;
  if (job.kind === "publish" && typeof ref === "string") return `/hub?ref=${encodeURIComponent(ref)}`;
  return undefined;
}

export function filesOf(job: Job): string[] {
  const files = job.result?.files;
  return Array.isArray(files) ? files.map(String) : [];
}
