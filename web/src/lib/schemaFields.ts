/** What the columns of a file mean, as a person reads and writes it. */

export interface FieldMeaning {
  name: string;
  label: string;
  hint: string;
}

/** Fields in the order they are asked, with what they mean. */
export const FIELDS: FieldMeaning[] = [
  { name: "units", label: "Units of the values", hint: "counts, or log1p_cp10k and the like." },
  { name: "perturbation", label: "Column of the perturbation", hint: "Which gene, compound or guide each cell got." },
  { name: "control", label: "Labels of control cells", hint: "Labels that mean unperturbed, with ; between them." },
  { name: "kind", label: "What was done", hint: "ko, crispri, crispra, oe, drug or ligand." },
  { name: "labels", label: "Form of the labels", hint: "guide, drug-tuple, dose-in-label, hours-in-label or whole." },
  { name: "separator", label: "Sign between the parts of a combination", hint: "Such as + in CEBPA+JUN." },
  { name: "context", label: "Column of the context", hint: "Cell line or cell type; = K562 means one value for all cells." },
  { name: "dose", label: "Column of the dose", hint: "= 10 means one dose for all cells." },
  { name: "dose_unit", label: "Unit of the dose", hint: "= uM means one unit for all cells." },
  { name: "hours", label: "Column of the hours", hint: "= 24 means 24 hours for all cells." },
  { name: "batch", label: "Column of the batch", hint: "" },
  { name: "donor", label: "Column of the donor", hint: "" },
  { name: "cell_type", label: "Column of the cell type", hint: "Where it is a label of a tissue, not the context." },
  { name: "section", label: "Column of the section", hint: "Slide or image that positions belong to." },
  { name: "time", label: "Column of the time", hint: "" },
  { name: "species", label: "Species", hint: "human, mouse or none." },
  { name: "exclude", label: "Labels to leave out", hint: "With ; between them." },
  { name: "match", label: "Columns that controls are matched by", hint: "Such as the vehicle, with ; between them." },
];

export function meaningOf(name: string): FieldMeaning {
  return FIELDS.find((field) => field.name === name) ?? { name, label: name.replaceAll("_", " "), hint: "" };
}

const LISTS = new Set(["control", "exclude", "keep", "match", "describe", "time_map"]);

/** A value of a schema as text: lists with ; between, one value for all cells after =. */
export function fieldText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(String).join("; ");
  if (typeof value === "object") {
    const constant = (value as { value?: unknown }).value;
    return constant === undefined ? JSON.stringify(value) : `= ${String(constant)}`;
  }
  return String(value);
}

/** Text as the value of a schema; undefined where nothing stands. The inverse of `fieldText`. */
export function fieldValue(name: string, text: string, before?: unknown): unknown {
  const trimmed = text.trim();
  if (trimmed === fieldText(before).trim()) return before ?? undefined;
  if (!trimmed) return undefined;
  if (trimmed.startsWith("=")) {
    const constant = trimmed.slice(1).trim();
    const number = Number(constant);
    return { value: constant !== "" && Number.isFinite(number) ? number : constant };
  }
  if (LISTS.has(name)) return trimmed.split(";").map((part) => part.trim()).filter(Boolean);
  if (typeof before === "number" && Number.isFinite(Number(trimmed))) return Number(trimmed);
  return trimmed;
}

/** What is asked first: open questions, then what was guessed, in the order of FIELDS. */
export function fieldOrder(schema: Record<string, unknown>, questions: string[]): string[] {
  const place = (name: string) => {
    const found = FIELDS.findIndex((field) => field.name === name);
    return found < 0 ? FIELDS.length : found;
  };
  const guessed = Object.keys(schema).filter((name) => !questions.includes(name));
  return [...questions.sort((a, b) => place(a) - place(b)), ...guessed.sort((a, b) => place(a) - place(b))];
}
