/** The answer of a cell: how far to trust it first, then its numbers, then what it rests on. */
import { useState } from "react";
import type { Answer, CellDetail, GeneAnswer, Pathway, Question, Reason } from "../../api/types";
import { IntervalPlot, Volcano, type IntervalRow } from "../../charts";
import { ScoreView } from "../../components/ScoreView";
import { fileName } from "../../lib/csv";
import { download } from "../../lib/download";
import { day, figure, interval, many, percent, signed } from "../../lib/format";
import { spoken } from "../../lib/perturbation";
import { standing } from "../../lib/standing";
import { Badge, Banner, Button, Check, EmptyState, ErrorState, Table, Tabs, type Column, type Tab } from "../../ui";
import { answerCsv } from "./questions";

export function AnswerView({ cell, question, answer }: { cell: CellDetail; question: Question; answer: Answer }) {
  const stands = standing(answer);
  const [shown, setShown] = useState(stands.known);
  return (
    <article className="stack">
      <header className="answer-head">
        <div>
          <h2>{spoken(answer.perturbation)}</h2>
          <p className="print-only">
            Predicted by the virtual cell {cell.title || cell.name} ({cell.id}), printed {day(new Date().toISOString())}.
          </p>
          <p className="row small">
            <code>{answer.perturbation}</code>
            {answer.context && <Badge>{answer.context}</Badge>}
            {answer.measured ? <Badge tone="good">In the training data</Badge> : <Badge tone="accent">Not in the training data</Badge>}
            <span className="quiet">
              {answer.made_by.join(", ")} · {figure(answer.seconds, 2)} s
            </span>
          </p>
        </div>
        <Exports cell={cell} question={question} answer={answer} />
      </header>
      <Banner tone={stands.tone} title={stands.title}>
        <p>{stands.text}</p>
        {answer.remarks.filter((remark) => remark !== stands.text).map((remark) => (
          <p key={remark}>{remark}</p>
        ))}
        {!stands.known && (
          <p className="no-print">
            <Button compact aria-expanded={shown} onClick={() => setShown(!shown)}>
              {shown ? "Hide the default answer" : "Show the default answer"}
            </Button>
          </p>
        )}
      </Banner>
      {shown && (
        <>
          {!stands.known && <p className="answer-default">Default answer: the mean effect of perturbations, not knowledge of this one.</p>}
          <p>{answer.sureness}</p>
          <Numbers answer={answer} known={stands.known} />
        </>
      )}
      <section className="card" aria-label="What it rests on">
        <Tabs label="What it rests on" tabs={restsOn(cell, answer)} />
      </section>
    </article>
  );
}

function Exports({ cell, question, answer }: { cell: CellDetail; question: Question; answer: Answer }) {
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<unknown>(null);
  async function save() {
    setBusy(true);
    setFailed(null);
    try {
      download(fileName(`${cell.name} ${answer.perturbation} ${answer.context}`, "csv"), await answerCsv(cell.id, question, answer));
    } catch (error) {
      setFailed(error);
    } finally {
      setBusy(false);
    }
  }
  return (
    <div className="no-print stack-tight">
      <div className="row">
        <Button busy={busy} onClick={() => void save()}>
          {busy ? "Writing…" : "Save all genes (CSV)"}
        </Button>
        <Button onClick={() => window.print()}>Print</Button>
      </div>
      {failed !== null && <ErrorState title="The table could not be written" error={failed} />}
    </div>
  );
}

function byEffect(genes: GeneAnswer[], most: number): GeneAnswer[] {
  return genes.slice(0, most).sort((a, b) => (b.effect ?? 0) - (a.effect ?? 0));
}

function look(gene: GeneAnswer, known: boolean): Pick<IntervalRow, "strong" | "tone"> {
  return { strong: gene.clear && known, tone: !known ? "muted" : (gene.effect ?? 0) > 0 ? "up" : "down" };
}

/** Rows of the plot: the strongest effects, those that rise first. */
export function effectRows(genes: GeneAnswer[], known: boolean, most = 24): IntervalRow[] {
  return byEffect(genes, most).map((gene) => ({ label: gene.feature, value: gene.effect ?? NaN, low: gene.low, high: gene.high, ...look(gene, known) }));
}

/** The same genes as levels: predicted with its interval, control beside it. */
export function levelRows(genes: GeneAnswer[], known: boolean, most = 24): IntervalRow[] {
  const moved = (gene: GeneAnswer, by: number | null) => (gene.control === null || by === null ? null : gene.control + by);
  return byEffect(genes, most).map((gene) => ({
    label: gene.feature,
    value: gene.predicted ?? NaN,
    low: moved(gene, gene.low),
    high: moved(gene, gene.high),
    beside: gene.control,
    ...look(gene, known),
  }));
}

