/** A question whose answer is a figure: asked by a form, drawn by the service. */
import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { getJson, pathWith } from "../api/client";
import type { DrawnFigure } from "../api/types";
import { Button, EmptyState, ErrorState, Skeleton } from "../ui";
import { FigureView } from "./FigureView";

interface DrawFormProps {
  /** Path of the figure, without its query. */
  path: string;
  asked: Record<string, string>;
  /** What is still to be filled in; empty where it can be asked. */
  lacks: string;
  action: string;
  name: string;
  empty: string;
  children: ReactNode;
}

export function DrawForm({ path, asked, lacks, action, name, empty, children }: DrawFormProps) {
  const drawn = useMutation({ mutationFn: () => getJson<DrawnFigure>(pathWith(path, asked)) });
  return (
    <div className="side">
      <form
        className="card stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (!lacks) drawn.mutate();
        }}
      >
        {children}
        {lacks && <p className="small quiet">{lacks}</p>}
        <Button type="submit" look="primary" busy={drawn.isPending} disabled={Boolean(lacks)}>
          {action}
        </Button>
      </form>
      <div aria-live="polite" className="stack">
        {drawn.isPending && <Skeleton height="20rem" label="Drawing" />}
        {drawn.isError && <ErrorState error={drawn.error} title="It was not drawn" />}
        {drawn.data && !drawn.isPending && <FigureView figure={drawn.data} name={name} />}
        {drawn.isIdle && <EmptyState title={empty} />}
      </div>
    </div>
  );
}
