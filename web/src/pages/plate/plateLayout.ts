/** Wells of a plate as a grid. */

export interface PlateRow {
  well: string;
  perturbation: string;
  role: string;
  reason: string;
  [more: string]: unknown;
}

export interface PlateShape {
  rows: number;
  columns: number;
}

/** The smallest usual plate that has all these wells: 6 to 1,536. */
export function shapeOf(wells: string[]): PlateShape {
  const places = wells.map(placeOf).filter((place) => place !== null);
  const row = Math.max(0, ...places.map((place) => place.row));
  const column = Math.max(0, ...places.map((place) => place.column));
  const usual: [number, number][] = [
    [2, 3],
    [3, 4],
    [4, 6],
    [6, 8],
    [8, 12],
    [16, 24],
    [32, 48],
  ];
  const found = usual.find(([rows, columns]) => row < rows && column < columns) ?? [row + 1, column + 1];
  return { rows: found[0], columns: found[1] };
}

/** "B03" is row 1, column 2; rows after Z are AA, AB. */
export function placeOf(well: string): { row: number; column: number } | null {
  const found = /^([A-Z]{1,2})0*(\d{1,2})$/.exec(well.trim().toUpperCase());
  if (!found) return null;
  const letters = found[1] as string;
  const row = [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
  return { row, column: Number(found[2]) - 1 };
}

export function rowName(row: number): string {
  return row < 26 ? String.fromCharCode(65 + row) : String.fromCharCode(64 + Math.floor(row / 26)) + String.fromCharCode(65 + (row % 26));
}

/** How each role is drawn: a colour and a letter, since colour alone is not seen by everybody. */
export const ROLES: Record<string, { mark: string; color: string; said: string }> = {
  control: { mark: "C", color: "var(--okabe-8)", said: "control" },
  positive: { mark: "P", color: "var(--okabe-4)", said: "positive control" },
  exploit: { mark: "T", color: "var(--okabe-2)", said: "to confirm" },
  explore: { mark: "L", color: "var(--okabe-1)", said: "to learn from" },
};

export function roleOf(role: string): { mark: string; color: string; said: string } {
  return ROLES[role] ?? { mark: role.slice(0, 1).toUpperCase() || "?", color: "var(--muted-mark)", said: role };
}
