/** Colours and symbols of categories with their counts; choosing one selects its cells, also by keyboard. */
import { useState } from "react";
import { categoryColor, categoryShape, css, shapePath } from "../../charts/scatter";
import type { Label } from "../../lib/arrow";
import { count } from "../../lib/format";
import { counts } from "./selection";

const FIRST = 16;

export function Legend({ label, mask, dark, onChoose }: { label: Label; mask: Uint8Array | null; dark: boolean; onChoose: (code: number) => void }) {
  const [whole, setWhole] = useState(false);
  const [text, setText] = useState("");
  const rows = counts(label, mask);
  const found = text ? rows.filter((row) => row.category.toLowerCase().includes(text.toLowerCase())) : rows;
  const shown = whole ? found : found.slice(0, FIRST);
  return (
    <div className="stack-tight">
      {rows.length > FIRST && <input className="input" type="search" value={text} placeholder="Find a label" aria-label={`Find a value of ${label.name}`} onChange={(event) => setText(event.target.value)} />}
      <ul className="legend" aria-label={`Values of ${label.name} with their counts`}>
        {shown.map((row) => (
          <li key={row.category}>
            <button type="button" onClick={() => onChoose(row.code)} title={`Select the ${count(row.all)} cells of ${row.category}`}>
              <svg width="16" height="16" viewBox="-8 -8 16 16" aria-hidden="true">
                <path d={shapePath(categoryShape(row.code), 6)} fill={css(categoryColor(row.code, dark))} fillRule="evenodd" />
              </svg>
              <span className="legend-name">{row.category}</span>
              <span className="quiet number">{mask ? `${count(row.selected)} of ${count(row.all)}` : count(row.all)}</span>
            </button>
          </li>
        ))}
      </ul>
      {found.length > FIRST && (
        <button type="button" className="button compact" onClick={() => setWhole(!whole)} aria-expanded={whole}>
          {whole ? "Show fewer" : `Show all ${count(found.length)}`}
        </button>
      )}
    </div>
  );
}
