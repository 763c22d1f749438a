/** What becomes of cells: waits and treatments one after another, and the populations they lead to. */
import { useState } from "react";
import type { CellDetail } from "../../api/types";
import { DrawForm } from "../../components/DrawForm";
import { NeedsCell } from "../../components/NeedsCell";
import { PageHead, Select, TextField } from "../../ui";

export default function TimePage() {
  return (
    <>
      <PageHead title="Time">
        Cells are followed through waits and treatments. Times beyond those that were measured are refused.
      </PageHead>
      <NeedsCell what="time" lacks="This virtual cell was not fitted on cells read over time">
        {(cell) => <Course key={cell.id} cell={cell} />}
      </NeedsCell>
    </>
  );
}

function Course({ cell }: { cell: CellDetail }) {
  const [schedule, setSchedule] = useState("wait 24h");
  const [context, setContext] = useState(cell.contexts[0] ?? "");
  return (
    <DrawForm
      path={`/cells/${encodeURIComponent(cell.id)}/time`}
      asked={{ schedule: schedule.trim(), context }}
      lacks={schedule.trim() ? "" : "Say what is done, such as wait 24h."}
      action="Follow the cells"
      name={`time ${schedule}`}
      empty="Say what is done to the cells, then follow them"
    >
      {cell.contexts.length > 1 && (
        <Select
          label="Context"
          value={context}
          onChange={(event) => setContext(event.target.value)}
          choices={cell.contexts.map((value) => ({ value, label: value }))}
        />
      )}
      <TextField
        label="Schedule"
        hint="Steps one after another: wait 24h; drug:dexamethasone@100nM for 3h; wait 24h."
        value={schedule}
        onChange={(event) => setSchedule(event.target.value)}
      />
    </DrawForm>
  );
}
