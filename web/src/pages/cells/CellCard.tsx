/** One cell: what it can be asked, how it was scored, what it was made from. */
import type { ReactNode } from "react";
import { Link } from "react-router";
import type { CellDetail } from "../../api/types";
import { spokenSource } from "../../components/CellPicker";
import { ScoreView } from "../../components/ScoreView";
import { count, day, figure, interval } from "../../lib/format";
import { spokenKind } from "../../lib/perturbation";
import { Badge, Banner, Tabs } from "../../ui";

export function CellCard({ cell }: { cell: CellDetail }) {
  const query = `?${new URLSearchParams({ cell: cell.id })}`;
  return (
    <article className="stack" aria-label={`Cell ${cell.title}`}>
      <section className="card stack">
        <header className="answer-head">
          <div>
            <h2 className="cell-title">{cell.title || cell.name}</h2>
            {dataOf(cell)?.title && <p className="quiet">{dataOf(cell)?.title}</p>}
            <p className="row">
              <Badge tone="accent">{spokenSource(cell.source)}</Badge>
              {cell.scored ? <Badge tone="good">scored on held-out perturbations</Badge> : <Badge tone="warn">not scored</Badge>}
              {cell.visibility !== "public" && <Badge>{cell.visibility}</Badge>}
              <span className="small quiet">{day(cell.created)}</span>
            </p>
          </div>
          <div className="row no-print">
            <Link className="button primary" to={`/predict${query}`}>
              Predict
            </Link>
            <Link className="button" to={`/explore${query}`}>
              Explore
            </Link>
            <Link className="button" to={`/screen${query}`}>
              Screen
            </Link>
          </div>
        </header>
        <dl className="tiles">
          <Tile name="Perturbations" value={count(cell.perturbations)} note={cell.kinds.map(spokenKind).join(", ")} />
          <Tile name="Contexts" value={count(cell.contexts.length)} note={cell.contexts.slice(0, 3).join(", ") + (cell.contexts.length > 3 ? ", …" : "")} />
          <Tile name="Genes" value={count(cell.features)} note={cell.units} />
          <Tile name="Cells measured" value={typeof cell.card.cells === "number" ? count(cell.card.cells) : "–"} note={String(dataOf(cell)?.dataset ?? "")} />
        </dl>
      </section>
      <section className="card">
        <Tabs
          label="About this cell"
          tabs={[
            { key: "scores", label: "How it was scored", content: <Scores cell={cell} /> },
            { key: "about", label: "What it was made from", content: <Origin cell={cell} /> },
            { key: "card", label: "Whole card", content: <Facts value={cell.card} /> },
          ]}
        />
      </section>
    </article>
  );
}

function Tile({ name, value, note }: { name: string; value: string; note: string }) {
  return (
    <div className="tile">
      <dt>{name}</dt>
      <dd>
        <span className="tile-value number">{value}</span>
        <span className="small quiet">{note}</span>
      </dd>
    </div>
  );
}

/** What the fit itself left out to check itself: weaker than a score by the evaluator, better than nothing. */
export function leftOutSentence(card: Record<string, unknown>): string | null {
  const found = card.left_out as { gain?: number; gain_low?: number; gain_high?: number; harm_rate?: number; n?: number } | undefined;
  if (!found || typeof found.gain !== "number") return null;
  const shown = typeof found.gain_low === "number" && typeof found.gain_high === "number" ? ` (95% interval ${interval(found.gain_low, found.gain_high)})` : "";
  const verdict = (found.gain_low ?? -1) > 0 ? "It was better than the mean effect" : (found.gain_high ?? 1) < 0 ? "It was worse than the mean effect" : "It was not shown to be better than the mean effect";
  const harmed = typeof found.harm_rate === "number" ? ` It was worse on ${Math.round(found.harm_rate * 100)}% of them.` : "";
  return `While it was fitted, ${found.n ?? "some"} perturbations were left out in turn and predicted. ${verdict}: gain ${figure(found.gain)}${shown}.${harmed}`;
}

function Scores({ cell }: { cell: CellDetail }) {
  if (cell.scores) return <ScoreView scores={cell.scores} own={ownMethods(cell)} />;
  const said = leftOutSentence(cell.card);
  return (
    <Banner tone="warn" title="This cell was not scored beside the baselines">
      {said && <p>{said}</p>}
      <p>
        To score it, fit it here with scoring switched on, or run <code>aivc evaluate</code>.
      </p>
    </Banner>
  );
}

/** Names under which the method of a cell stands in its scores. */
export function ownMethods(cell: CellDetail): string[] {
  const named = cell.card.manipulator;
  return typeof named === "string" ? [named] : cell.instruments;
}

interface DataCard {
  dataset?: string;
  title?: string;
  citation?: string;
  source?: string;
  licence?: string;
  addresses?: string[];
  notes?: string[];
}

function dataOf(cell: CellDetail): DataCard | undefined {
  const data = cell.card.data;
  return data && typeof data === "object" && !Array.isArray(data) ? (data as DataCard) : undefined;
}

function Origin({ cell }: { cell: CellDetail }) {
  const data = dataOf(cell);
  const lines: [string, ReactNode][] = [
    ["Data", data?.title],
    ["Citation", data?.citation],
    ["Source", data?.source],
    ["Terms of the data", data?.licence],
    ["Contexts", cell.contexts.join(", ")],
    ["Kinds", cell.kinds.map(spokenKind).join(", ")],
    ["Units", cell.units],
    ["Doses", cell.doses.used ? `${cell.doses.values.map((each) => figure(each)).join(", ")} ${cell.doses.units}` : "not used"],
    ["Hours", cell.hours.used ? cell.hours.values.join(", ") : "not used"],
    ["Encoders", cell.encoders.join(", ")],
    ["Instruments", cell.instruments.join(", ")],
    ["Owner", cell.owner],
  ];
  return (
    <div className="stack">
      <dl className="facts">
        {lines
          .filter(([, value]) => value)
          .map(([name, value]) => (
            <div key={name} className="fact">
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      {data?.notes && data.notes.length > 0 && (
        <div>
          <h3>Notes on the data</h3>
          <ul>
            {data.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}

/** Anything a card may hold, as nested lists of facts. */
export function Facts({ value }: { value: unknown }): ReactNode {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "number") return <span className="number">{Number.isInteger(value) ? count(value) : figure(value, 4)}</span>;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return /^https:\/\//.test(value) ? <a href={value} rel="noreferrer">{value}</a> : value;
  if (Array.isArray(value)) {
    if (value.every((each) => typeof each !== "object" || each === null)) return value.slice(0, 60).map(String).join(", ") + (value.length > 60 ? ", …" : "");
    return value.slice(0, 60).map((each, index) => <div key={index}><Facts value={each} /></div>);
  }
  return (
    <dl className="facts nested">
      {Object.entries(value as Record<string, unknown>).map(([name, each]) => (
        <div key={name} className="fact">
          <dt>{name.replaceAll("_", " ")}</dt>
          <dd>
            <Facts value={each} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
