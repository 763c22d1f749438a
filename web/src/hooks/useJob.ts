/** A job as it runs: asked once, then followed by the events that the service sends. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { BASE, getJson, sendJson } from "../api/client";
import type { Job, JobKind } from "../api/types";

export function isFinished(job: Job | undefined): boolean {
  return job !== undefined && (job.state === "done" || job.state === "failed" || job.state === "cancelled");
}

export function useJob(id: string | undefined) {
  const client = useQueryClient();
  const query = useQuery({
    queryKey: ["job", id],
    enabled: Boolean(id),
    queryFn: ({ signal }) => getJson<Job>(`/jobs/${encodeURIComponent(id ?? "")}`, signal),
    // Some proxies hold events back, so the job is also asked from time to time.
    refetchInterval: ({ state }) => (isFinished(state.data) ? false : 10_000),
  });
  const finished = isFinished(query.data);
  useEffect(() => {
    if (!id || finished) return;
    const source = new EventSource(`${BASE}/jobs/${encodeURIComponent(id)}/events`);
    source.addEventListener("job", (event) => {
      const job = JSON.parse((event as MessageEvent<string>).data) as Job;
      client.setQueryData(["job", id], job);
      if (isFinished(job)) {
        source.close();
        void client.invalidateQueries({ queryKey: ["jobs"] });
        void client.invalidateQueries({ queryKey: ["cells"] });
      }
    });
    return () => source.close();
  }, [id, finished, client]);
  return query;
}

export function useStartJob() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (asked: { kind: JobKind; params: Record<string, unknown> }) => sendJson<Job>("/jobs", asked),
    onSuccess: (job) => {
      client.setQueryData(["job", job.id], job);
      void client.invalidateQueries({ queryKey: ["jobs"] });
    },
  });
}
