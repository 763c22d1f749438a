/** Starts a fit on ready data, and follows it. */
import { useQuery } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { Link } from "react-router";
import { api, said } from "../../api/client";
import type { Dataset } from "../../api/types";
import { JobProblem, JobProgress } from "../jobs/JobView";
import { useJob, useStartJob } from "../../hooks/useJob";
import { Button, Check, ErrorState, Select, TextField } from "../../ui";

const USUAL = "effect.v2";

export function FitForm({ dataset }: { dataset: Dataset }) {
  const [name, setName] = useState(dataset.name);
  const [manipulator, setManipulator] = useState(USUAL);
  const [evaluate, setEvaluate] = useState(true);
  const [id, setId] = useState("");
  const parts = useQuery({ queryKey: ["parts"], staleTime: Infinity, queryFn: ({ signal }) => said(api.GET("/api/v1/parts", { signal })) });
  const start = useStartJob();
  const job = useJob(id || undefined);
  const names = (parts.data?.parts.manipulators ?? []).map((part) => part.name);
  const cell = job.data?.state === "done" ? job.data.result?.cell : undefined;

  function submit(event: FormEvent) {
    event.preventDefault();
    start.mutate({ kind: "fit", params: { dataset: dataset.id, name, manipulator, evaluate } }, { onSuccess: (job) => setId(job.id) });
  }

  return (
    <form className="card stack" onSubmit={submit} aria-label="Fit a virtual cell">
      <h2>Fit a virtual cell</h2>
      <TextField label="Name of the cell" value={name} maxLength={80} required onChange={(event) => setName(event.target.value)} />
      <Select
        label="Perturbation model"
        hint="effect.v2 is the usual one. The Leaderboard compares them."
        value={manipulator}
        onChange={(event) => setManipulator(event.target.value)}
        choices={(names.includes(USUAL) ? names : [USUAL, ...names]).map((each) => ({ value: each, label: each }))}
      />
      <Check label="Score it on held-out perturbations, beside the baselines. Takes longer, and says how far to trust it." checked={evaluate} onChange={(event) => setEvaluate(event.target.checked)} />
      {start.error && <ErrorState title="The fit did not start" error={start.error} />}
      {job.data && <JobProgress job={job.data} />}
      {job.data && <JobProblem job={job.data} />}
      <div className="row">
        {typeof cell === "string" ? (
          <Link className="button primary" to={`/cells?${new URLSearchParams({ cell })}`}>
            Open the new cell
          </Link>
        ) : (
          <Button look="primary" type="submit" busy={start.isPending || job.data?.state === "running" || job.data?.state === "queued"}>
            Start the fit
          </Button>
        )}
        {job.data && <Link to={`/jobs/${encodeURIComponent(job.data.id)}`}>Watch it under Jobs</Link>}
      </div>
    </form>
  );
}
