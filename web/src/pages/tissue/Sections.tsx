/** The points of sections, coloured by label, gene or what an edit changes, with the answer in words and numbers. */
import { useMemo, useState, type ReactNode } from "react";
import { mayPass } from "../../api/failure";
import type { CellDetail, DatasetSummary } from "../../api/types";
import { Cloud, type Numbers } from "../../components/cloud/Cloud";
import { ranked, taken } from "../../components/cloud/selection";
import { FigureView } from "../../components/FigureView";
import type { Points } from "../../lib/arrow";
import { Button, ErrorState, Select, Skeleton } from "../../ui";
import { ChangeByType, ChangeFacts, ChangeStanding } from "./Change";
import { EditForm } from "./EditForm";
import { rowsOf, sectionLabel, sideBySide, subset } from "./sections";
import { useChange, useSectionFigure } from "./tissueData";

interface SectionsProps {
  cell: CellDetail;
  dataset: DatasetSummary;
  points: Points;
  pick: ReactNode;
  edit: string;
  section: string;
  ask: (changes: Record<string, string>) => void;
}

// More lie too close to be seen at once.
const MOST_SIDE_BY_SIDE = 16;
const ALL = "all";

export function Sections({ cell, dataset, points, pick, edit, section, ask }: SectionsProps) {
  const { answer, cells } = useChange(cell.id, dataset.id, edit);
  const [anyway, setAnyway] = useState("");
  const label = useMemo(() => sectionLabel(points), [points]);
  const sorted = useMemo(() => (label ? [...label.categories].sort((a, b) => a.localeCompare(b, "en", { numeric: true })) : []), [label]);
  const usual = sorted.length > MOST_SIDE_BY_SIDE ? (sorted[0] ?? ALL) : ALL;
  const chosen = section === ALL || sorted.includes(section) ? section : usual;

  const shown = useMemo(() => {
    if (!label) return { points, names: undefined, rows: null };
    if (chosen === ALL) return { ...sideBySide(points, label), rows: null };
    const of = rowsOf(label, chosen);
    return { points: subset(points, of), names: undefined, rows: { of, all: points.x.length } };
  }, [points, label, chosen]);

  const known = answer.data !== undefined && (answer.data.applicability !== "outside" || anyway === edit);
  const numbers = useMemo<Numbers[]>(() => {
    const [change, steps] = [cells.data?.change, cells.data?.steps];
    if (!known || !change || !steps || change.length !== points.x.length) return [];
    const here = (values: Float32Array) => (shown.rows ? taken(values, shown.rows.of) : values);
    const [values, away] = [here(change), here(steps)];
    return [{ name: `Change by ${edit}`, values, missing: "taken out", more: (index) => spokenSteps(away[index] as number) }];
  }, [cells.data, known, edit, shown, points]);

  const types = useMemo(() => {
    const found = points.labels.find((each) => each.name === "cell_type");
    return found ? ranked(found).categories : [];
  }, [points]);
  const unit = points.about.unit ?? "";

  return (
    <div className="stack">
      <div className="cloud-pick no-print">
        {pick}
        {label && (
          <Select
            label="Section"
            value={chosen}
            onChange={(event) => ask({ section: event.target.value })}
            choices={[{ value: ALL, label: `All ${sorted.length}, side by side` }, ...sorted.map((value) => ({ value, label: value }))]}
          />
        )}
      </div>
      <EditForm key={edit} types={types} asked={edit} busy={edit !== "" && (answer.isFetching || cells.isFetching)} onAsk={(edit) => ask({ edit })} />
      <div aria-live="polite" className="stack">
        {edit && answer.isPending && <Skeleton lines={2} label="Asking what the edit changes" />}
        {edit && answer.isError && <ErrorState title="This edit was not answered" error={answer.error} retry={mayPass(answer.error) ? () => void answer.refetch() : undefined} />}
        {edit && cells.isError && <ErrorState title="The change of each cell could not be read" error={cells.error} retry={() => void cells.refetch()} />}
        {answer.data && <ChangeStanding answer={answer.data} shown={known} onShow={() => setAnyway(edit)} />}
      </div>
      <Cloud
        points={shown.points}
        names={shown.names}
        rows={shown.rows}
        cell={cell}
        genesOf={dataset.id}
        numbers={numbers}
        clustered={false}
        lengthUnit={unit}
        said={`Positions as the data have them${unit ? ` (${unit})` : ", in a unit that they do not state"}.${points.about.dimensions === "3" ? " The third coordinate is not drawn." : ""} How sections are turned means nothing.`}
      />
      {answer.data && known && (
        <div className="tissue-change">
          <section className="card stack-tight" aria-label="How far it is felt">
            <h2>How far it is felt</h2>
            <ChangeFacts answer={answer.data} />
          </section>
          <section className="card stack-tight" aria-label="Change by type">
            <h2>Which types change</h2>
            <ChangeByType answer={answer.data} />
          </section>
        </div>
      )}
      <Drawn key={`${dataset.id} ${edit}`} cell={cell.id} dataset={dataset.id} edit={known ? edit : ""} />
    </div>
  );
}

function spokenSteps(steps: number): string {
  if (!Number.isFinite(steps)) return "";
  return steps === 1 ? "a neighbor of the edit" : `${steps} neighbors from the edit`;
}

/** The figure for paper and slides, which takes a moment to draw. */
function Drawn({ cell, dataset, edit }: { cell: string; dataset: string; edit: string }) {
  const [asked, setAsked] = useState(false);
  const drawn = useSectionFigure(cell, dataset, edit, asked);
  if (drawn.data) return <FigureView figure={drawn.data} name={`tissue ${edit}`} />;
  if (drawn.isError) return <ErrorState title="The figure was not drawn" error={drawn.error} retry={() => void drawn.refetch()} />;
  if (asked) return <Skeleton height="16rem" label="Drawing the figure" />;
  return (
    <div className="row no-print">
      <Button onClick={() => setAsked(true)}>Draw the figure for print</Button>
      <span className="small quiet">Up to four sections with their types{edit ? ", and what the edit changes" : ""}, as SVG.</span>
    </div>
  );
}
