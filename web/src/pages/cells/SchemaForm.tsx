/** Asks what the columns mean: each field with the guess filled in, and what the guess rests on beside it. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState, type FormEvent } from "react";
import { api, said } from "../../api/client";
import type { Dataset } from "../../api/types";
import { FIELDS, fieldOrder, fieldText, fieldValue, meaningOf } from "../../lib/schemaFields";
import { Badge, Banner, Button, ErrorState, Select, TextField } from "../../ui";

export function SchemaForm({ dataset }: { dataset: Dataset }) {
  const { guess } = dataset;
  const client = useQueryClient();
  const questions = useMemo(() => guess.questions.map((question) => question.field), [guess]);
  const [fields, setFields] = useState(() => fieldOrder(guess.schema, [...new Set(questions)]));
  const before = useMemo<Record<string, unknown>>(
    () => ({ ...guess.schema, ...Object.fromEntries(guess.questions.map((question) => [question.field, question.suggestion])) }),
    [guess],
  );
  const [texts, setTexts] = useState<Record<string, string>>(() => Object.fromEntries(Object.entries(before).map(([name, value]) => [name, fieldText(value)])));

  const confirm = useMutation({
    mutationFn: () => {
      const values = fields.map((name) => [name, fieldValue(name, texts[name] ?? "", before[name])] as const).filter(([, value]) => value !== undefined);
      return said(api.POST("/api/v1/datasets/{dataset}/confirm", { params: { path: { dataset: dataset.id } }, body: { schema: Object.fromEntries(values) } }));
    },
    onSuccess: (ready) => {
      client.setQueryData(["dataset", dataset.id], ready);
      void client.invalidateQueries({ queryKey: ["datasets"] });
    },
  });

  function submit(event: FormEvent) {
    event.preventDefault();
    confirm.mutate();
  }

  const further = FIELDS.filter((field) => !fields.includes(field.name));
  return (
    <form className="stack" onSubmit={submit}>
      {guess.convention && (
        <Banner title={`The file reads like the ${guess.convention} convention`}>
          <p>Each field below holds a guess. Check it against what it rests on, then confirm.</p>
        </Banner>
      )}
      {guess.notes.map((note) => (
        <Banner key={note} tone="warn" title={note} />
      ))}
      <section className="card stack" aria-label="Columns of the file">
        {fields.map((name) => (
          <SchemaField
            key={name}
            name={name}
            text={texts[name] ?? ""}
            evidence={guess.evidence[name]}
            question={guess.questions.find((question) => question.field === name)}
            onText={(text) => setTexts((texts) => ({ ...texts, [name]: text }))}
          />
        ))}
        {further.length > 0 && (
          <Select
            label="Say more about the file"
            hint="Fields that were not guessed."
            value=""
            onChange={(event) => event.target.value && setFields((fields) => [...fields, event.target.value])}
            choices={[{ value: "", label: "Choose a field" }, ...further.map((field) => ({ value: field.name, label: field.label }))]}
          />
        )}
      </section>
      {confirm.error && <ErrorState title="The file does not fit these answers" error={confirm.error} />}
      <div className="row">
        <Button look="primary" type="submit" busy={confirm.isPending}>
          {confirm.isPending ? "Checking the file…" : "Confirm"}
        </Button>
        {confirm.isPending && (
          <span className="quiet" role="status">
            The whole file is read and checked. Large files take a minute.
          </span>
        )}
      </div>
    </form>
  );
}

interface SchemaFieldProps {
  name: string;
  text: string;
  evidence: string | undefined;
  question: Dataset["guess"]["questions"][number] | undefined;
  onText: (text: string) => void;
}

function SchemaField({ name, text, evidence, question, onText }: SchemaFieldProps) {
  const meaning = meaningOf(name);
  const label = (
    <>
      {meaning.label} {question && <Badge tone="warn">please answer</Badge>}
    </>
  );
  const choices = question?.choices ?? [];
  return (
    <div className="schema-field">
      {choices.length > 0 ? (
        <Select
          label={label}
          hint={meaning.hint}
          value={text}
          onChange={(event) => onText(event.target.value)}
          choices={[...(choices.includes(text) ? [] : [{ value: text, label: text || "Not given" }]), ...choices.map((choice) => ({ value: choice, label: choice }))]}
        />
      ) : (
        <TextField label={label} hint={meaning.hint} value={text} onChange={(event) => onText(event.target.value)} />
      )}
      <p className="evidence small">
        <span className="quiet">{question ? "Asked because: " : "Guessed from: "}</span>
        {question?.question ?? evidence ?? "not guessed"}
      </p>
    </div>
  );
}
