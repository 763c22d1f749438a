/** How far an edit is felt: whether it lies in what the cell knows, how many cells change, and of which types. */
import type { TissueAnswer, TypeChange } from "../../api/types";
import { count, figure, percent } from "../../lib/format";
import { standing } from "../../lib/standing";
import { Banner, Button, Table, type Column } from "../../ui";

/** Whether neighbors say more than who is there: the change beside that with neighbors shuffled before the fit. */
export function beyondChance(answer: Pick<TissueAnswer, "mean" | "shuffled">): boolean | null {
  const { mean, shuffled } = answer;
  return typeof mean === "number" && typeof shuffled === "number" ? mean > shuffled : null;
}

export function ChangeStanding({ answer, shown, onShow }: { answer: TissueAnswer; shown: boolean; onShow: () => void }) {
  const stands = standing({ ...answer, abstained: false, measured: false });
  const beyond = beyondChance(answer);
  return (
    <Banner tone={stands.tone} title={stands.title}>
      <p>{stands.text}</p>
      {!shown && (
        <p className="no-print">
          <Button compact onClick={onShow}>
            Show the answer anyway
          </Button>
        </p>
      )}
      {shown && beyond === false && (
        <p>
          <strong>It changes no more than with neighbors shuffled</strong> within their types before the fit. So this is about who is there, not about the states of neighbors.
        </p>
      )}
    </Banner>
  );
}

export function ChangeFacts({ answer }: { answer: TissueAnswer }) {
  const facts = [
    ["Asked", answer.edit],
    ["Taken out", answer.taken_out ? count(answer.taken_out) : ""],
    ["Put in", answer.put_in ? `${count(answer.put_in)}, which have no place and are not drawn` : ""],
    ["Others that change", answer.changed === null || answer.others === null ? "no neighbor is known" : `${count(answer.changed)} of ${count(answer.others)}`],
    ["Farthest", answer.within === null ? "" : `${answer.within} ${answer.within === 1 ? "neighbor" : "neighbors"} away`],
    ["Beside shuffled neighbors", answer.mean === null || !answer.shuffled ? "" : `${figure(answer.mean / answer.shuffled)} times as much change`],
    ["Answered by", answer.made_by.join(", ")],
  ].filter(([, value]) => value);
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div className="fact" key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const COLUMNS: Column<TypeChange>[] = [
  { key: "type", header: "Type", rowHeader: true, cell: (row) => row.cell_type, value: (row) => row.cell_type },
  { key: "cells", header: "Cells", numeric: true, cell: (row) => count(row.cells), value: (row) => row.cells },
  { key: "gone", header: "Taken out", numeric: true, cell: (row) => (row.taken_out ? percent(row.taken_out / row.cells) : "–"), value: (row) => row.taken_out / row.cells },
  {
    key: "change",
    header: "Mean change",
    numeric: true,
    cell: (row) => (row.taken_out === row.cells ? "–" : figure(row.mean_change)),
    value: (row) => (row.taken_out === row.cells ? null : row.mean_change),
  },
];

export function ChangeByType({ answer }: { answer: TissueAnswer }) {
  return (
    <>
      <Table caption="Mean length of the predicted change of the state, by type" columns={COLUMNS} rows={answer.by_type} rowKey={(row) => row.cell_type} pageSize={12} />
      <p className="small quiet">Over all sections. Cells that were taken out count as unchanged in the mean of their type.</p>
    </>
  );
}
