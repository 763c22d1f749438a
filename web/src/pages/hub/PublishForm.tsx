import { useState } from "react";
import { useNavigate } from "react-router";
import { useChosenCell } from "../../hooks/useChosenCell";
import { useStartJob } from "../../hooks/useJob";
import { Banner, Button, ErrorState, Field, Select, TextField } from "../../ui";

const EMPTY = { namespace: "", name: "", version: "1.0.0", licence: "", description: "", intended_use: "", limits: "" };
type Asked = typeof EMPTY;

/** Publishing is for good: a version is never changed afterwards, and the form says so. */
export function PublishForm({ open }: { open: boolean }) {
  const { id, cells } = useChosenCell();
  const [asked, setAsked] = useState(EMPTY);
  const [cell, setCell] = useState("");
  const start = useStartJob();
  const navigate = useNavigate();
  const chosen = cell || id || "";
  const text = (key: keyof Asked, label: string, hint?: string, required = true) => (
    <TextField label={label} hint={hint} required={required} value={asked[key]} onChange={(event) => setAsked({ ...asked, [key]: event.target.value })} />
  );
  const prose = (key: keyof Asked, label: string, hint: string) => (
    <Field label={label} hint={hint}>
      {({ id: field, describedBy }) => (
        <textarea
          id={field}
          className="input"
          rows={3}
          aria-describedby={describedBy}
          value={asked[key]}
          onChange={(event) => setAsked({ ...asked, [key]: event.target.value })}
        />
      )}
    </Field>
  );
  if (!cells.data?.length) return null;
  return (
    <details className="card" open={open}>
      <summary>Publish a virtual cell</summary>
      <form
        className="stack"
        style={{ maxWidth: "46rem", marginTop: "1rem" }}
        onSubmit={(event) => {
          event.preventDefault();
          start.mutate({ kind: "publish", params: { cell: chosen, ...asked } }, { onSuccess: (job) => void navigate(`/jobs/${job.id}`) });
        }}
      >
        <Banner>
          <p>A version is never changed. What its training data may not be passed on for, it is refused for.</p>
        </Banner>
        <Select
          label="Virtual cell"
          value={chosen}
          onChange={(event) => setCell(event.target.value)}
          choices={cells.data.map((each) => ({ value: each.id, label: each.title || each.name }))}
        />
        <div className="split">
          {text("namespace", "Namespace", "Your group, such as lab-of-cells.")}
          {text("name", "Name", "Letters, digits and dashes.")}
          {text("version", "Version")}
          {text("licence", "Licence", "An SPDX name, such as CC-BY-4.0.")}
        </div>
        {prose("description", "What it is", "One or two sentences.")}
        {prose("intended_use", "Intended use", "Which questions it is meant to answer.")}
        {prose("limits", "Limits", "Where it must not be relied on.")}
        {start.isError && <ErrorState error={start.error} title="It was not published" />}
        <div className="row">
          <Button type="submit" look="primary" busy={start.isPending}>
            Publish
          </Button>
        </div>
      </form>
    </details>
  );
}
