/** The steps of a schedule and the states at a moment as tables, and how far all of it may be trusted. */
import type { StateShare, TimeAnswer, TimeStep } from "../../api/types";
import { figure, interval, percent } from "../../lib/format";
import { Badge, Banner, Button, Table, type Column } from "../../ui";
import { spokenHours } from "./moments";

const KNOWN: Record<TimeStep["applicability"], { tone: "good" | "warn" | "bad"; text: string }> = {
  inside: { tone: "good", text: "inside" },
  edge: { tone: "warn", text: "at the edge" },
  outside: { tone: "bad", text: "outside" },
};

/** The steps that lie outside of what the cell knows. */
export function outside(steps: TimeStep[]): TimeStep[] {
  return steps.filter((step) => step.applicability === "outside" || !step.inside);
}

export function Worth({ answer }: { answer: TimeAnswer }) {
  const far = outside(answer.steps);
  const edge = answer.steps.filter((step) => step.applicability === "edge" && step.inside);
  if (far.length > 0) {
    return (
      <Banner tone="bad" title="Outside what this cell knows" live>
        <p>
          {far.length} of {answer.steps.length} steps lie outside of the times or treatments that were read. What is shown there is a default, not knowledge.
        </p>
      </Banner>
    );
  }
  if (edge.length > 0) {
    return (
      <Banner tone="warn" title="Partly at the edge of what this cell knows">
        <p>
          {edge.length} of {answer.steps.length} steps were not read as they are asked, but relatives of them were.
        </p>
      </Banner>
    );
  }
  return null;
}

export function StatesNow({ answer, moment }: { answer: TimeAnswer; moment: number }) {
  const rows = answer.states.filter((row) => row.step === moment);
  const columns: Column<StateShare>[] = [
    { key: "state", header: "State", rowHeader: true, cell: (row) => row.state, value: (row) => row.state },
    { key: "share", header: "Share", numeric: true, cell: (row) => (typeof row.share === "number" ? percent(row.share) : "–"), value: (row) => row.share ?? null },
    { key: "interval", header: `${percent(answer.level)} interval`, numeric: true, cell: (row) => spokenRange(row) },
  ];
  return (
    <section className="card stack-tight" aria-label="All cells now">
      <h2>All cells at {spokenHours(answer.times[moment] ?? 0)}</h2>
      <Table caption={`States at ${spokenHours(answer.times[moment] ?? 0)}`} columns={columns} rows={rows} rowKey={(row) => row.state} pageSize={12} />
    </section>
  );
}

function spokenRange({ low, high }: StateShare): string {
  return typeof low === "number" && typeof high === "number" ? `${percent(low)} to ${percent(high)}` : "–";
}

export function Steps({ answer, moment, onMoment }: { answer: TimeAnswer; moment: number; onMoment: (moment: number) => void }) {
  const columns: Column<TimeStep>[] = [
    {
      key: "step",
      header: "Step",
      rowHeader: true,
      cell: (row) => (
        <Button compact look="plain" onClick={() => onMoment(row.step)} aria-label={`Show the end of step ${row.step}`}>
          {row.step}
        </Button>
      ),
      value: (row) => row.step,
    },
    { key: "hours", header: "Hours", numeric: true, cell: (row) => `${figure(row.begin)} to ${figure(row.end)}`, value: (row) => row.begin },
    { key: "done", header: "Done", cell: (row) => row.done, value: (row) => row.done },
    {
      key: "known",
      header: "How far it is known",
      cell: (row) => (
        <span className="row">
          <Badge tone={KNOWN[row.applicability].tone}>{KNOWN[row.applicability].text}</Badge>
          {!row.inside && <Badge tone="bad">times not read</Badge>}
          {row.seen === "unseen" && <Badge tone="warn">treatment not seen</Badge>}
        </span>
      ),
      value: (row) => row.applicability,
    },
    { key: "mass", header: "Cells for one at start", numeric: true, cell: (row) => figure(row.mass), value: (row) => row.mass ?? null },
    { key: "interval", header: `${percent(answer.level)} interval`, numeric: true, cell: (row) => interval(row.low, row.high) },
  ];
  return (
    <section className="card stack-tight" aria-label="Steps">
      <h2>Steps</h2>
      <Table caption="Steps of the schedule" columns={columns} rows={answer.steps} rowKey={(row) => String(row.step)} selectedKey={String(moment)} pageSize={12} />
      <p className="small quiet">
        Intervals: {answer.intervals}. Answered by {[...new Set(answer.steps.map((step) => step.made_by))].join("; ")}.
      </p>
      {answer.assumptions.length > 0 && (
        <details>
          <summary>What is taken for granted ({answer.assumptions.length})</summary>
          <ul className="small">
            {answer.assumptions.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}
