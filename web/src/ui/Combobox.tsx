/** Type-ahead after the WAI-ARIA combobox pattern: arrows move, Enter takes, Escape closes; focus stays in the text. */
import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { Field } from "./Field";

export interface ComboboxProps<T> {
  label: ReactNode;
  hint?: ReactNode;
  wrong?: string;
  placeholder?: string;
  /** The text typed; the page decides what options it stands for. */
  text: string;
  onText: (text: string) => void;
  options: T[];
  optionKey: (option: T) => string;
  optionLabel: (option: T) => string;
  optionNote?: (option: T) => ReactNode;
  onChoose: (option: T) => void;
  /** Enter on text that is no option; without it, the first option is taken. */
  onFreeText?: (text: string) => void;
  loading?: boolean;
  /** The options still answer an earlier text; until they do, only those that hold what was typed are shown. */
  stale?: boolean;
  disabled?: boolean;
  nothing?: string;
}

export function Combobox<T>(props: ComboboxProps<T>) {
  const { text, onText, optionKey, optionLabel, optionNote, onChoose, onFreeText, loading, disabled } = props;
  const holds = (option: T) => optionLabel(option).toLowerCase().includes(text.trim().toLowerCase());
  const options = props.stale ? props.options.filter(holds) : props.options;
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const list = useId();
  const box = useRef<HTMLDivElement>(null);
  const shown = open && (options.length > 0 || text.length > 0);

  useEffect(() => setActive(-1), [text]);
  useEffect(() => {
    const option = box.current?.querySelector('[aria-selected="true"]');
    option?.scrollIntoView?.({ block: "nearest" });
  }, [active]);

  function take(option: T) {
    onChoose(option);
    setOpen(false);
    setActive(-1);
  }

  function enter(event: KeyboardEvent) {
    const named = options.find((option) => optionLabel(option).toLowerCase() === text.trim().toLowerCase());
    const option = options[active] ?? named ?? (onFreeText ? undefined : options[0]);
    if (!option && !(onFreeText && text.trim())) return;
    event.preventDefault();
    if (option) take(option);
    else onFreeText?.(text.trim());
    setOpen(false);
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) setOpen(true);
      const step = event.key === "ArrowDown" ? 1 : -1;
      const size = options.length;
      if (size) setActive((active) => (active === -1 && step === -1 ? size - 1 : (active + step + size) % size));
    } else if (event.key === "Enter") {
      enter(event);
    } else if (event.key === "Escape") {
      if (open) event.stopPropagation();
      if (!open && text) onText("");
      setOpen(false);
      setActive(-1);
    } else if (event.key === "Tab") {
      setOpen(false);
    }
  }

  return (
    <Field label={props.label} hint={props.hint} wrong={props.wrong}>
      {({ id, describedBy }) => (
        <div
          className="combobox"
          ref={box}
          onBlur={(event) => {
            if (!event.currentTarget.contains(event.relatedTarget)) setOpen(false);
          }}
        >
          <input
            id={id}
            className="input"
            role="combobox"
            autoComplete="off"
            spellCheck={false}
            placeholder={props.placeholder}
            disabled={disabled}
            value={text}
            aria-expanded={shown}
            aria-controls={list}
            aria-autocomplete="list"
            aria-activedescendant={shown && active >= 0 ? `${list}-${active}` : undefined}
            aria-describedby={describedBy}
            aria-invalid={props.wrong ? true : undefined}
            onChange={(event) => {
              onText(event.target.value);
              setOpen(true);
            }}
            onFocus={() => setOpen(true)}
            onClick={() => setOpen(true)}
            onKeyDown={onKeyDown}
          />
          {shown && (
            <ul className="combobox-list" role="listbox" id={list} aria-label={typeof props.label === "string" ? props.label : "Choices"}>
              {options.map((option, index) => (
                <li
                  key={optionKey(option)}
                  id={`${list}-${index}`}
                  role="option"
                  aria-selected={index === active}
                  className="combobox-option"
                  onMouseDown={(event) => event.preventDefault()}
                  onMouseEnter={() => setActive(index)}
                  onClick={() => take(option)}
                >
                  <span>{optionLabel(option)}</span>
                  {optionNote && <span className="small quiet">{optionNote(option)}</span>}
                </li>
              ))}
              {options.length === 0 && (
                <li className="combobox-note" role="presentation">
                  {loading ? "Looking…" : (props.nothing ?? "Nothing of that name.")}
                </li>
              )}
            </ul>
          )}
          <span className="sr-only" role="status">
            {shown ? (loading ? "Looking" : `${options.length} choices`) : ""}
          </span>
        </div>
      )}
    </Field>
  );
}
