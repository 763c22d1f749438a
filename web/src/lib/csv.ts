/** A table as CSV (RFC 4180), safe to open in a spreadsheet. */

export type CsvValue = string | number | boolean | null | undefined;

/** Quotes what needs it; text that a spreadsheet would run as a formula gets an apostrophe before it. */
export function csvCell(value: CsvValue): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  if (typeof value === "boolean") return value ? "true" : "false";
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function toCsv(header: string[], rows: CsvValue[][]): string {
  return [header, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
}

/** Name of a file that every system takes. */
export function fileName(text: string, ending: string): string {
  const plain = text.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 80);
  return `${plain || "table"}.${ending}`;
}
