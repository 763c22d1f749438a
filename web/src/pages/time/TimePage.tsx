/** What becomes of cells: waits and treatments one after another, as points that one follows through time. */
import { useSearchParams } from "react-router";
import { mayPass } from "../../api/failure";
import type { CellDetail } from "../../api/types";
import { FigureView } from "../../components/FigureView";
import { NeedsCell } from "../../components/NeedsCell";
import { Banner, Button, EmptyState, ErrorState, PageHead, Skeleton } from "../../ui";
import { Course } from "./Course";
import { timesRead } from "./schedule";
import { ScheduleForm } from "./ScheduleForm";
import "./time.css";
import { useCourse, type Asked } from "./timeData";

export default function TimePage() {
  return (
    <>
      <PageHead title="Time">Cells are followed through waits and treatments. Times beyond those that were read are refused, unless you ask for them.</PageHead>
      <NeedsCell
        what="time"
        lacks="This virtual cell was not fitted on cells read over time"
        how={<p>Fit one under Cells on data that say when each cell was read, with development.v1, or with aivc fit.</p>}
      >
        {(cell) => <Followed key={cell.id} cell={cell} />}
      </NeedsCell>
    </>
  );
}

function Followed({ cell }: { cell: CellDetail }) {
  const [params, setParams] = useSearchParams();
  const asked = askedOf(params);
  const { answer, points, figure } = useCourse(cell.id, asked);

  function ask(next: Asked) {
    setParams((params) => {
      const said = { schedule: next.schedule, context: next.context, every: next.every ? String(next.every) : "", extrapolate: next.extrapolate ? "yes" : "" };
      for (const [name, value] of Object.entries(said)) {
        if (value) params.set(name, value);
        else params.delete(name);
      }
      return params;
    });
  }

  return (
    <div className="stack">
      <ScheduleForm key={JSON.stringify(asked)} cell={cell} asked={asked} busy={answer.isFetching || points.isFetching} onAsk={ask} />
      <div aria-live="polite" className="stack">
        {asked && answer.isPending && <Skeleton height="28rem" label="Following the cells" />}
        {answer.isError && asked && <Refused error={answer.error} asked={asked} onAsk={ask} retry={() => void answer.refetch()} />}
        {points.isError && <ErrorState title="The cells could not be drawn" error={points.error} retry={() => void points.refetch()} />}
      </div>
      {!asked && (
        <EmptyState title="Say what is done to the cells">
          <p>Put a schedule together from waits and treatments, then follow the cells through it.</p>
        </EmptyState>
      )}
      {answer.data && (points.data ? <Course key={JSON.stringify(asked)} answer={answer.data} points={points.data} /> : !points.isError && <Skeleton height="28rem" label="Loading the cells" />)}
      {figure.data && <FigureView figure={{ ...figure.data, notes: [] }} name={`time ${asked?.schedule ?? ""}`} />}
      {points.data && figure.isPending && <Skeleton height="16rem" label="Drawing the figure" />}
      {figure.isError && <ErrorState title="The figure was not drawn" error={figure.error} retry={() => void figure.refetch()} />}
    </div>
  );
}

function Refused({ error, asked, onAsk, retry }: { error: unknown; asked: Asked; onAsk: (asked: Asked) => void; retry: () => void }) {
  const beyond = timesRead(error);
  if (!beyond || asked.extrapolate) return <ErrorState title="This schedule was not followed" error={error} retry={mayPass(error) ? retry : undefined} />;
  return (
    <Banner tone="bad" title="Outside what this cell knows" live>
      <p>
        It was fitted on cells read from {beyond[0]} to {beyond[1]} h, and this schedule goes beyond. Shorten it, or look at what the model makes of later times: a default, not knowledge.
      </p>
      <p>
        <Button compact onClick={() => onAsk({ ...asked, extrapolate: true })}>
          Show the default
        </Button>
      </p>
    </Banner>
  );
}

function askedOf(params: URLSearchParams): Asked | null {
  const schedule = params.get("schedule") ?? "";
  const every = Number(params.get("every"));
  if (!schedule) return null;
  return { schedule, context: params.get("context") ?? "", every: every > 0 ? every : undefined, extrapolate: params.get("extrapolate") === "yes" };
}
