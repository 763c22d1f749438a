/** Numbers, sizes and times as people read them. */

const WHOLE = new Intl.NumberFormat("en-US");

export function count(value: number): string {
  return WHOLE.format(value);
}

/** A number with three significant digits; a true minus; a dash where there is none. */
export function figure(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1e5 || size < 1e-4 ? value.toExponential(digits - 1) : String(Number(value.toPrecision(digits)));
  return text.replace("-", "\u2212");
}

/** The same with its sign, for effects. */
export function signed(value: number | null | undefined, digits = 3): string {
  const text = figure(value, digits);
  return value !== null && value !== undefined && value > 0 ? `+${text}` : text;
}

export function interval(low: number | null | undefined, high: number | null | undefined): string {
  if (low === null || low === undefined || high === null || high === undefined) return "–";
  return `${figure(low)} to ${figure(high)}`;
}

export function bytes(size: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let step = 0;
  let value = size;
  while (value >= 1000 && step < units.length - 1) {
    value /= 1000;
    step += 1;
  }
  return `${Number(value.toPrecision(3))} ${units[step]}`;
}

/** A day, of ISO text or of seconds since 1970. */
export function day(when: string | number | null | undefined): string {
  if (!when) return "–";
  const date = new Date(typeof when === "number" ? when * 1000 : when);
  return Number.isNaN(date.getTime()) ? String(when) : date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

export function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

/** "1 cell", "2 cells". */
export function many(value: number, one: string, more = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : more}`;
}
