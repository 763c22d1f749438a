/** Schedules as the service reads them, put together step by step. */

import { asFailure } from "../../api/failure";

/** The times that were read, from a refusal to go beyond them; null where it refuses something else. */
export function timesRead(error: unknown): [string, string] | null {
  const found = /was fitted on times from (\S+) to (\S+) h/.exec(asFailure(error).problems.join(" "));
  return found ? [found[1] as string, found[2] as string] : null;
}

export interface NewStep {
  /** Empty for a wait. */
  agent: string;
  hours: string;
}

/** `wait 24h`, or `drug:X@1uM for 3h`; empty while the hours are no number above zero. */
export function stepText({ agent, hours }: NewStep): string {
  const number = Number(hours);
  if (!(number > 0) || !Number.isFinite(number)) return "";
  // A name with a semicolon stands in quotes.
  const named = agent.trim();
  if (!named) return `wait ${number}h`;
  return `${named.replace(/ for [0-9.]+h$/, "")} for ${number}h`;
}

export function withStep(schedule: string, step: string): string {
  const before = schedule.trim().replace(/;+$/, "").trim();
  return before ? `${before}; ${step}` : step;
}
