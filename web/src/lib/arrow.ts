/** Reads the tables that the service sends as Arrow. Loaded only by pages that draw points. */
import { DataType, Dictionary, tableFromIPC, type Table, type Vector } from "apache-arrow";

export interface Label {
  name: string;
  /** Names of categories, and the category of each point. */
  categories: string[];
  codes: Int32Array;
}

export interface Points {
  x: Float32Array;
  y: Float32Array;
  labels: Label[];
  /** Columns of numbers beside the places. */
  numbers: Record<string, Float32Array>;
  axes: [string, string];
  about: Record<string, string>;
}

/** One column of numbers; a missing one is not a number. */
export function numbers(table: Table, name: string): Float32Array {
  const column = table.getChild(name);
  if (!column) throw new Error(`The table has no column ${name}.`);
  if (column.nullCount === 0 && column.data.length === 1) {
    const values = column.data[0]?.values as unknown;
    if (values instanceof Float32Array) return values.subarray(0, column.length);
  }
  return Float32Array.from({ length: column.length }, (_, i) => {
    const value = column.get(i) as number | null;
    return value === null ? NaN : Number(value);
  });
}

/** A column of categories; what is missing becomes a category of its own, last. */
export function label(name: string, column: Vector): Label {
  const codes = new Int32Array(column.length);
  const places = new Map<string, number>();
  // By chunk: codes are small numbers, and the text of each category is read once.
  let at = 0;
  for (const chunk of column.data) {
    const words = Dictionary.isDictionary(chunk.type) ? (chunk.dictionary as Vector | undefined) : undefined;
    const known = words ? Array.from(words, (word) => place(word)) : [];
    for (let i = 0; i < chunk.length; i += 1, at += 1) {
      const valid = chunk.nullCount === 0 || chunk.getValid(i);
      const code = words && valid ? known[Number((chunk.values as ArrayLike<number>)[i])] : undefined;
      codes[at] = code ?? place(valid ? column.get(at) : null);
    }
  }
  function place(word: unknown): number {
    const text = word === null || word === undefined || word === "" ? "not given" : String(word);
    const found = places.get(text);
    if (found !== undefined) return found;
    places.set(text, places.size);
    return places.size - 1;
  }
  return { name, categories: [...places.keys()], codes };
}

/** Points with x and y; each further column is a label, or numbers. */
export function readPoints(bytes: Uint8Array): Points {
  const table = tableFromIPC(bytes);
  const about = Object.fromEntries(table.schema.metadata);
  const others = table.schema.fields.filter((field) => field.name !== "x" && field.name !== "y");
  const isNumber = (type: DataType) => DataType.isFloat(type) || DataType.isInt(type);
  return {
    x: numbers(table, "x"),
    y: numbers(table, "y"),
    labels: others.filter(({ type }) => !isNumber(type)).map(({ name }) => label(name, table.getChild(name) as Vector)),
    numbers: Object.fromEntries(others.filter(({ type }) => isNumber(type)).map(({ name }) => [name, numbers(table, name)])),
    axes: axesOf(about),
    about,
  };
}

function axesOf(about: Record<string, string>): [string, string] {
  try {
    const axes = JSON.parse(about.axes ?? "[]") as unknown;
    if (Array.isArray(axes) && axes.length === 2) return [String(axes[0]), String(axes[1])];
  } catch {
    // Not JSON: names with a comma between.
    const [x, y] = (about.axes ?? "").split(",");
    if (x && y) return [x.trim(), y.trim()];
  }
  return [about.x ?? "first axis", about.y ?? "second axis"];
}

/** The values of one gene, in the order of the points. */
export function readValues(bytes: Uint8Array): Float32Array {
  return numbers(tableFromIPC(bytes), "value");
}

/** Columns of numbers by name; what is missing is not a number. */
export function readNumbers(bytes: Uint8Array): Record<string, Float32Array> {
  const table = tableFromIPC(bytes);
  return Object.fromEntries(table.schema.fields.map(({ name }) => [name, numbers(table, name)]));
}

/** Any table as its columns, for exports. */
export function readTable(bytes: Uint8Array): { header: string[]; rows: (string | number | null)[][] } {
  const table = tableFromIPC(bytes);
  const header = table.schema.fields.map((field) => field.name);
  const columns = header.map((name) => table.getChild(name) as Vector);
  const rows = Array.from({ length: table.numRows }, (_, row) => columns.map((column) => column.get(row) as string | number | null));
  return { header, rows };
}
