/** What a page shows when it has nothing, waits, or was refused. */
import type { ReactNode } from "react";
import { asFailure } from "../api/failure";
import { Button } from "./Button";

export type Tone = "info" | "good" | "warn" | "bad";

const MARKS: Record<Tone, string> = { info: "i", good: "✓", warn: "!", bad: "×" };
const SAID: Record<Tone, string> = { info: "Note", good: "Good", warn: "Caution", bad: "Problem" };

export function Banner({ tone = "info", title, children, live = false }: { tone?: Tone; title?: ReactNode; children?: ReactNode; live?: boolean }) {
  return (
    <div className={`banner ${tone}`} role={live ? (tone === "bad" ? "alert" : "status") : undefined}>
      <span className="mark" aria-hidden="true">
        {MARKS[tone]}
      </span>
      <div className="body">
        <span className="sr-only">{SAID[tone]}: </span>
        {title && <strong>{title}</strong>}
        {children}
      </div>
    </div>
  );
}

export function Badge({ tone, children, title }: { tone?: "good" | "warn" | "bad" | "accent"; children: ReactNode; title?: string }) {
  return (
    <span className={`badge ${tone ?? ""}`} title={title}>
      {children}
    </span>
  );
}

export function Skeleton({ lines = 3, height, label = "Loading" }: { lines?: number; height?: string; label?: string }) {
  return (
    <div className="stack-tight" role="status" aria-label={label}>
      {height ? (
        <div className="skeleton" style={{ height }} />
      ) : (
        Array.from({ length: lines }, (_, line) => (
          <div key={line} className="skeleton" style={{ height: "1.1rem", width: `${100 - ((line * 23) % 45)}%` }} />
        ))
      )}
    </div>
  );
}

export function EmptyState({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h3>{title}</h3>
      {children}
    </div>
  );
}

/** Each problem in the service's own words: what was wanted, what came, what to do. */
export function ErrorState({ error, title = "This did not work", retry }: { error: unknown; title?: string; retry?: () => void }) {
  const failure = asFailure(error);
  return (
    <Banner tone="bad" title={title} live>
      {failure.problems.length === 1 ? (
        <p>{failure.problems[0]}</p>
      ) : (
        <ul>
          {failure.problems.map((problem) => (
            <li key={problem}>{problem}</li>
          ))}
        </ul>
      )}
      {failure.status === 401 && window.location.pathname !== "/settings" && (
        <p>
          <a className="button compact" href="/settings">
            Sign in
          </a>
        </p>
      )}
      {retry && failure.status !== 401 && (
        <p>
          <Button compact onClick={retry}>
            Try again
          </Button>
        </p>
      )}
    </Banner>
  );
}
