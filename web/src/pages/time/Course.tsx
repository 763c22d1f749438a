/** The cells at one moment of a schedule, a slider over its moments, and what some of them become. */
import { useMemo, useState } from "react";
import type { TimeAnswer } from "../../api/types";
import { colorRange, paintCategories, paintValues, ScatterPlot } from "../../charts/scatter";
import "../../components/cloud/cloud.css";
import { Legend } from "../../components/cloud/Legend";
import { Ramp } from "../../components/cloud/Ramp";
import { maskOf, maskOfCategory, places, taken } from "../../components/cloud/selection";
import { useDark } from "../../hooks/useDark";
import type { Points } from "../../lib/arrow";
import { count, figure } from "../../lib/format";
import { Check, Select } from "../../ui";
import { FollowedCells } from "./FollowedCells";
import { always, cellsAmong, labelAt, otherMoments, rowsAt, spokenHours, ways } from "./moments";
import { MomentSlider } from "./MomentSlider";
import { StatesNow, Steps, Worth } from "./StepTables";

const MASS = "mass";

export function Course({ answer, points }: { answer: TimeAnswer; points: Points }) {
  const dark = useDark();
  const [moment, setMoment] = useState(0);
  const [by, setBy] = useState("state");
  const [named, setNamed] = useState(true);
  const [followed, setFollowed] = useState<{ cells: Uint8Array; since: number } | null>(null);
  const { cells, times } = answer;
  const total = points.x.length;
  const mass = points.numbers.mass as Float32Array;

  const here = useMemo(() => rowsAt(moment, cells), [moment, cells]);
  const state = points.labels.find((each) => each.name === "state");
  const label = points.labels.find((each) => each.name === by) ?? state;
  const now = useMemo(() => (label ? labelAt(label, moment, cells) : undefined), [label, moment, cells]);
  const massNow = useMemo(() => taken(mass, here), [mass, here]);
  const range = useMemo(() => colorRange(mass), [mass]);
  const paint = useMemo(() => {
    const apart = { behind: otherMoments(total, moment, cells), selected: followed ? always(followed.cells, total) : null };
    if (by === MASS) return paintValues(mass, range, dark, apart);
    return paintCategories(label?.codes ?? new Int32Array(total), dark, apart);
  }, [total, moment, cells, followed, by, mass, range, dark, label]);
  const names = useMemo(() => (named && by === "state" && now ? places(now, taken(points.x, here), taken(points.y, here)) : []), [named, by, now, points, here]);

  const paths = useMemo(() => (followed ? ways(points.x, points.y, followed.cells, followed.since, moment) : []), [points, followed, moment]);

  function follow(mask: Uint8Array | null) {
    setFollowed(mask ? { cells: mask, since: moment } : null);
  }

  function describe(row: number) {
    const at = times[Math.floor(row / cells)] ?? NaN;
    return (
      <>
        <div>
          <span className="quiet">at</span> {spokenHours(at)}
        </div>
        {points.labels.slice(0, 4).map((each) => (
          <div key={each.name}>
            <span className="quiet">{each.name}</span> {each.categories[each.codes[row] as number]}
          </div>
        ))}
        <div>
          <span className="quiet">has become</span> {figure(mass[row])} cells
        </div>
      </>
    );
  }

  const choices = [...points.labels.filter((each) => each.categories.length > 1 || each.name === "state").map(({ name }) => ({ value: name, label: name })), { value: MASS, label: "how many cells it has become" }];
  return (
    <div className="stack">
      <Worth answer={answer} />
      <div className="cloud">
        <section className="card stack-tight" aria-label="Cells">
          <MomentSlider answer={answer} moment={moment} onMoment={setMoment} />
          <ScatterPlot
            title={`Cells at ${spokenHours(times[moment] ?? 0)}`}
            x={points.x}
            y={points.y}
            paint={paint}
            names={names}
            paths={paths}
            describe={describe}
            onSelect={(indices) => follow(cellsAmong(indices, moment, cells))}
            height={520}
            tools={by === "state" ? <Check label="Names on the plot" checked={named} onChange={(event) => setNamed(event.target.checked)} /> : undefined}
          />
          <p className="small quiet cloud-axes">
            Across: {points.axes[0]}. Up: {points.axes[1]}. {count(cells)} cells at {spokenHours(times[moment] ?? 0)}; faint: the same cells at the other moments. Draw around some, then move the
            slider to follow them.
          </p>
        </section>
        <div className="stack">
          <section className="card stack" aria-label="Colour">
            <Select label="Colour by" value={by} onChange={(event) => setBy(event.target.value)} choices={choices} />
            {by === MASS ? (
              <Ramp name="Cells it has become" values={massNow} range={range} dark={dark} />
            ) : (
              now && (
                <Legend
                  label={now}
                  mask={followed?.cells ?? null}
                  dark={dark}
                  onChoose={(code) => {
                    const mask = maskOfCategory(now, code);
                    follow(maskOf(Array.from(mask.keys()).filter((cell) => mask[cell]), cells));
                  }}
                />
              )
            )}
          </section>
          {state && <FollowedCells followed={followed} state={labelAt(state, moment, cells)} mass={massNow} times={times} moment={moment} onClear={() => setFollowed(null)} />}
          <StatesNow answer={answer} moment={moment} />
        </div>
      </div>
      <Steps answer={answer} moment={moment} onMoment={setMoment} />
    </div>
  );
}
