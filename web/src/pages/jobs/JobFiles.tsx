/** Files that a job made, to take away. */
import { useMutation } from "@tanstack/react-query";
import { getBlob } from "../../api/client";
import type { Job } from "../../api/types";
import { download } from "../../lib/download";
import { Button, ErrorState } from "../../ui";
import { filesOf } from "./jobWords";

export function JobFiles({ job }: { job: Job }) {
  // Fetched and then given, not linked: a link would not carry the token.
  const fetched = useMutation({
    mutationFn: async (name: string) =>
      download(`${job.kind}-${job.id}-${name}`, await getBlob(`/jobs/${encodeURIComponent(job.id)}/files/${encodeURIComponent(name)}`)),
  });
  const files = filesOf(job);
  if (job.state !== "done" || files.length === 0) return null;
  return (
    <div className="row no-print">
      {files.map((name) => (
        <Button key={name} compact busy={fetched.isPending && fetched.variables === name} onClick={() => fetched.mutate(name)}>
          Download {name}
        </Button>
      ))}
      {fetched.isError && <ErrorState error={fetched.error} />}
    </div>
  );
}
