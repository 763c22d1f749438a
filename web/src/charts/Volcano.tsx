/** Effect against sureness for all genes; the strongest clear ones are named. */
import { useId, useMemo } from "react";
import { signed } from "../lib/format";
import { AxisBelow, AxisLeft } from "./Axis";
import { extent, linear, ticks } from "./scale";
import { useWidth } from "./useWidth";

export interface VolcanoProps {
  title: string;
  feature: string[];
  effect: number[];
  sureness: number[];
  /** Above it an effect counts as clear. */
  threshold?: number;
  effectName: string;
  surenessName: string;
  named?: number;
  width?: number;
  height?: number;
}

export interface VolcanoPoint {
  feature: string;
  effect: number;
  sureness: number;
  side: "up" | "down" | "quiet";
}

/** Points with the side they count on, the quiet ones first, so that the others are drawn over them. */
export function volcanoPoints(feature: string[], effect: number[], sureness: number[], threshold: number): VolcanoPoint[] {
  const points = feature.map((name, index): VolcanoPoint => {
    const [value, sure] = [effect[index] ?? NaN, sureness[index] ?? NaN];
    return { feature: name, effect: value, sureness: sure, side: sure < threshold || value === 0 ? "quiet" : value > 0 ? "up" : "down" };
  });
  const drawn = points.filter((point) => Number.isFinite(point.effect) && Number.isFinite(point.sureness));
  return [...drawn.filter((point) => point.side === "quiet"), ...drawn.filter((point) => point.side !== "quiet")];
}

/** Names that fit beside one another: the strongest first, each left out where it would cover one before it. */
export function placeNames(
  points: VolcanoPoint[],
  x: (value: number) => number,
  y: (value: number) => number,
  most: number,
): { feature: string; x: number; y: number; anchor: "start" | "end" }[] {
  const placed: { feature: string; x: number; y: number; anchor: "start" | "end"; from: number; to: number }[] = [];
  const strongest = points.filter((point) => point.side !== "quiet").sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect));
  for (const point of strongest) {
    if (placed.length >= most) break;
    const anchor = point.side === "up" ? "start" : "end";
    const at = { feature: point.feature, x: x(point.effect) + (point.side === "up" ? 7 : -7), y: y(point.sureness), anchor } as const;
    const length = point.feature.length * 7 + 4;
    const [from, to] = anchor === "start" ? [at.x, at.x + length] : [at.x - length, at.x];
    if (placed.every((other) => Math.abs(other.y - at.y) > 12 || from > other.to || to < other.from)) placed.push({ ...at, from, to });
  }
  return placed;
}

const COLORS = { up: "var(--up)", down: "var(--down)" };

export function Volcano(props: VolcanoProps) {
  const { feature, effect, sureness, threshold = 1, width: given = 620, height = 400 } = props;
  const id = useId();
  const [frame, width] = useWidth(given);
  const points = useMemo(() => volcanoPoints(feature, effect, sureness, threshold), [feature, effect, sureness, threshold]);
  const [left, right, top, bottom] = [60, width - 16, 12, height - 48];
  const reach = Math.max(1e-9, ...points.map((point) => Math.abs(point.effect))) * 1.18;
  const x = linear([-reach, reach], [left, right]);
  const [, high] = extent(points.map((point) => point.sureness));
  const span: [number, number] = [0, Math.max(high, threshold * 1.2)];
  const y = linear(span, [bottom, top]);
  const names = placeNames(points, x, y, props.named ?? 14);
  const loud = points.filter((point): point is VolcanoPoint & { side: "up" | "down" } => point.side !== "quiet");
  const up = loud.filter((point) => point.side === "up").length;
  // Thousands of points of one path are one element; a line of no length with round ends is a dot.
  const dots = points.filter((point) => point.side === "quiet").map((point) => `M${x(point.effect).toFixed(1)} ${y(point.sureness).toFixed(1)}h0`).join("");
  return (
    <div ref={frame}>
    <svg className="chart" viewBox={`0 0 ${width} ${height}`} role="img" aria-labelledby={`${id}-title ${id}-text`}>
      <title id={`${id}-title`}>{props.title}</title>
      <desc id={`${id}-text`}>{`${up} genes clearly up, ${loud.length - up} clearly down, of ${points.length}. The table of genes lists them.`}</desc>
      {ticks(span, 5).map((mark) => (
        <line key={mark} className="grid" x1={left} x2={right} y1={y(mark)} y2={y(mark)} />
      ))}
      <line className="zero" x1={x(0)} x2={x(0)} y1={top} y2={bottom} />
      <line className="zero" x1={left} x2={right} y1={y(threshold)} y2={y(threshold)} />
      <path d={dots} fill="none" stroke="var(--muted-mark)" strokeOpacity={0.6} strokeWidth={4.4} strokeLinecap="round" />
      {loud.map((point) => {
        const [cx, cy] = [x(point.effect), y(point.sureness)];
        const said = `${point.feature}: ${signed(point.effect)}`;
        // Up and down differ in shape as well as in colour.
        const tip = point.side === "up" ? -1 : 1;
        return (
          <path key={point.feature} d={`M${cx - 4} ${cy - 3 * tip}L${cx + 4} ${cy - 3 * tip}L${cx} ${cy + 4 * tip}Z`} fill={COLORS[point.side]} fillOpacity={0.85}>
            <title>{said}</title>
          </path>
        );
      })}
      {names.map((name) => (
        <text key={name.feature} x={name.x} y={name.y} dy="0.32em" textAnchor={name.anchor} style={{ fontSize: 11, fontWeight: 550 }}>
          {name.feature}
        </text>
      ))}
      <AxisBelow scale={x} values={ticks([-reach, reach], Math.max(2, Math.round(width / 100)))} y={bottom} title={props.effectName} left={left} right={right} />
      <AxisLeft scale={y} values={ticks(span, 5)} x={left} title={props.surenessName} top={top} bottom={bottom} />
    </svg>
    </div>
  );
}
