/** Models beside baselines and nulls, one frozen benchmark at a time. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { getJson } from "../../api/client";
import { IntervalPlot } from "../../charts";
import { figure, interval } from "../../lib/format";
import { Badge, EmptyState, ErrorState, PageHead, Select, Skeleton, Table, TextField, type Column } from "../../ui";
import { best, floorOf, kindOf, scoreOf, type BoardBenchmark, type BoardRow } from "./board";

export default function LeaderboardPage() {
  const board = useQuery({
    queryKey: ["leaderboard"],
    staleTime: Infinity,
    queryFn: async ({ signal }) => (await getJson<{ benchmarks: BoardBenchmark[] }>("/leaderboard", signal)).benchmarks,
  });
  const [params, setParams] = useSearchParams();
  const [text, setText] = useState("");
  return (
    <>
      <PageHead title="Leaderboard">
        Every model stands beside plain baselines and shuffled controls, on frozen splits. A model below its baseline is of no use there.
      </PageHead>
      {board.isPending && <Skeleton lines={8} />}
      {board.isError && <ErrorState error={board.error} retry={() => void board.refetch()} />}
      {board.data?.length === 0 && <EmptyState title="No benchmark was run" />}
      {board.data && board.data.length > 0 && (
        <Chosen
          all={board.data}
          text={text}
          setText={setText}
          name={params.get("benchmark") ?? ""}
          choose={(name) => setParams({ benchmark: name }, { replace: true })}
        />
      )}
    </>
  );
}

interface ChosenProps {
  all: BoardBenchmark[];
  text: string;
  setText: (text: string) => void;
  name: string;
  choose: (name: string) => void;
}

function Chosen({ all, text, setText, name, choose }: ChosenProps) {
  const asked = text.trim().toLowerCase();
  const kept = all.filter((each) => `${each.name} ${each.title} ${each.task} ${each.question}`.toLowerCase().includes(asked));
  const found = kept.find((each) => each.name === name) ?? kept[0];
  return (
    <div className="stack">
      <div className="split" style={{ maxWidth: "56rem" }}>
        <TextField label="Find a benchmark" type="search" value={text} onChange={(event) => setText(event.target.value)} />
        <Select
          label="Benchmark"
          hint={`${kept.length} of ${all.length}`}
          value={found?.name ?? ""}
          onChange={(event) => choose(event.target.value)}
          choices={kept.map((each) => ({ value: each.name, label: each.title }))}
        />
      </div>
      {found ? <One key={found.name} benchmark={found} /> : <EmptyState title={`No benchmark speaks of “${text}”`} />}
    </div>
  );
}

function One({ benchmark }: { benchmark: BoardBenchmark }) {
  const [metric, setMetric] = useState(benchmark.metric);
  const chosen = benchmark.metrics.find((each) => each.name === metric) ?? benchmark.metrics[0];
  if (!chosen) return <EmptyState title="Nothing was scored here" />;
  const rows = best(benchmark.rows, chosen);
  const floor = floorOf(rows, chosen);
  const columns: Column<BoardRow>[] = [
    { key: "method", header: "Method", rowHeader: true, value: (row) => row.method, cell: (row) => row.method },
    { key: "role", header: "Is", value: kindOf, cell: (row) => <Badge tone={kindOf(row) === "model" ? "accent" : undefined}>{kindOf(row)}</Badge> },
    ...benchmark.metrics.map((each): Column<BoardRow> => ({
      key: each.name,
      header: `${each.label} ${each.better === "lower" ? "(lower is better)" : ""}`.trim(),
      numeric: true,
      value: (row) => scoreOf(row, each.name)?.value ?? null,
      cell: (row) => {
        const score = scoreOf(row, each.name);
        return <span title={interval(score?.low, score?.high)}>{figure(score?.value)}</span>;
      },
    })),
  ];
  return (
    <>
      <section className="card stack-tight" aria-label="Question">
        <h2>{benchmark.title}</h2>
        <p>{benchmark.question}</p>
        <p className="small quiet">
          {benchmark.task} · frozen as <span className="mono">{benchmark.digest}</span>
        </p>
      </section>
      <section className="card stack" aria-label="Scores">
        {benchmark.metrics.length > 1 && (
          <div style={{ maxWidth: "20rem" }}>
            <Select
              label="Metric"
              value={chosen.name}
              onChange={(event) => setMetric(event.target.value)}
              choices={benchmark.metrics.map((each) => ({ value: each.name, label: each.label }))}
            />
          </div>
        )}
        <IntervalPlot
          title={`${chosen.label} of each method`}
          axis={`${chosen.label}${chosen.better === "lower" ? ", lower is better" : chosen.better === "higher" ? ", higher is better" : ""}`}
          reference={floor ?? undefined}
          rows={rows.map((row) => {
            const score = scoreOf(row, chosen.name);
            return {
              label: row.method,
              value: score?.value ?? NaN,
              low: score?.low ?? null,
              high: score?.high ?? null,
              strong: kindOf(row) === "model",
              tone: kindOf(row) === "model" ? "accent" : "muted",
            };
          })}
        />
        {floor !== null && <p className="small quiet">The line is the best plain baseline. Grey: baselines, shuffled controls and ceilings.</p>}
        <Table caption={`Scores on ${benchmark.title}`} columns={columns} rows={rows} rowKey={(row) => row.method} pageSize={50} />
      </section>
    </>
  );
}
