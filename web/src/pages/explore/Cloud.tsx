/** The plot with its legend, and what is selected. */
import { useMemo, useState } from "react";
import { asFailure } from "../../api/failure";
import type { CellDetail } from "../../api/types";
import { colorRange, paintCategories, paintValues, rampCss, ScatterPlot } from "../../charts/scatter";
import { useDark } from "../../hooks/useDark";
import { useDebounced } from "../../hooks/useDebounced";
import type { Points } from "../../lib/arrow";
import { count, figure } from "../../lib/format";
import { Button, Check, Combobox, ErrorState, Select } from "../../ui";
import { Legend } from "./Legend";
import { useFeatures, useValues } from "./points";
import { maskOf, maskOfCategory, places, ranked } from "./selection";
import { SelectionSummary } from "./SelectionSummary";

export function Cloud({ points, cell, genesOf }: { points: Points; cell: CellDetail | undefined; genesOf: string | null }) {
  const dark = useDark();
  const labels = useMemo(() => points.labels.map(ranked), [points]);
  const [by, setBy] = useState((labels.find((each) => each.categories.length > 1) ?? labels[0])?.name ?? "");
  const [gene, setGene] = useState("");
  const [typed, setTyped] = useState("");
  const [named, setNamed] = useState(true);
  const [mask, setMask] = useState<Uint8Array | null>(null);
  const asked = useDebounced(typed.trim());
  const features = useFeatures(genesOf, asked);
  const values = useValues(genesOf, gene);
  const label = labels.find((each) => each.name === by);
  // Points that were thinned, or a dataset of other cells, cannot be coloured by values of all.
  const fits = values.data && values.data.length === points.x.length;
  const shownValues = gene && fits ? values.data : undefined;

  const range = useMemo(() => (shownValues ? colorRange(shownValues) : ([0, 1] as [number, number])), [shownValues]);
  const paint = useMemo(() => {
    if (shownValues) return paintValues(shownValues, range, dark, mask);
    return paintCategories(label ? label.codes : new Int32Array(points.x.length), dark, mask);
  }, [shownValues, range, label, dark, mask, points]);
  const names = useMemo(() => (named && label && !shownValues && label.categories.length <= 24 ? places(label, points.x, points.y) : []), [named, label, shownValues, points]);

  function describe(index: number) {
    return (
      <>
        {shownValues && (
          <div>
            <strong>{gene}</strong> {figure(shownValues[index])}
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
    <div className="explore">
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
          tools={label && !shownValues && label.categories.length <= 24 ? <Check label="Names on the plot" checked={named} onChange={(event) => setNamed(event.target.checked)} /> : undefined}
        />
        <p className="small quiet explore-axes">
          Across: {points.axes[0]}. Up: {points.axes[1]}. {count(points.x.length)} points. Wheel zooms, dragging moves, Shift and dragging draws a line.
        </p>
      </section>
      <div className="stack">
        <section className="card stack" aria-label="Colour">
          {labels.length > 0 && (
            <Select label="Colour by label" value={by} onChange={(event) => { setBy(event.target.value); setGene(""); }} choices={labels.map((each) => ({ value: each.name, label: `${each.name} (${count(each.categories.length)})` }))} />
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
              <strong>{gene}</strong>
              <div className="ramp" style={{ background: rampCss(dark) }} role="img" aria-label={`Colours from ${figure(range[0])} to ${figure(range[1])}`} />
              <div className="ramp-ends small number">
                <span>{figure(range[0])}</span>
                <span>{figure(range[1])} and more</span>
              </div>
              <Button compact onClick={() => { setGene(""); setTyped(""); }}>
                Back to labels
              </Button>
            </div>
          ) : (
            label && <Legend label={label} mask={mask} dark={dark} onChoose={(code) => setMask(maskOfCategory(label, code))} />
          )}
        </section>
        <SelectionSummary labels={labels} shown={label} mask={mask} cell={cell} values={shownValues} gene={gene} onClear={() => setMask(null)} />
      </div>
    </div>
  );
}
