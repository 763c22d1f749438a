/**
 * Perturbations as text, as the service reads them: `ko:JAK2 + drug:nutlin-3@10uM for 24h`.
 *
 * The page writes them and reads its own; the service reads all forms and has the last word.
 */

export interface Agent {
  kind: string;
  target: string;
  dose: number | null;
  unit: string;
  /** What else stands at the agent, as text: `/down`, ` where cell_type=tumour`. */
  rest: string;
}

export interface Composition {
  agents: Agent[];
  hours: number | null;
}

const NUMBER = String.raw`\d+(?:\.\d+)?(?:[eE][+-]?\d+)?`;
const HOURS = new RegExp(String.raw`(?:^|\s)for (${NUMBER})h$`);
const AGENT = new RegExp(String.raw`^([a-z][a-z0-9_-]*):([^@/+]+?)(?:@(${NUMBER})([^\s/\d][^\s/]*))?(/up|/down|/any)?( where [^=]+=.+)?$`);

const SPOKEN: Record<string, string> = {
  ko: "Knockout",
  crispri: "CRISPRi",
  crispra: "CRISPRa",
  oe: "Overexpression",
  variant: "Variant",
  drug: "Compound",
  ligand: "Ligand",
  remove: "Remove cells",
  add: "Add cells",
  swap: "Swap cells",
  move: "Move cells",
};

export function spokenKind(kind: string): string {
  return SPOKEN[kind] ?? kind;
}

const GENETIC = new Set(["ko", "crispri", "crispra", "oe", "variant"]);

export function isGenetic(kind: string): boolean {
  return GENETIC.has(kind);
}

/** A target with the letters that mean something in the text form written by their escapes. */
export function escaped(target: string): string {
  return target.trim().replace(/[%@/+]|(?! )\s| (?=for )| (?=where [^=]+=.)|^"/g, (found) => encodeURIComponent(found).replace(/%0?([0-9A-F])$/, "%0$1"));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function agentText(agent: Agent): string {
  const dose = agent.dose === null || !agent.unit ? "" : `@${agent.dose}${agent.unit}`;
  return `${agent.kind}:${escaped(agent.target)}${dose}${agent.rest}`;
}

/** The whole as text; empty where nothing was chosen. Agents are a set: the same one twice stands once. */
export function compositionText({ agents, hours }: Composition): string {
  const body = [...new Set(agents.map(agentText))].join(" + ");
  if (hours === null) return body;
  return `${body || "time"} for ${hours}h`;
}

export function parseAgent(text: string): Agent | null {
  const match = AGENT.exec(text.trim());
  if (!match) return null;
  const [, kind, target, dose, unit, way, where] = match;
  return { kind: kind as string, target: decoded(target as string), dose: dose ? Number(dose) : null, unit: unit ?? "", rest: (way ?? "") + (where ?? "") };
}

/** Reads what this page writes, and what the service suggests; null where the text has another form. */
export function parseComposition(text: string): Composition | null {
  let body = text.trim();
  let hours: number | null = null;
  const match = HOURS.exec(body);
  if (match) {
    hours = Number(match[1]);
    body = body.slice(0, match.index).trim();
  }
  if (body === "" || body === "time" || body === "control") return { agents: [], hours };
  const agents = body.split(" + ").map(parseAgent);
  return agents.every((agent) => agent !== null) ? { agents, hours } : null;
}

/** What was typed, as agents: `ko:JAK2` as it stands, `JAK2` with the chosen kind, and several joined by +. */
export function typedAgents(text: string, kind: string): Agent[] {
  const whole = parseComposition(text);
  if (whole && whole.agents.length) return whole.agents;
  return text
    .split(/\s\+\s/)
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => parseAgent(part) ?? { kind, target: part, dose: null, unit: "", rest: "" });
}

/** Agents with further ones; what is there already is not added twice. */
export function withAgents(agents: Agent[], more: Agent[]): Agent[] {
  const added = more.filter((agent) => !agents.some((other) => other.kind === agent.kind && other.target === agent.target));
  return [...agents, ...added];
}

/** As people say it: "JAK2 knockout + nutlin-3 10 uM, 24 h". */
export function spoken(text: string): string {
  const read = parseComposition(text);
  if (!read) return text;
  const agents = read.agents.map((agent) => {
    const dose = agent.dose === null ? "" : ` ${agent.dose} ${agent.unit}`;
    const kind = isGenetic(agent.kind) ? ` ${agent.kind === "ko" ? "knockout" : spokenKind(agent.kind)}` : "";
    return `${agent.target}${kind}${dose}${agent.rest}`;
  });
  const body = agents.join(" + ") || (read.hours === null ? "control" : "time alone");
  return read.hours === null ? body : `${body}, ${read.hours} h`;
}
