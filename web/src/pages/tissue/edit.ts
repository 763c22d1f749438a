/** Edits of a tissue as the service reads them. */

export type Deed = "remove" | "add" | "swap";

export const DEEDS: { value: Deed; label: string }[] = [
  { value: "remove", label: "Take cells out" },
  { value: "add", label: "Put cells in" },
  { value: "swap", label: "Exchange cells" },
];

/** `remove:T cell`, `add:T cell@10%`, `swap:T cell by B cell`; empty while something is still to be chosen. */
export function editText(deed: Deed, type: string, other: string, share: string): string {
  if (!type) return "";
  if (deed === "remove") return `remove:${type}`;
  if (deed === "add") return Number(share) > 0 ? `add:${type}@${Number(share)}%` : "";
  return other && other !== type ? `swap:${type} by ${other}` : "";
}

/** What an edit of these forms is made of; null for any other text. */
export function editParts(text: string): { deed: Deed; type: string; other: string; share: string } | null {
  const found = /^(remove|add|swap):([^+]+)$/.exec(text.trim());
  if (!found || / where /.test(text)) return null;
  const [deed, rest] = [found[1] as Deed, (found[2] as string).trim()];
  const [type, other] = deed === "swap" ? rest.split(" by ") : [rest.replace(/@[0-9.]+%$/, ""), ""];
  const share = /@([0-9.]+)%$/.exec(rest)?.[1] ?? "10";
  return type ? { deed, type: type.trim(), other: (other ?? "").trim(), share } : null;
}
