/** Puts a schedule together: waits and treatments, in words or step by step. */
import { useState, type FormEvent } from "react";
import type { CellDetail } from "../../api/types";
import { useNames } from "../../hooks/queries";
import { useDebounced } from "../../hooks/useDebounced";
import { Button, Check, Combobox, Select, TextField } from "../../ui";
import { stepText, withStep } from "./schedule";
import type { Asked } from "./timeData";

interface ScheduleFormProps {
  cell: CellDetail;
  asked: Asked | null;
  busy: boolean;
  onAsk: (asked: Asked) => void;
}

export function ScheduleForm({ cell, asked, busy, onAsk }: ScheduleFormProps) {
  const [schedule, setSchedule] = useState(asked?.schedule ?? "wait 24h; wait 24h");
  const [context, setContext] = useState(asked?.context || (cell.contexts[0] ?? ""));
  const [every, setEvery] = useState(asked?.every ? String(asked.every) : "");
  const [extrapolate, setExtrapolate] = useState(asked?.extrapolate ?? false);
  const [agent, setAgent] = useState("");
  const [hours, setHours] = useState("24");
  const typed = useDebounced(agent.trim());
  const names = useNames(cell.id, typed);
  const step = stepText({ agent, hours });
  const wrong = every.trim() !== "" && !(Number(every) > 0) ? "A number of hours above 0." : undefined;
  const measured = (names.data ?? []).filter((name) => name.measured);

  function onSubmit(event: FormEvent) {
    event.preventDefault();
    if (schedule.trim() && !wrong) onAsk({ schedule: schedule.trim(), context, every: Number(every) > 0 ? Number(every) : undefined, extrapolate });
  }

  return (
    <form className="card stack no-print" onSubmit={onSubmit} aria-label="Schedule">
      <div className="time-fields">
        <div className="time-schedule">
          <TextField
            label="Schedule"
            hint="Steps one after another: wait 24h; drug:dexamethasone@100nM for 3h; wait 24h."
            value={schedule}
            onChange={(event) => setSchedule(event.target.value)}
            wrong={schedule.trim() ? undefined : "Say what is done, such as wait 24h."}
          />
        </div>
        {cell.contexts.length > 1 && (
          <Select label="Context" value={context} onChange={(event) => setContext(event.target.value)} choices={cell.contexts.map((value) => ({ value, label: value }))} />
        )}
        <TextField label="Also every so many hours" hint="Empty: at the end of each step only." inputMode="decimal" value={every} wrong={wrong} onChange={(event) => setEvery(event.target.value)} />
      </div>
      <fieldset className="time-add">
        <legend className="field-label">Add a step</legend>
        <Combobox
          label="Treatment"
          hint="Empty: nothing is done, cells wait."
          placeholder="wait"
          text={agent}
          onText={setAgent}
          options={measured}
          optionKey={(name) => name.text}
          optionLabel={(name) => name.text}
          onChoose={(name) => setAgent(name.text)}
          onFreeText={setAgent}
          loading={names.isFetching}
          stale={typed !== agent.trim() || names.isPlaceholderData}
          nothing="No treatment of that name was in the fit."
        />
        <TextField label="Hours" inputMode="decimal" value={hours} onChange={(event) => setHours(event.target.value)} />
        <Button disabled={!step} onClick={() => setSchedule(withStep(schedule, step))}>
          {step ? `Add ${step}` : "Add the step"}
        </Button>
      </fieldset>
      <div className="row">
        <Button type="submit" look="primary" busy={busy} disabled={!schedule.trim() || Boolean(wrong)}>
          Follow the cells
        </Button>
        <Check label="Answer also outside of the times that were read" checked={extrapolate} onChange={(event) => setExtrapolate(event.target.checked)} />
      </div>
    </form>
  );
}
