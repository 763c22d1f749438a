/** What the colours of numbers mean, and how many points have none. */
import { css, rampCss, shapePath, withoutColor } from "../../charts/scatter";
import { count, figure } from "../../lib/format";

interface RampProps {
  name: string;
  values: Float32Array;
  range: [number, number];
  missing?: string;
  dark: boolean;
}

const CROSS = 4;

export function Ramp({ name, values, range, missing, dark }: RampProps) {
  const without = values.reduce((sum, value) => sum + (Number.isFinite(value) ? 0 : 1), 0);
  return (
    <div className="stack-tight">
      <strong>{name}</strong>
      <div className="ramp" style={{ background: rampCss(dark) }} role="img" aria-label={`Colours from ${figure(range[0])} to ${figure(range[1])}`} />
      <div className="ramp-ends small number">
        <span>{figure(range[0])}</span>
        <span>{figure(range[1])} and more</span>
      </div>
      {without > 0 && (
        <span className="ramp-missing small">
          <svg width="16" height="16" viewBox="-8 -8 16 16" aria-hidden="true">
            <path d={shapePath(CROSS, 6)} fill={css(withoutColor(dark))} />
          </svg>
          {missing ?? "not known"}: {count(without)}
        </span>
      )}
    </div>
  );
}
