/** Rows of a screen as the service holds them: sorted, filtered and paged there, since there may be very many. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { getJson, pathWith } from "../../api/client";
import type { Job } from "../../api/types";
import { IntervalPlot, type IntervalRow } from "../../charts";
import { useDebounced } from "../../hooks/useDebounced";
import { useCell } from "../../hooks/queries";
import { count, figure, interval } from "../../lib/format";
import { Badge, Button, ErrorState, Select, Skeleton } from "../../ui";

const PAGE = 50;
const SHOWN = 25;

export interface ScreenRow {
  perturbation: string;
  score: number | null;
  low: number | null;
  high: number | null;
  seen: boolean;
  applicability: string;
  [more: string]: unknown;
}

interface Rows {
  rows: ScreenRow[];
  total: number;
}

const COLUMNS: { key: string; header: string; numeric: boolean; sortable: boolean }[] = [
  { key: "perturbation", header: "Perturbation", numeric: false, sortable: true },
  { key: "score", header: "Effect on the response", numeric: true, sortable: true },
  { key: "interval", header: "Interval", numeric: true, sortable: false },
  { key: "seen", header: "Measured", numeric: false, sortable: true },
  { key: "applicability", header: "Inside what is known", numeric: false, sortable: true },
];

export function ScreenRows({ job, cell }: { job: Job; cell: string }) {
  const [sort, setSort] = useState({ key: "", descending: false });
  const [filter, setFilter] = useState("");
  const [seen, setSeen] = useState("");
  const [page, setPage] = useState(0);
  const asked = useDebounced(filter.trim());
  const about = useCell(cell);
  const rows = useQuery({
    queryKey: ["rows", job.id, sort, asked, seen, page],
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    queryFn: ({ signal }) =>
      getJson<Rows>(
        pathWith(`/jobs/${encodeURIComponent(job.id)}/rows`, {
          sort: sort.key,
          descending: sort.descending || undefined,
          limit: PAGE,
          offset: page * PAGE,
          filter: asked,
          seen: seen || undefined,
        }),
        signal,
      ),
  });

  function sortBy(key: string) {
    setSort(sort.key === key ? { key, descending: !sort.descending } : { key, descending: false });
    setPage(0);
  }

  const found = rows.data;
  const pages = found ? Math.max(1, Math.ceil(found.total / PAGE)) : 1;
  return (
    <section className="stack" aria-label="Ranking">
      <div className="row no-print" style={{ alignItems: "end" }}>
        <input
          className="input"
          type="search"
          style={{ maxWidth: "18rem" }}
          placeholder="Filter perturbations"
          aria-label="Filter perturbations"
          value={filter}
          onChange={(event) => {
            setFilter(event.target.value);
            setPage(0);
          }}
        />
        <Select
          label="Show"
          value={seen}
          onChange={(event) => {
            setSeen(event.target.value);
            setPage(0);
          }}
          choices={[
            { value: "", label: "all" },
            { value: "true", label: "measured before" },
            { value: "false", label: "never measured" },
          ]}
        />
      </div>
      {rows.isPending && <Skeleton lines={8} />}
      {rows.isError && <ErrorState error={rows.error} retry={() => void rows.refetch()} />}
      {found && found.rows.length > 0 && (
        <figure className="card" style={{ margin: 0 }}>
          <IntervalPlot
            title="Effect on the response, with intervals"
            axis={`effect on the response${about.data ? `, ${about.data.units}` : ""}`}
            reference={0}
            valueName="effect"
            rows={found.rows.slice(0, SHOWN).map(plotted)}
          />
          <figcaption className="small quiet">The first {Math.min(SHOWN, found.rows.length)} rows below.</figcaption>
        </figure>
      )}
      {found && (
        <>
          <div className="table-wrap" tabIndex={0} role="group" aria-label="Ranked perturbations">
            <table className="table">
              <caption className="sr-only">Ranked perturbations</caption>
              <thead>
                <tr>
                  {COLUMNS.map((column) => (
                    <th
                      key={column.key}
                      scope="col"
                      className={column.numeric ? "end" : undefined}
                      aria-sort={sort.key === column.key ? (sort.descending ? "descending" : "ascending") : undefined}
                    >
                      {column.sortable ? (
                        <button type="button" className="sort" onClick={() => sortBy(column.key)}>
                          {column.header}
                          <span className="arrow no-print" aria-hidden="true">
                            {sort.key === column.key ? (sort.descending ? "↓" : "↑") : "↕"}
                          </span>
                        </button>
                      ) : (
                        column.header
                      )}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {found.rows.map((row) => (
                  <tr key={row.perturbation}>
                    <th scope="row">
                      <Link to={`/predict?${new URLSearchParams({ cell, perturbation: row.perturbation })}`}>{row.perturbation}</Link>
                      {row.self_target === true && (
                        <span className="small quiet"> acts on the response itself; ranked last</span>
                      )}
                    </th>
                    <td className="end">{figure(row.score)}</td>
                    <td className="end">{interval(row.low, row.high)}</td>
                    <td>{row.seen ? <Badge tone="good">measured</Badge> : "–"}</td>
                    <td>
                      <Known applicability={row.applicability} />
                    </td>
                  </tr>
                ))}
                {found.rows.length === 0 && (
                  <tr>
                    <td colSpan={COLUMNS.length} className="quiet">
                      No perturbation fits this filter.
                    </td>
                  </tr>
                )}
              </tbody>
            </table>
          </div>
          <div className="table-tools">
            <span className="quiet" role="status">
              {count(found.total)} rows, page {page + 1} of {pages}
            </span>
            <span className="row">
              <Button compact disabled={page === 0} onClick={() => setPage(page - 1)}>
                Previous
              </Button>
              <Button compact disabled={page + 1 >= pages} onClick={() => setPage(page + 1)}>
                Next
              </Button>
            </span>
          </div>
        </>
      )}
    </section>
  );
}

function Known({ applicability }: { applicability: string }) {
  if (applicability === "in") return <>inside</>;
  if (applicability === "edge") return <Badge title="Not measured, but its relatives were">at the edge</Badge>;
  return (
    <Badge tone="warn" title="Nothing is known about it; the answer is a default">
      outside
    </Badge>
  );
}

/** What lies outside, or whose interval holds 0, is drawn pale: it is no finding. */
function plotted(row: ScreenRow): IntervalRow {
  const clear = row.low !== null && row.high !== null && (row.low > 0 || row.high < 0);
  const tone = !clear || row.applicability === "out" ? "muted" : (row.score ?? 0) > 0 ? "up" : "down";
  return { label: row.perturbation, value: row.score ?? 0, low: row.low, high: row.high, strong: clear, tone };
}
