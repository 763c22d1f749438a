/** Rows of a benchmark in the order of one metric. */

export interface BoardMetric {
  name: string;
  label: string;
  better: "higher" | "lower" | "neither";
}

export interface BoardScore {
  value?: number | null;
  low?: number | null;
  high?: number | null;
  anchored?: number | null;
}

export interface BoardRow {
  method: string;
  role: string;
  floor: boolean;
  scores: Record<string, BoardScore>;
}

export interface BoardBenchmark {
  name: string;
  title: string;
  task: string;
  question: string;
  digest: string;
  metric: string;
  metrics: BoardMetric[];
  rows: BoardRow[];
}

export function scoreOf(row: BoardRow, metric: string): BoardScore | undefined {
  return row.scores[metric];
}

/** Rows that have the score, the best first. */
export function best(rows: BoardRow[], metric: BoardMetric): BoardRow[] {
  const value = (row: BoardRow) => scoreOf(row, metric.name)?.value;
  const scored = rows.filter((row) => typeof value(row) === "number");
  const sign = metric.better === "lower" ? 1 : -1;
  return scored.sort((a, b) => sign * ((value(a) as number) - (value(b) as number)));
}

/** The best score of a plain baseline; shuffled controls are no baseline. Null where none was run. */
export function floorOf(rows: BoardRow[], metric: BoardMetric): number | null {
  const floors = best(rows, metric).filter((row) => row.floor && row.role !== "null" && !row.method.includes(":shuffled"));
  return floors.length && metric.better !== "neither" ? (scoreOf(floors[0] as BoardRow, metric.name)?.value ?? null) : null;
}

export function kindOf(row: BoardRow): string {
  if (row.role === "null" || row.method.includes(":shuffled")) return "shuffled control";
  return row.floor ? "baseline" : row.role === "method" ? "model" : row.role;
}
