import { useId, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes } from "react";

interface FrameProps {
  label: ReactNode;
  hint?: ReactNode;
  wrong?: string;
}

/** What a control is called, explained by, and refused for; `children` gets the ids to point at. */
export function Field({ label, hint, wrong, children }: FrameProps & { children: (ids: { id: string; describedBy: string | undefined }) => ReactNode }) {
  const id = useId();
  const parts = [hint ? `${id}-hint` : "", wrong ? `${id}-wrong` : ""].filter(Boolean);
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, describedBy: parts.length ? parts.join(" ") : undefined })}
      {hint && (
        <span className="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
      {wrong && (
        <span className="wrong" id={`${id}-wrong`}>
          {wrong}
        </span>
      )}
    </div>
  );
}

export function TextField({ label, hint, wrong, ...rest }: FrameProps & Omit<InputHTMLAttributes<HTMLInputElement>, "id">) {
  return (
    <Field label={label} hint={hint} wrong={wrong}>
      {({ id, describedBy }) => (
        <input {...rest} id={id} className="input" aria-describedby={describedBy} aria-invalid={wrong ? true : undefined} />
      )}
    </Field>
  );
}

export interface Choice {
  value: string;
  label: string;
  disabled?: boolean;
}

export function Select({
  label,
  hint,
  wrong,
  choices,
  ...rest
}: FrameProps & { choices: Choice[] } & Omit<SelectHTMLAttributes<HTMLSelectElement>, "id">) {
  return (
    <Field label={label} hint={hint} wrong={wrong}>
      {({ id, describedBy }) => (
        <select {...rest} id={id} className="input" aria-describedby={describedBy} aria-invalid={wrong ? true : undefined}>
          {choices.map((choice) => (
            <option key={choice.value} value={choice.value} disabled={choice.disabled}>
              {choice.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export function Check({ label, ...rest }: { label: ReactNode } & Omit<InputHTMLAttributes<HTMLInputElement>, "type">) {
  return (
    <label className="check">
      <input type="checkbox" {...rest} />
      <span>{label}</span>
    </label>
  );
}
