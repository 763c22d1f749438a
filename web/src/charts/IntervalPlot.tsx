/** Values with their intervals, one row each: an effect beside zero, or methods beside one another. */
import { useId } from "react";
import { figure, interval } from "../lib/format";
import { AxisBelow } from "./Axis";
import { extent, linear, ticks } from "./scale";
import { useWidth } from "./useWidth";

export interface IntervalRow {
  label: string;
  value: number;
  low: number | null;
  high: number | null;
  /** A second point of the row, such as the control beside the prediction; drawn as a hollow square. */
  beside?: number | null;
  /** Drawn full; others hollow and grey. */
  strong?: boolean;
  tone?: "up" | "down" | "accent" | "muted";
}

export interface IntervalPlotProps {
  title: string;
  axis: string;
  rows: IntervalRow[];
  /** A line to compare with, such as 0. */
  reference?: number;
  valueName?: string;
  besideName?: string;
  width?: number;
}

const TONES = { up: "var(--up)", down: "var(--down)", accent: "var(--accent)", muted: "var(--neutral-mark)" };
const ROW = 22;

export function IntervalPlot({ title, axis, rows, reference, valueName = "value", besideName = "control", width: given = 620 }: IntervalPlotProps) {
  const id = useId();
  const [frame, width] = useWidth(given);
  const longest = Math.max(0, ...rows.map((row) => row.label.length));
  const left = Math.min(240, width * 0.45, 28 + longest * 7);
  const right = width - 16;
  const top = 10;
  const bottom = top + Math.max(1, rows.length) * ROW;
  const domain = extent(rows.flatMap((row) => [row.value, row.low, row.high, row.beside, reference]));
  const x = linear(domain, [left, right]);
  const marks = ticks(domain, Math.max(2, Math.round((right - left) / 80)));
  return (
    <div ref={frame}>
    <svg className="chart" viewBox={`0 0 ${width} ${bottom + 44}`} role="img" aria-labelledby={`${id}-title ${id}-rows`}>
      <title id={`${id}-title`}>{title}</title>
      <desc id={`${id}-rows`}>
        {rows.map((row) => `${row.label}: ${valueName} ${figure(row.value)}, interval ${interval(row.low, row.high)}`).join("; ")}
      </desc>
      {marks.map((mark) => (
        <line key={mark} className="grid" x1={x(mark)} x2={x(mark)} y1={top} y2={bottom} />
      ))}
      {reference !== undefined && <line className="zero" x1={x(reference)} x2={x(reference)} y1={top} y2={bottom} />}
      {rows.map((row, index) => {
        const y = top + index * ROW + ROW / 2;
        const color = TONES[row.tone ?? "accent"];
        return (
          <g key={`${row.label} ${index}`}>
            <title>{`${row.label}: ${valueName} ${figure(row.value)}, interval ${interval(row.low, row.high)}`}</title>
            <rect x={0} y={y - ROW / 2} width={width} height={ROW} fill="transparent" />
            <text x={left - 12} y={y} dy="0.32em" textAnchor="end">
              {row.label.length > 32 ? `${row.label.slice(0, 31)}…` : row.label}
            </text>
            {row.low !== null && row.high !== null && (
              <>
                <line x1={x(row.low)} x2={x(row.high)} y1={y} y2={y} stroke={color} strokeWidth={2} />
                <line x1={x(row.low)} x2={x(row.low)} y1={y - 4} y2={y + 4} stroke={color} strokeWidth={2} />
                <line x1={x(row.high)} x2={x(row.high)} y1={y - 4} y2={y + 4} stroke={color} strokeWidth={2} />
              </>
            )}
            {row.beside !== null && row.beside !== undefined && (
              <rect x={x(row.beside) - 4} y={y - 4} width={8} height={8} fill="var(--surface)" stroke="var(--line-strong)" strokeWidth={1.5}>
                <title>{`${besideName} ${figure(row.beside)}`}</title>
              </rect>
            )}
            <circle cx={x(row.value)} cy={y} r={4.5} fill={row.strong === false ? "var(--surface)" : color} stroke={color} strokeWidth={2} />
          </g>
        );
      })}
      <AxisBelow scale={x} values={marks} y={bottom} title={axis} left={left} right={right} />
    </svg>
    </div>
  );
}
