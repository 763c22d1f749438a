/** Puts a perturbation together: genes and compounds by type-ahead, as chips that are combined, with doses and hours. */
import { useId, useState } from "react";
import type { CellDetail, Name } from "../api/types";
import { useNames } from "../hooks/queries";
import { useDebounced } from "../hooks/useDebounced";
import { agentText, compositionText, isGenetic, parseComposition, spokenKind, typedAgents, withAgents, type Agent, type Composition } from "../lib/perturbation";
import { Badge, Combobox, Field, Select } from "../ui";
import "./composer.css";

export interface PerturbationComposerProps {
  cell: CellDetail;
  value: Composition;
  onChange: (value: Composition) => void;
}

/** The dose a new compound starts with: the middle one of those measured. */
export function usualDose(values: number[]): number | null {
  return values[Math.floor((values.length - 1) / 2)] ?? null;
}

export function PerturbationComposer({ cell, value, onChange }: PerturbationComposerProps) {
  const kinds = cell.kinds.length ? cell.kinds : ["ko"];
  const [kind, setKind] = useState("");
  const [typed, setTyped] = useState("");
  const asked = useDebounced(typed.trim());
  const names = useNames(cell.id, asked, kind);
  const ownKind = kind || kinds[0] || "ko";

  function withDose(agent: Agent): Agent {
    const wanted = cell.doses.used && !isGenetic(agent.kind) && agent.dose === null;
    return wanted ? { ...agent, dose: usualDose(cell.doses.values), unit: cell.doses.units.split(" ")[0] ?? "" } : agent;
  }

  function add(more: Agent[], hours: number | null = null) {
    onChange({ agents: withAgents(value.agents, more.map(withDose)), hours: value.hours ?? hours });
    setTyped("");
  }

  function choose(name: Name) {
    const read = parseComposition(name.text);
    if (read) add(read.agents, read.hours);
  }

  function replace(index: number, agent: Agent) {
    onChange({ ...value, agents: value.agents.map((old, at) => (at === index ? agent : old)) });
  }

  return (
    <div className="stack-tight">
      <div className={kinds.length > 1 ? "composer-add" : ""}>
        {kinds.length > 1 && (
          <Select
            label="Kind"
            value={kind}
            onChange={(event) => setKind(event.target.value)}
            choices={[{ value: "", label: "Any" }, ...kinds.map((each) => ({ value: each, label: spokenKind(each) }))]}
          />
        )}
        <Combobox
          label={value.agents.length ? "Combine with" : kinds.every(isGenetic) ? "Gene" : kinds.some(isGenetic) ? "Gene or compound" : "Compound"}
          hint="Type a few letters. Choose several to combine them."
          placeholder={value.agents.length ? "Another one" : "For example its symbol"}
          text={typed}
          onText={setTyped}
          options={names.data ?? []}
          optionKey={(name) => name.text}
          optionLabel={(name) => name.name}
          optionNote={(name) => (
            <>
              {spokenKind(name.kind)}
              {name.measured ? " · measured" : ""}
            </>
          )}
          onChoose={choose}
          onFreeText={(text) => add(typedAgents(text, ownKind))}
          loading={names.isFetching}
          stale={asked !== typed.trim() || names.isPlaceholderData}
          nothing="No such name in this cell. Enter asks for it all the same."
        />
      </div>
      {value.agents.length > 0 && (
        <ul className="composer-agents" aria-label="Chosen perturbations">
          {value.agents.map((agent, index) => (
            <li key={`${agent.kind}:${agent.target}`}>
              {index > 0 && (
                <span className="composer-plus" aria-label="and">
                  +
                </span>
              )}
              <AgentChip agent={agent} cell={cell} onChange={(next) => replace(index, next)} onRemove={() => onChange({ ...value, agents: value.agents.filter((_, at) => at !== index) })} />
            </li>
          ))}
        </ul>
      )}
      {cell.hours.used && (
        <NumberField
          label="Hours"
          hint={cell.hours.values.length ? `Measured: ${cell.hours.values.join(", ")}` : undefined}
          value={value.hours}
          values={cell.hours.values}
          onChange={(hours) => onChange({ ...value, hours })}
        />
      )}
      {compositionText(value) && (
        <p className="small quiet">
          As text: <code>{compositionText(value)}</code>
        </p>
      )}
    </div>
  );
}

function AgentChip({ agent, cell, onChange, onRemove }: { agent: Agent; cell: CellDetail; onChange: (agent: Agent) => void; onRemove: () => void }) {
  const dosed = !isGenetic(agent.kind) && (cell.doses.used || agent.dose !== null);
  return (
    <span className="composer-agent">
      <span className="chip">
        <span>
          {agent.target} <Badge>{spokenKind(agent.kind)}</Badge>
          {agent.rest}
        </span>
        <button type="button" aria-label={`Remove ${agentText(agent)}`} onClick={onRemove}>
          ×
        </button>
      </span>
      {dosed && (
        <NumberField
          label={`Dose of ${agent.target}${agent.unit ? `, ${agent.unit}` : ""}`}
          value={agent.dose}
          values={cell.doses.values}
          onChange={(dose) => onChange({ ...agent, dose, unit: agent.unit || (cell.doses.units.split(" ")[0] ?? "") })}
        />
      )}
    </span>
  );
}

/** A number that may be any, with those measured as suggestions. */
function NumberField({ label, hint, value, values, onChange }: { label: string; hint?: string; value: number | null; values: number[]; onChange: (value: number | null) => void }) {
  const list = useId();
  return (
    <Field label={label} hint={hint}>
      {({ id, describedBy }) => (
        <>
          <input
            id={id}
            className="input"
            type="number"
            min={0}
            step="any"
            list={list}
            value={value ?? ""}
            aria-describedby={describedBy}
            onChange={(event) => onChange(event.target.value === "" ? null : Number(event.target.value))}
          />
          <datalist id={list}>
            {values.slice(0, 50).map((each) => (
              <option key={each} value={each} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}
