/** What is inside the line: counts of each label, the mean of the gene shown, and what to do with it. */
import { useState } from "react";
import { Link } from "react-router";
import type { CellDetail } from "../../api/types";
import type { Label } from "../../lib/arrow";
import { toCsv } from "../../lib/csv";
import { download } from "../../lib/download";
import { count, figure, percent } from "../../lib/format";
import { Button, Select, Table, type Column } from "../../ui";
import { chosenIn, counts, mainCategory, type CategoryCount } from "./selection";

interface Props {
  labels: Label[];
  shown: Label | undefined;
  mask: Uint8Array | null;
  cell: CellDetail | undefined;
  values: Float32Array | undefined;
  gene: string;
  onClear: () => void;
}

/** Means of what is shown inside and outside of the selection; points without a value count in neither. */
export function means(values: Float32Array, mask: Uint8Array): { inside: number; outside: number } {
  const [sum, n] = [[0, 0], [0, 0]] as [number[], number[]];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] as number;
    if (!Number.isFinite(value)) continue;
    const side = mask[i] ? 1 : 0;
    sum[side] = (sum[side] as number) + value;
    n[side] = (n[side] as number) + 1;
  }
  const mean = (side: 0 | 1) => (sum[side] as number) / (n[side] as number);
  return { inside: mean(1), outside: mean(0) };
}

/** The context of the cell that most of the selection is of; null where the points say none. */
export function contextOf(labels: Label[], mask: Uint8Array, contexts: string[]): { context: string; share: number } | null {
  for (const label of labels) {
    const main = mainCategory(label, mask);
    if (main && contexts.includes(main.category)) return { context: main.category, share: main.share };
  }
  return null;
}

export function SelectionSummary({ labels, shown, mask, cell, values, gene, onClear }: Props) {
  const [chosen, setChosen] = useState("");
  const label = labels.find((each) => each.name === chosen) ?? shown ?? labels.find((each) => each.categories.length > 1) ?? labels[0];
  if (!mask) {
    return (
      <section className="card" aria-label="Selection">
        <h2>Selection</h2>
        <p className="quiet">Nothing is selected. Choose Lasso and draw around points, or choose a label above.</p>
      </section>
    );
  }
  const total = chosenIn(mask);
  const rows = label ? counts(label, mask).filter((row) => row.selected > 0).sort((a, b) => b.selected - a.selected) : [];
  const context = cell ? contextOf(labels, mask, cell.contexts) : null;
  const mean = values ? means(values, mask) : null;
  const columns: Column<CategoryCount>[] = [
    { key: "category", header: label?.name ?? "Label", rowHeader: true, cell: (row) => row.category, value: (row) => row.category },
    { key: "selected", header: "Cells", numeric: true, cell: (row) => count(row.selected), value: (row) => row.selected },
    { key: "share", header: "Share", numeric: true, cell: (row) => percent(row.selected / total), value: (row) => row.selected },
    { key: "ofAll", header: "Of label", numeric: true, cell: (row) => percent(row.selected / row.all), value: (row) => row.selected / row.all },
  ];

  function save() {
    const rows: (string | number)[][] = [];
    mask?.forEach((each, index) => {
      if (each) rows.push([index, ...labels.map((label) => label.categories[label.codes[index] as number] ?? "")]);
    });
    download("selection.csv", toCsv(["point", ...labels.map((label) => label.name)], rows));
  }

  return (
    <section className="card stack-tight" aria-label="Selection">
      <h2 aria-live="polite">
        Selection: {count(total)} {total === 1 ? "cell" : "cells"}, {percent(total / mask.length)} of all
      </h2>
      {mean && (
        <p>
          Mean of {gene}: <strong>{figure(mean.inside)}</strong> inside, {figure(mean.outside)} outside.
        </p>
      )}
      {labels.length > 1 && <Select label="Count by" value={label?.name ?? ""} onChange={(event) => setChosen(event.target.value)} choices={labels.map((each) => ({ value: each.name, label: each.name }))} />}
      {label && <Table caption={`Selected cells by ${label.name}`} columns={columns} rows={rows} rowKey={(row) => row.category} pageSize={8} />}
      {cell && context && (
        <div className="stack-tight">
          <p className="small quiet">
            {percent(context.share)} of them are of the context {context.context}, which this virtual cell knows.
          </p>
          <div className="row">
            <Link className="button compact" to={`/predict?${new URLSearchParams({ cell: cell.id, context: context.context })}`}>
              Use as context to predict
            </Link>
            <Link className="button compact" to={`/screen?${new URLSearchParams({ cell: cell.id, context: context.context })}`}>
              Use as context to screen
            </Link>
          </div>
        </div>
      )}
      <div className="row">
        <Button compact onClick={save}>
          Save as CSV
        </Button>
        <Button compact onClick={onClear}>
          Clear
        </Button>
      </div>
    </section>
  );
}