function Numbers({ answer, known }: { answer: Answer; known: boolean }) {
  const { genes } = answer;
  const plots: Tab[] = [
    {
      key: "effects",
      label: "Effect",
      content: (
        <figure className="figure">
          <IntervalPlot title="Strongest effects with their intervals" axis={`effect, ${answer.units}`} rows={effectRows(genes, known)} reference={0} valueName="effect" />
          <figcaption>
            Predicted minus control, with {percent(answer.level)} intervals. Filled: the interval lies clear of zero.
          </figcaption>
        </figure>
      ),
    },
    {
      key: "levels",
      label: "Predicted and control",
      content: (
        <figure className="figure">
          <IntervalPlot title="Predicted levels beside control" axis={answer.units} rows={levelRows(genes, known)} valueName="predicted" />
          <figcaption>Circle: predicted, with its {percent(answer.level)} interval. Square: control.</figcaption>
        </figure>
      ),
    },
  ];
  const tables: Tab[] = [
    { key: "genes", label: "Genes", content: <GeneTable genes={genes} answer={answer} /> },
    { key: "pathways", label: "Pathways", content: <PathwayTable pathways={answer.pathways} /> },
  ];
  return (
    <>
      <div className="split">
        <section className="card" aria-label="Effects">
          <Tabs label="Effects" tabs={plots} />
        </section>
        <section className="card" aria-label="Volcano">
          <h3>All genes</h3>
          {answer.volcano.feature.length ? (
            <figure className="figure">
              <Volcano
                title="Effect against sureness of all genes"
                feature={answer.volcano.feature}
                effect={answer.volcano.effect}
                sureness={answer.volcano.sureness}
                effectName={`effect, ${answer.units}`}
                surenessName="sureness"
                height={440}
              />
              <figcaption>
                Sureness is how many half-widths of its interval an effect lies from zero. Triangles above the line at 1 are clear of zero.
              </figcaption>
            </figure>
          ) : (
            <EmptyState title="No intervals">
              <p>This cell gives no intervals, so there is no sureness to draw.</p>
            </EmptyState>
          )}
        </section>
      </div>
      <section className="card" aria-label="Tables">
        <Tabs label="Tables" tabs={tables} />
      </section>
    </>
  );
}

function GeneTable({ genes, answer }: { genes: GeneAnswer[]; answer: Answer }) {
  const columns: Column<GeneAnswer>[] = [
    { key: "feature", header: "Gene", rowHeader: true, cell: (gene) => gene.feature, value: (gene) => gene.feature },
    { key: "control", header: "Control", numeric: true, cell: (gene) => figure(gene.control), value: (gene) => gene.control },
    { key: "predicted", header: "Predicted", numeric: true, cell: (gene) => figure(gene.predicted), value: (gene) => gene.predicted },
    { key: "effect", header: "Effect", numeric: true, cell: (gene) => signed(gene.effect), value: (gene) => gene.effect },
    { key: "interval", header: `${percent(answer.level)} interval`, numeric: true, cell: (gene) => interval(gene.low, gene.high) },
    {
      key: "clear",
      header: "Clear of zero",
      cell: (gene) => (gene.clear ? <Badge tone="good">{(gene.effect ?? 0) > 0 ? "▲ up" : "▼ down"}</Badge> : <span className="quiet">no</span>),
      value: (gene) => (gene.clear ? 1 : 0),
    },
  ];
  return <Table caption={`The ${many(genes.length, "gene")} with the strongest effects, in ${answer.units}`} captionShown columns={columns} rows={genes} rowKey={(gene) => gene.feature} filter filterLabel="Find a gene" pageSize={15} />;
}

function PathwayTable({ pathways }: { pathways: Pathway[] }) {
  const [all, setAll] = useState(false);
  const columns: Column<Pathway>[] = [
    { key: "name", header: "Gene set", rowHeader: true, cell: (set) => setName(set.name), value: (set) => set.name },
    { key: "side", header: "Genes", cell: (set) => (set.score >= 0 ? "▲ rise" : "▼ fall"), value: (set) => (set.score >= 0 ? 1 : 0) },
    { key: "score", header: "Times expected", numeric: true, cell: (set) => figure(Math.abs(set.score)), value: (set) => Math.abs(set.score) },
    { key: "p", header: "p", numeric: true, cell: (set) => figure(set.p, 2), value: (set) => set.p },
    { key: "q", header: "q", numeric: true, cell: (set) => figure(set.q, 2), value: (set) => set.q },
    { key: "genes", header: "Which", cell: (set) => <span className="small">{set.genes.slice(0, 12).join(", ")}{set.genes.length > 12 ? ", …" : ""}</span>, value: (set) => set.genes.join(" ") },
  ];
  if (!pathways.length) {
    return (
      <EmptyState title="No gene sets">
        <p>None was asked for, or none shares enough genes with the strongest effects.</p>
      </EmptyState>
    );
  }
  const likely = pathways.filter((set) => set.q <= CHANCE);
  return (
    <div className="stack-tight">
      <Check label={`Show also those that chance explains (q above ${CHANCE})`} checked={all} onChange={(event) => setAll(event.target.checked)} />
      <Table
        caption={`Gene sets that hold more of the strongest effects than chance would put there: ${likely.length} of ${pathways.length} tested with hits`}
        captionShown
        columns={columns}
        rows={all ? pathways : likely}
        rowKey={(set) => `${set.name} ${set.score}`}
        sort={{ key: "p", descending: false }}
        filter
        filterLabel="Find a gene set"
        pageSize={15}
        empty="None beyond chance."
      />
    </div>
  );
}

