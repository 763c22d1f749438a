/** Asks what an edit would change: chosen step by step, or written as text. */
import { useState, type FormEvent } from "react";
import { Button, Select, TextField } from "../../ui";
import { DEEDS, editParts, editText, type Deed } from "./edit";

interface EditFormProps {
  types: string[];
  asked: string;
  busy: boolean;
  onAsk: (edit: string) => void;
}

export function EditForm({ types, asked, busy, onAsk }: EditFormProps) {
  const before = editParts(asked);
  const [deed, setDeed] = useState<Deed>(before?.deed ?? "remove");
  const [type, setType] = useState(before?.type ?? "");
  const [other, setOther] = useState(before?.other ?? "");
  const [share, setShare] = useState(before?.share ?? "10");
  const [text, setText] = useState(asked);
  const choices = [{ value: "", label: "Choose" }, ...types.map((value) => ({ value, label: value }))];

  function choose(next: { deed?: Deed; type?: string; other?: string; share?: string }) {
    const now = { deed, type, other, share, ...next };
    setDeed(now.deed);
    setType(now.type);
    setOther(now.other);
    setShare(now.share);
    setText(editText(now.deed, now.type, now.other, now.share));
  }

  function onSubmit(event: FormEvent) {
    event.preventDefault();
    if (text.trim()) onAsk(text.trim());
  }

  return (
    <form className="card no-print" onSubmit={onSubmit} aria-label="Ask what an edit would change">
      <h2>What if</h2>
      <div className="edit-fields">
        {types.length > 0 && (
          <>
            <Select label="What is done" value={deed} onChange={(event) => choose({ deed: event.target.value as Deed })} choices={DEEDS} />
            <Select label={deed === "swap" ? "These cells" : "Which cells"} value={type} onChange={(event) => choose({ type: event.target.value })} choices={choices} />
            {deed === "swap" && <Select label="Become cells of" value={other} onChange={(event) => choose({ other: event.target.value })} choices={choices} />}
            {deed === "add" && <TextField label="Share of all cells, %" inputMode="decimal" value={share} onChange={(event) => choose({ share: event.target.value })} />}
          </>
        )}
        <TextField label="The edit" hint="Or write it, such as ko:STAT1 where cell_type=tumour." value={text} onChange={(event) => setText(event.target.value)} />
      </div>
      <div className="row edit-do">
        <Button type="submit" look="primary" busy={busy} disabled={!text.trim()}>
          Show what changes
        </Button>
        {asked && <Button onClick={() => onAsk("")}>Undo the edit</Button>}
      </div>
    </form>
  );
}
