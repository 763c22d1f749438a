import { figure } from "../lib/format";
import type { Scale } from "./scale";

/** A horizontal axis with its ticks and title, below a chart. */
export function AxisBelow({ scale, values, y, title, left, right }: { scale: Scale; values: number[]; y: number; title: string; left: number; right: number }) {
  return (
    <g aria-hidden="true">
      <line className="axis" x1={left} x2={right} y1={y} y2={y} />
      {values.map((value) => (
        <g key={value} transform={`translate(${scale(value)} ${y})`}>
          <line className="tick" y2={5} />
          <text className="tick-label" y={18} textAnchor="middle">
            {figure(value)}
          </text>
        </g>
      ))}
      <text className="axis-title" x={(left + right) / 2} y={y + 36} textAnchor="middle">
        {title}
      </text>
    </g>
  );
}

/** A vertical axis at the left of a chart. */
export function AxisLeft({ scale, values, x, title, top, bottom }: { scale: Scale; values: number[]; x: number; title: string; top: number; bottom: number }) {
  return (
    <g aria-hidden="true">
      <line className="axis" x1={x} x2={x} y1={top} y2={bottom} />
      {values.map((value) => (
        <g key={value} transform={`translate(${x} ${scale(value)})`}>
          <line className="tick" x2={-5} />
          <text className="tick-label" x={-8} dy="0.32em" textAnchor="end">
            {figure(value)}
          </text>
        </g>
      ))}
      <text className="axis-title" transform={`translate(${x - 42} ${(top + bottom) / 2}) rotate(-90)`} textAnchor="middle">
        {title}
      </text>
    </g>
  );
}
