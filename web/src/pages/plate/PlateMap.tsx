import { placeOf, roleOf, ROLES, rowName, shapeOf, type PlateRow } from "./plateLayout";

const WELL = 30;
const EDGE = 26;

/** The plate from above; the table below it says the same in words. */
export function PlateMap({ rows }: { rows: PlateRow[] }) {
  const shape = shapeOf(rows.map((row) => row.well));
  const width = EDGE + shape.columns * WELL + 4;
  const height = EDGE + shape.rows * WELL + 4;
  const present = Object.keys(ROLES).filter((role) => rows.some((row) => row.role === role));
  return (
    <figure style={{ margin: 0 }}>
      <svg className="chart" viewBox={`0 0 ${width} ${height}`} style={{ maxWidth: `${Math.max(420, width * 1.4)}px` }} role="img" aria-label={`Plate of ${shape.rows} by ${shape.columns} wells, ${rows.length} used; its wells are listed in the table below`}>
        {Array.from({ length: shape.columns }, (_, column) => (
          <text key={column} x={EDGE + column * WELL + WELL / 2} y={16} textAnchor="middle" className="tick-label">
            {column + 1}
          </text>
        ))}
        {Array.from({ length: shape.rows }, (_, row) => (
          <text key={row} x={10} y={EDGE + row * WELL + WELL / 2} dy="0.32em" textAnchor="middle" className="tick-label">
            {rowName(row)}
          </text>
        ))}
        {Array.from({ length: shape.rows * shape.columns }, (_, i) => (
          <circle
            key={i}
            cx={EDGE + (i % shape.columns) * WELL + WELL / 2}
            cy={EDGE + Math.floor(i / shape.columns) * WELL + WELL / 2}
            r={WELL / 2 - 3}
            fill="none"
            stroke="var(--line)"
          />
        ))}
        {rows.map((row) => {
          const place = placeOf(row.well);
          if (!place) return null;
          const role = roleOf(row.role);
          const [x, y] = [EDGE + place.column * WELL + WELL / 2, EDGE + place.row * WELL + WELL / 2];
          return (
            <g key={row.well}>
              <title>{`${row.well}: ${row.perturbation}, ${role.said}. ${row.reason}`}</title>
              <circle cx={x} cy={y} r={WELL / 2 - 3} fill={role.color} />
              <text x={x} y={y} dy="0.34em" textAnchor="middle" style={{ fontSize: 11, fontWeight: 650, fill: "#fff" }}>
                {role.mark}
              </text>
            </g>
          );
        })}
      </svg>
      <figcaption className="row small">
        {present.map((role) => (
          <span key={role} className="row" style={{ gap: "0.35rem" }}>
            <svg width="16" height="16" aria-hidden="true">
              <circle cx="8" cy="8" r="8" fill={roleOf(role).color} />
              <text x="8" y="8" dy="0.34em" textAnchor="middle" style={{ fontSize: 9, fontWeight: 650, fill: "#fff" }}>
                {roleOf(role).mark}
              </text>
            </svg>
            {roleOf(role).said}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}
