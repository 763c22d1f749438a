/** A question to a cell in three steps: where, what, and the answer with how far to trust it. */
import { useEffect, useMemo, useState, type FormEvent } from "react";
import { useSearchParams } from "react-router";
import { asFailure } from "../../api/failure";
import type { CellDetail, Question } from "../../api/types";
import { CellPicker } from "../../components/CellPicker";
import { PerturbationComposer } from "../../components/PerturbationComposer";
import { useChosenCell } from "../../hooks/useChosenCell";
import { compositionText, parseComposition, spoken, type Composition } from "../../lib/perturbation";
import { standing } from "../../lib/standing";
import { Button, Check, EmptyState, ErrorState, PageHead, Select, Skeleton, TextField } from "../../ui";
import { AnswerView } from "./AnswerView";
import "./predict.css";
import { useAnswer } from "./questions";

const SETS = [
  { value: "hallmark", label: "Hallmark" },
  { value: "reactome", label: "Reactome" },
  { value: "go-bp", label: "GO biological process" },
  { value: "", label: "None" },
];

function setsNamed(asked: string | null): Question["sets"] {
  return asked === "" || asked === "reactome" || asked === "go-bp" ? asked : "hallmark";
}

export default function PredictPage() {
  const { id, cells, cell, choose } = useChosenCell();
  const failed = cells.error ?? cell.error;
  return (
    <>
      <PageHead title="Predict">What a perturbation does to the cell, how sure that is, and what it rests on.</PageHead>
      {failed ? (
        <ErrorState title="The cell could not be opened" error={failed} retry={() => void cells.refetch()} />
      ) : cells.isPending || (id && cell.isPending) ? (
        <Skeleton lines={8} label="Loading the cell" />
      ) : cell.data ? (
        <Asking key={cell.data.id} cell={cell.data} picker={<CellPicker cells={cells.data ?? []} id={id} choose={choose} />} />
      ) : (
        <EmptyState title="There is no virtual cell yet">
          <p>Fit one from your data under Cells, or take one from the Hub.</p>
        </EmptyState>
      )}
    </>
  );
}

function Asking({ cell, picker }: { cell: CellDetail; picker: React.ReactNode }) {
  const [params, setParams] = useSearchParams();
  const askedText = params.get("perturbation") ?? "";
  const [composition, setComposition] = useState<Composition>(() => parseComposition(askedText) ?? { agents: [], hours: null });
  const [context, setContext] = useState(params.get("context") ?? cell.contexts[0] ?? "");
  const [unknown, setUnknown] = useState(params.get("unknown") === "yes");
  const [level, setLevel] = useState(params.get("level") ?? "0.9");
  const [sets, setSets] = useState(params.get("sets") ?? "hallmark");
  const text = compositionText(composition);

  // The address holds what was asked: it can be kept, sent and gone back to.
  const question = useMemo<Question | null>(() => {
    if (!askedText) return null;
    return {
      perturbation: askedText,
      context: params.get("context") ?? "",
      allow_unknown: params.get("unknown") === "yes",
      level: Number(params.get("level") ?? 0.9),
      sets: setsNamed(params.get("sets")),
      top: 200,
      why: true,
    };
  }, [askedText, params]);
  const answer = useAnswer(cell.id, question);

  useEffect(() => {
    const read = parseComposition(askedText);
    if (askedText && read) setComposition(read);
  }, [askedText]);

  function ask(event: FormEvent) {
    event.preventDefault();
    if (!text) return;
    const next = new URLSearchParams({ cell: cell.id, context, perturbation: text });
    if (unknown) next.set("unknown", "yes");
    if (level !== "0.9") next.set("level", level);
    if (sets !== "hallmark") next.set("sets", sets);
    if (next.toString() === params.toString()) void answer.refetch();
    else setParams(next);
  }

  function askUnknown() {
    setUnknown(true);
    setParams((params) => {
      params.set("unknown", "yes");
      return params;
    });
  }

  return (
    <div className="side predict">
      <form className="card stack no-print" onSubmit={ask} aria-label="Question">
        {picker}
        {cell.contexts.length > 0 && (
          <Select
            label="Context"
            hint="Cell line, cell type or state that is perturbed."
            value={context}
            onChange={(event) => setContext(event.target.value)}
            choices={cell.contexts.map((each) => ({ value: each, label: each }))}
          />
        )}
        <PerturbationComposer cell={cell} value={composition} onChange={setComposition} />
        <details>
          <summary>More settings</summary>
          <div className="stack predict-more">
            <TextField label="Level of intervals" hint="0.9 means that nine of ten measured effects should lie inside." type="number" min={0.5} max={0.99} step={0.01} value={level} onChange={(event) => setLevel(event.target.value)} />
            <Select label="Gene sets" value={sets} onChange={(event) => setSets(event.target.value)} choices={SETS} />
            <Check label="Ask also where nothing is known of a name. The answer is then a default." checked={unknown} onChange={(event) => setUnknown(event.target.checked)} />
          </div>
        </details>
        <Button look="primary" type="submit" disabled={!text} busy={answer.isFetching}>
          {answer.isFetching ? "Predicting…" : "Predict"}
        </Button>
      </form>
      <section aria-label="Answer" aria-busy={answer.isFetching}>
        <p className="sr-only" role="status">
          {answer.isFetching ? "Predicting" : answer.data ? `Answer: ${spoken(answer.data.perturbation)}. ${standing(answer.data).title}. ${answer.data.sureness}` : ""}
        </p>
        {!question ? (
          <EmptyState title="Nothing asked yet">
            <p>Choose a gene or compound, then Predict. The answer compares the perturbed cell with control cells, gene by gene.</p>
          </EmptyState>
        ) : answer.isFetching ? (
          <div className="stack">
            <Skeleton lines={2} label="Predicting" />
            <Skeleton height="20rem" label="Predicting" />
          </div>
        ) : answer.error ? (
          <div className="stack">
            <ErrorState title="No answer" error={answer.error} retry={() => void answer.refetch()} />
            {asFailure(answer.error).status === 404 && !question.allow_unknown && (
              <div>
                <Button onClick={askUnknown}>Ask all the same, for the default answer</Button>
              </div>
            )}
          </div>
        ) : (
          answer.data && <AnswerView key={answer.data.perturbation + answer.data.context} cell={cell} question={question} answer={answer.data} />
        )}
      </section>
    </div>
  );
}
