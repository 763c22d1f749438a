/** A real table: sorted by its headers, filtered by text, a page at a time. */
import { useMemo, useState, type ReactNode } from "react";
import { count } from "../lib/format";
import { Button } from "./Button";

export interface Column<T> {
  key: string;
  header: ReactNode;
  /** What is shown. */
  cell: (row: T) => ReactNode;
  /** What is sorted and filtered by; without it the column is neither. */
  value?: (row: T) => string | number | boolean | null;
  numeric?: boolean;
  /** The cell names its row, for screen readers. */
  rowHeader?: boolean;
}

export interface TableProps<T> {
  caption: string;
  captionShown?: boolean;
  columns: Column<T>[];
  rows: T[];
  rowKey: (row: T) => string;
  pageSize?: number;
  filter?: boolean;
  filterLabel?: string;
  sort?: { key: string; descending: boolean };
  selectedKey?: string;
  tools?: ReactNode;
  empty?: ReactNode;
}

export function compare(a: string | number | boolean | null, b: string | number | boolean | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === "string" && typeof b === "string") return a.localeCompare(b, "en", { numeric: true });
  return Number(a) - Number(b);
}

/** Rows in order; those without a value stay last in both directions. */
export function sorted<T>(rows: T[], value: (row: T) => string | number | boolean | null, descending: boolean): T[] {
  return [...rows].sort((a, b) => {
    const [left, right] = [value(a), value(b)];
    const order = compare(left, right);
    return left === null || right === null || !descending ? order : -order;
  });
}

export function Table<T>(props: TableProps<T>) {
  const { columns, rows, rowKey, pageSize = 25 } = props;
  const [order, setOrder] = useState(props.sort);
  const [text, setText] = useState("");
  const [page, setPage] = useState(0);

  const kept = useMemo(() => {
    const asked = text.trim().toLowerCase();
    const found = asked
      ? rows.filter((row) => columns.some((column) => column.value && String(column.value(row)).toLowerCase().includes(asked)))
      : rows;
    const by = columns.find((column) => column.key === order?.key)?.value;
    return by && order ? sorted(found, by, order.descending) : found;
  }, [rows, columns, text, order]);

  const pages = Math.max(1, Math.ceil(kept.length / pageSize));
  const at = Math.min(page, pages - 1);
  const shown = kept.slice(at * pageSize, (at + 1) * pageSize);

  function sortBy(column: Column<T>) {
    const descending = order?.key === column.key ? !order.descending : Boolean(column.numeric);
    setOrder({ key: column.key, descending });
    setPage(0);
  }

  return (
    <div className="stack-tight">
      {(props.filter || props.tools) && (
        <div className="table-tools">
          {props.filter && (
            <input
              className="input"
              type="search"
              value={text}
              placeholder={props.filterLabel ?? "Filter rows"}
              aria-label={`${props.filterLabel ?? "Filter rows"}: ${props.caption}`}
              onChange={(event) => {
                setText(event.target.value);
                setPage(0);
              }}
            />
          )}
          {props.tools}
        </div>
      )}
      <div className="table-wrap" tabIndex={0} role="group" aria-label={props.caption}>
        <table className="table">
          <caption className={props.captionShown ? undefined : "sr-only"}>{props.caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <th
                  key={column.key}
                  scope="col"
                  className={column.numeric ? "end" : undefined}
                  aria-sort={order?.key === column.key ? (order.descending ? "descending" : "ascending") : undefined}
                >
                  {column.value ? (
                    <button type="button" className="sort" onClick={() => sortBy(column)}>
                      {column.header}
                      <span className="arrow no-print" aria-hidden="true">
                        {order?.key === column.key ? (order.descending ? "↓" : "↑") : "↕"}
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
            {shown.map((row) => (
              <tr key={rowKey(row)} aria-selected={props.selectedKey === rowKey(row) || undefined}>
                {columns.map((column) =>
                  column.rowHeader ? (
                    <th key={column.key} scope="row" className={column.numeric ? "end" : undefined}>
                      {column.cell(row)}
                    </th>
                  ) : (
                    <td key={column.key} className={column.numeric ? "end" : undefined}>
                      {column.cell(row)}
                    </td>
                  ),
                )}
              </tr>
            ))}
            {shown.length === 0 && (
              <tr>
                <td colSpan={columns.length} className="quiet">
                  {text ? `No row holds “${text}”.` : (props.empty ?? "No rows.")}
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
      {(pages > 1 || text) && (
        <div className="table-tools">
          <span className="quiet" role="status">
            {count(kept.length)} of {count(rows.length)} rows, page {at + 1} of {pages}
          </span>
          <span className="row">
            <Button compact disabled={at === 0} onClick={() => setPage(at - 1)}>
              Previous
            </Button>
            <Button compact disabled={at >= pages - 1} onClick={() => setPage(at + 1)}>
              Next
            </Button>
          </span>
        </div>
      )}
    </div>
  );
}
