/** What a screen is asked, put together from what is typed. */

export interface ScreenAsked {
  cell: string;
  context: string;
  response: string;
  direction: "lower" | "raise";
  /** One perturbation or name a line; empty for all that the cell knows. */
  list: string;
  kind: string;
}

/** Names of a list: by lines, commas or semicolons, none twice. Commas inside one perturbation do not occur. */
export function namesOf(list: string): string[] {
  const names = list
    .split(/[\n,;\t]+/)
    .map((name) => name.trim())
    .filter(Boolean);
  return [...new Set(names)];
}

/** What is missing, in a sentence; empty where it can be asked. */
export function missing(asked: ScreenAsked, contexts: string[]): string {
  if (!asked.cell) return "Choose a virtual cell first.";
  if (!asked.response.trim()) return "Say what to read out: one gene, or several, such as STAT1, IRF1, -MYC.";
  if (contexts.length > 1 && !asked.context) return "Choose a context to start from.";
  return "";
}

export function paramsOf(asked: ScreenAsked): Record<string, unknown> {
  const names = namesOf(asked.list);
  return {
    cell: asked.cell,
    context: asked.context,
    response: asked.response.trim(),
    direction: asked.direction,
    perturbations: names.length ? names : "all",
    kind: asked.kind,
  };
}