/** False discovery rate up to which a gene set is shown at first. */
const CHANCE = 0.1;

/** Names as collections write them, without the name of the collection. */
export function setName(name: string): string {
  return name.replace(/^(HALLMARK|REACTOME|GOBP)_/, "").replaceAll("_", " ");
}

function restsOn(cell: CellDetail, answer: Answer): Tab[] {
  return [
    { key: "why", label: "Why", content: <Why reasons={answer.why} /> },
    {
      key: "scored",
      label: "How well it was met",
      content: answer.scored ? (
        <HeldOut scored={answer.scored} />
      ) : (
        <p className="quiet">This very perturbation was not held out when the cell was scored, so nothing can be said of it alone.</p>
      ),
    },
    {
      key: "model",
      label: "How the cell was scored",
      content: cell.scores ? <ScoreView scores={cell.scores} own={cell.instruments} /> : <p className="quiet">This cell was not scored on held-out perturbations. Fit it with scoring to know how far to trust it.</p>,
    },
  ];
}

function Why({ reasons }: { reasons: Reason[] }) {
  const columns: Column<Reason>[] = [
    { key: "perturbation", header: "Measured", rowHeader: true, cell: (reason) => reason.perturbation, value: (reason) => reason.perturbation },
    { key: "context", header: "Context", cell: (reason) => reason.context || "–", value: (reason) => reason.context },
    { key: "source", header: "Evidence", cell: (reason) => reason.source || "–", value: (reason) => reason.source },
    {
      key: "share",
      header: "Share",
      numeric: true,
      cell: (reason) => (reason.share === null ? "–" : <ShareBar share={reason.share} />),
      value: (reason) => reason.share,
    },
    { key: "similarity", header: "Weight", numeric: true, cell: (reason) => figure(reason.similarity), value: (reason) => reason.similarity },
  ];
  if (!reasons.length) return <p className="quiet">The model cannot say which measurements carried this answer.</p>;
  const carried = reasons.filter((reason) => reason.share === null || Math.abs(reason.share) >= SMALL);
  const rest = reasons.length - carried.length;
  return (
    <div className="stack-tight">
      <Table caption="Measured perturbations that carried this answer, and their share of it" captionShown columns={columns} rows={carried} rowKey={(reason) => `${reason.perturbation} ${reason.context} ${reason.source}`} sort={{ key: "share", descending: true }} />
      {rest > 0 && <p className="small quiet">{many(rest, "further measurement")} carried less than half a percent each.</p>}
    </div>
  );
}

/** Share of an answer below which a measurement is only counted. */
const SMALL = 0.005;

function ShareBar({ share }: { share: number }) {
  return (
    <span className="share">
      <span className="share-bar" style={{ width: `${Math.min(1, Math.abs(share)) * 100}%` }} aria-hidden="true" />
      <span className="share-text">{percent(share)}</span>
    </span>
  );
}

function HeldOut({ scored }: { scored: NonNullable<Answer["scored"]> }) {
  const metrics = [...new Set(scored.methods.flatMap((method) => Object.keys(method.metrics)))];
  const columns: Column<(typeof scored.methods)[number]>[] = [
    { key: "name", header: "Method", rowHeader: true, cell: (row) => row.name, value: (row) => row.name },
    ...metrics.map((metric) => ({
      key: metric,
      header: metric,
      numeric: true,
      cell: (row: (typeof scored.methods)[number]) => figure(row.metrics[metric]?.value),
      value: (row: (typeof scored.methods)[number]) => row.metrics[metric]?.value ?? null,
    })),
  ];
  return <Table caption={`Scores of this perturbation when it was held out (${scored.split})`} captionShown columns={columns} rows={scored.methods} rowKey={(row) => row.name} />;
}
