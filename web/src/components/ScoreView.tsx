/** How a cell was scored: each method beside the baselines, with intervals, one metric at a time. */
import { useMemo, useState } from "react";
import type { CellScores } from "../api/types";
import { IntervalPlot } from "../charts";
import { figure, interval } from "../lib/format";
import { Select, Table, type Column } from "../ui";
import "./scores.css";

const BETTER: Record<string, string> = { higher: "Higher is better", lower: "Lower is better", neither: "Neither direction is better" };
/** The score that verdicts speak of, so it is shown first. */
const FIRST = "pearson-delta";

/** Metrics in the order they come; those with a direction first. */
export function metricsOf(scores: CellScores): string[] {
  const all = [...new Set(scores.methods.flatMap((method) => Object.keys(method.metrics)))];
  const sided = (metric: string) => scores.methods.some((method) => ["higher", "lower"].includes(method.metrics[metric]?.better ?? ""));
  return [...all.filter(sided), ...all.filter((metric) => !sided(metric))];
}

export function ScoreView({ scores, own }: { scores: CellScores; own: string[] }) {
  const metrics = useMemo(() => metricsOf(scores), [scores]);
  const [chosen, setChosen] = useState("");
  const metric = metrics.includes(chosen) ? chosen : metrics.includes(FIRST) ? FIRST : (metrics[0] ?? "");
  const label = scores.labels?.[metric] ?? metric;
  const rows = scores.methods.filter((method) => metric in method.metrics);
  const better = rows[0]?.metrics[metric]?.better ?? "neither";
  const isOwn = (name: string) => own.some((each) => each === name || each.startsWith(`${name}:`));
  const columns: Column<(typeof rows)[number]>[] = [
    { key: "name", header: "Method", rowHeader: true, cell: (row) => (isOwn(row.name) ? <strong>{row.name} (this cell)</strong> : row.name), value: (row) => row.name },
    { key: "value", header: label, numeric: true, cell: (row) => figure(row.metrics[metric]?.value), value: (row) => row.metrics[metric]?.value ?? null },
    { key: "interval", header: "95% interval", numeric: true, cell: (row) => interval(row.metrics[metric]?.low, row.metrics[metric]?.high) },
  ];
  return (
    <div className="stack">
      {scores.sentence && <p>{scores.sentence}</p>}
      <div className="score-pick">
        <Select
          label="Score"
          value={metric}
          onChange={(event) => setChosen(event.target.value)}
          choices={metrics.map((each) => ({ value: each, label: scores.labels?.[each] ?? each }))}
        />
        <p className="small quiet">
          {BETTER[better]}. Held out: {scores.split}.
        </p>
      </div>
      <IntervalPlot
        title={`${label} of each method with its interval`}
        axis={label}
        rows={rows.map((row) => {
          const score = row.metrics[metric];
          return {
            label: row.name,
            value: score?.value ?? NaN,
            low: score?.low ?? null,
            high: score?.high ?? null,
            tone: isOwn(row.name) ? "accent" : "muted",
            strong: isOwn(row.name),
          };
        })}
      />
      <Table caption={`${label} of each method`} columns={columns} rows={rows} rowKey={(row) => row.name} />
    </div>
  );
}
