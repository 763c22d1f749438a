/** Tabs after the WAI-ARIA pattern: arrows move between them, Tab goes on to the panel. */
import { useId, useState, type KeyboardEvent, type ReactNode } from "react";

export interface Tab {
  key: string;
  label: ReactNode;
  content: ReactNode;
}

export function Tabs({ label, tabs, initial }: { label: string; tabs: Tab[]; initial?: string }) {
  const [chosen, setChosen] = useState(initial ?? tabs[0]?.key);
  const id = useId();
  const current = tabs.find((tab) => tab.key === chosen) ?? tabs[0];

  function onKeyDown(event: KeyboardEvent<HTMLDivElement>) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const index = tabs.findIndex((tab) => tab.key === current?.key);
    const next = event.key === "Home" ? 0 : event.key === "End" ? tabs.length - 1 : step ? (index + step + tabs.length) % tabs.length : -1;
    const tab = tabs[next];
    if (!tab) return;
    event.preventDefault();
    setChosen(tab.key);
    document.getElementById(`${id}-${tab.key}`)?.focus();
  }

  if (!current) return null;
  return (
    <div>
      <div className="tabs" role="tablist" aria-label={label} onKeyDown={onKeyDown}>
        {tabs.map((tab) => (
          <button
            key={tab.key}
            type="button"
            role="tab"
            className="tab"
            id={`${id}-${tab.key}`}
            aria-selected={tab.key === current.key}
            aria-controls={`${id}-panel`}
            tabIndex={tab.key === current.key ? 0 : -1}
            onClick={() => setChosen(tab.key)}
          >
            {tab.label}
          </button>
        ))}
      </div>
      <div className="tab-panel" role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${current.key}`}>
        {current.content}
      </div>
    </div>
  );
}
