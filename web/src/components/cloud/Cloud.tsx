/** The plot with its legend, and what is selected. */
import { useEffect, useMemo, useState, type ReactNode } from "react";
import { asFailure } from "../../api/failure";
import type { CellDetail } from "../../api/types";
import { colorRange, paintCategories, paintValues, ScatterPlot } from "../../charts/scatter";
import { useDark } from "../../hooks/useDark";
import { useDebounced } from "../../hooks/useDebounced";
import type { Label, Points } from "../../lib/arrow";
import { count, figure } from "../../lib/format";
import { Button, Check, Combobox, ErrorState, Select } from "../../ui";
import "./cloud.css";
import { Legend } from "./Legend";
import { useFeatures, useValues } from "./points";
import { Ramp } from "./Ramp";
import { maskOf, maskOfCategory, places, ranked, taken } from "./selection";
import { SelectionSummary } from "./SelectionSummary";

/** Numbers that points can be coloured by, one for each. */
export interface Numbers {
  name: string;
  values: Float32Array;
  /** What points without a number are. */
  missing?: string;
  /** What is added under the pointer. */
  more?: (index: number) => string;
}

interface CloudProps {
  points: Points;
  cell: CellDetail | undefined;
  /** The dataset whose genes colour the points. */
  genesOf: string | null;
  /** Which rows of that dataset the points are, of how many; null where they are all. */
  rows?: { of: Uint32Array; all: number } | null;
  numbers?: Numbers[];
  /** Unit of length, where the axes are lengths. */
  lengthUnit?: string;
  /** Names that always stand on the plot, in place of those of the label that colours. */
  names?: { text: string; x: number; y: number }[];
  /** Whether categories have a place of their own, so that their names stand there until one hides them. */
  clustered?: boolean;
  /** What the axes are, in place of their names. */
  said?: ReactNode;
}

const NONE: Numbers[] = [];

export function Cloud({ points, cell, genesOf, rows = null, numbers = NONE, lengthUnit, names: given, clustered = true, said }: CloudProps) {
  const dark = useDark();
  const labels = useMemo(() => points.labels.map(ranked), [points]);
  const [by, setBy] = useState(() => firstLabel(labels));
  const [gene, setGene] = useState("");
  const [typed, setTyped] = useState("");
  const [named, setNamed] = useState(clustered);
  const [mask, setMask] = useState<Uint8Array | null>(null);
  const asked = useDebounced(typed.trim());
  const features = useFeatures(genesOf, asked);
  const values = useValues(genesOf, gene);
  const label = labels.find((each) => each.name === by);
  const number = numbers.find((each) => each.name === by);
  // Points that were thinned, or a dataset of other cells, cannot be coloured by values of all.
  const fits = values.data && values.data.length === (rows?.all ?? points.x.length);
  const geneValues = useMemo(() => (fits && values.data ? (rows ? taken(values.data, rows.of) : values.data) : undefined), [fits, values.data, rows]);
  const shownValues = gene ? geneValues : number?.values;
  const shownName = gene || (number?.name ?? "");

  // What was just asked is what one wants to see.
  const first = numbers[0]?.name ?? "";
  useEffect(() => {
    setBy((by) => first || (labels.some((each) => each.name === by) ? by : firstLabel(labels)));
    if (!first) return;
    setGene("");
    setTyped("");
  }, [first, labels]);
  // A selection is of these points.
  useEffect(() => setMask(null), [points]);

  const range = useMemo(() => (shownValues ? colorRange(shownValues) : ([0, 1] as [number, number])), [shownValues]);
  const paint = useMemo(() => {
    const selected = mask?.length === points.x.length ? mask : null;
    if (shownValues) return paintValues(shownValues, range, dark, { selected });
    return paintCategories(label ? label.codes : new Int32Array(points.x.length), dark, { selected });
  }, [shownValues, range, label, dark, mask, points]);
  const nameable = !given && label !== undefined && !shownValues && label.categories.length <= 24;
  const names = useMemo(() => given ?? (named && nameable ? places(label as Label, points.x, points.y) : []), [named, nameable, given, label, points]);

  function describe(index: number) {
    return (
      <>
        {shownValues && (
          <div>
            <strong>{shownName}</strong> {Number.isFinite(shownValues[index]) ? figure(shownValues[index]) : (number?.missing ?? "not known")}
            {!gene && number?.more && <div>{number.more(index)}</div>}
          </div>
        )}
        {labels.slice(0, 6).map((each) => (
          <div key={each.name}>
            <span className="quiet">{each.name}</span> {each.categories[each.codes[index] as number]}
          </div>
        ))}
      </>
    );
  }

  return (
    <div className="cloud">
      <section className="card" aria-label="Points">
        <ScatterPlot
          title={`${points.axes[0]} against ${points.axes[1]}`}
          x={points.x}
          y={points.y}
          paint={paint}
          names={names}
          describe={describe}
          onSelect={(indices) => setMask(maskOf(indices, points.x.length))}
          height={600}
          lengthUnit={lengthUnit}
          tools={nameable ? <Check label="Names on the plot" checked={named} onChange={(event) => setNamed(event.target.checked)} /> : undefined}
        />
        <p className="small quiet cloud-axes">
          {said ?? `Across: ${points.axes[0]}. Up: ${points.axes[1]}.`} {count(points.x.length)} points. Wheel zooms, dragging moves, Shift and dragging draws a line.
        </p>
      </section>
      <div className="stack">
        <section className="card stack" aria-label="Colour">
          {labels.length + numbers.length > 0 && (
            <Select
              label={numbers.length > 0 ? "Colour by" : "Colour by label"}
              value={by}
              onChange={(event) => { setBy(event.target.value); setGene(""); setTyped(""); }}
              choices={[...numbers.map(({ name }) => ({ value: name, label: name })), ...labels.map((each) => ({ value: each.name, label: `${each.name} (${count(each.categories.length)})` }))]}
            />
          )}
          {genesOf !== null && features.error && <p className="small quiet">Its genes are not here: {asFailure(features.error).problems[0]}</p>}
          {genesOf !== null && !features.error && (
            <Combobox
              label="Or by gene"
              placeholder="For example its symbol"
              text={typed}
              onText={setTyped}
              options={features.data ?? []}
              optionKey={(name) => name}
              optionLabel={(name) => name}
              onChoose={(name) => { setGene(name); setTyped(name); }}
              loading={features.isFetching}
              stale={asked !== typed.trim() || features.isPlaceholderData}
            />
          )}
          {values.error && gene && <ErrorState title={`${gene} could not be read`} error={values.error} />}
          {gene && values.data && !fits && <p className="small quiet">Values of {gene} are of other cells than these points, so they are not drawn.</p>}
          {shownValues ? (
            <div className="stack-tight" aria-live="polite">
              <Ramp name={shownName} values={shownValues} range={range} missing={gene ? undefined : number?.missing} dark={dark} />
              {gene && (
                <Button compact onClick={() => { setGene(""); setTyped(""); }}>
                  Back to {number ? number.name : "labels"}
                </Button>
              )}
            </div>
          ) : (
            label && <Legend label={label} mask={mask} dark={dark} onChoose={(code) => setMask(maskOfCategory(label, code))} />
          )}
        </section>
        <SelectionSummary labels={labels} shown={label} mask={mask} cell={cell} values={shownValues} gene={shownName} onClear={() => setMask(null)} />
      </div>
    </div>
  );
}

function firstLabel(labels: Label[]): string {
  return (labels.find((each) => each.categories.length > 1) ?? labels[0])?.name ?? "";
}
