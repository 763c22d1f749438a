import { useEffect, useState } from "react";
import { Link, useNavigate } from "react-router";
import { useChosenCell } from "../../hooks/useChosenCell";
import { useStartJob } from "../../hooks/useJob";
import { count } from "../../lib/format";
import { Button, EmptyState, ErrorState, Field, PageHead, Select, Skeleton, TextField } from "../../ui";
import { missing, namesOf, paramsOf, type ScreenAsked } from "./screenQuestion";

const EMPTY: ScreenAsked = { cell: "", context: "", response: "", direction: "lower", list: "", kind: "" };

export function ScreenForm() {
  const { id, cells, cell } = useChosenCell();
  const [asked, setAsked] = useState(EMPTY);
  const [tried, setTried] = useState(false);
  const start = useStartJob();
  const navigate = useNavigate();
  const contexts = cell.data?.contexts ?? [];
  const only = contexts.length === 1 ? contexts[0] : undefined;

  useEffect(() => {
    setAsked((before) => ({ ...before, cell: id ?? "", context: only ?? "", kind: "" }));
  }, [id, only]);

  const lacks = missing(asked, contexts);
  const set = <K extends keyof ScreenAsked>(key: K, value: ScreenAsked[K]) => setAsked({ ...asked, [key]: value });

  async function run() {
    setTried(true);
    if (lacks) return;
    const job = await start.mutateAsync({ kind: "screen", params: paramsOf(asked) }).catch(() => null);
    if (job) void navigate(`/screen/${job.id}?cell=${encodeURIComponent(asked.cell)}`);
  }

  if (cells.isPending) return <Skeleton lines={6} />;
  if (cells.isError) return <ErrorState error={cells.error} retry={() => void cells.refetch()} />;
  if (!id) {
    return (
      <>
        <PageHead title="Screen" />
        <EmptyState title="No virtual cell yet">
          <p>
            A screen asks a virtual cell. Go to <Link to="/cells">Cells</Link> to upload cells and fit one.
          </p>
        </EmptyState>
      </>
    );
  }
  const names = namesOf(asked.list);
  return (
    <>
      <PageHead title="Screen">
        Ask {cell.data?.title || cell.data?.name || "the cell"} about many perturbations, and rank them by what they do to a response.
      </PageHead>
      <form
        className="card stack"
        style={{ maxWidth: "46rem" }}
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        <TextField
          label="Response"
          hint="Genes to read out. Several are averaged; a minus turns one round: STAT1, IRF1, -MYC."
          placeholder="STAT1"
          value={asked.response}
          onChange={(event) => set("response", event.target.value)}
          wrong={tried && !asked.response.trim() ? lacks : undefined}
        />
        <div className="split">
          <Select
            label="Look for what"
            value={asked.direction}
            onChange={(event) => set("direction", event.target.value as ScreenAsked["direction"])}
            choices={[
              { value: "lower", label: "lowers it" },
              { value: "raise", label: "raises it" },
            ]}
          />
          {contexts.length > 1 && (
            <Select
              label="Context"
              value={asked.context}
              onChange={(event) => set("context", event.target.value)}
              wrong={tried && !asked.context ? "Choose a context to start from." : undefined}
              choices={[{ value: "", label: "Choose…" }, ...contexts.map((value) => ({ value, label: value }))]}
            />
          )}
          {(cell.data?.kinds.length ?? 0) > 1 && (
            <Select
              label="Kind"
              hint="Of plain names."
              value={asked.kind}
              onChange={(event) => set("kind", event.target.value)}
              choices={[{ value: "", label: "as most often measured" }, ...(cell.data?.kinds ?? []).map((value) => ({ value, label: value }))]}
            />
          )}
        </div>
        <Field
          label="Perturbations"
          hint={
            names.length
              ? `${count(names.length)} named.`
              : "One a line, such as JAK2, ko:JAK2 or ko:JAK2+ko:STAT1. Empty: all that the cell measured or knows of."
          }
        >
          {({ id: field, describedBy }) => (
            <textarea
              id={field}
              className="input mono"
              rows={6}
              aria-describedby={describedBy}
              spellCheck={false}
              value={asked.list}
              onChange={(event) => set("list", event.target.value)}
            />
          )}
        </Field>
        {start.isError && <ErrorState error={start.error} title="The screen was not started" />}
        <div className="row">
          <Button type="submit" look="primary" busy={start.isPending}>
            Run the screen
          </Button>
          {tried && lacks && (
            <span className="wrong small" role="alert">
              {lacks}
            </span>
          )}
        </div>
      </form>
    </>
  );
}
