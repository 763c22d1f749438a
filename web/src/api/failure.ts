/** What went wrong, as the service says it: a kind, and problems that each say what was wanted, what came, what to do. */

export class Failure extends Error {
  constructor(
    readonly kind: string,
    readonly problems: string[],
    readonly status: number,
  ) {
    super(problems[0] ?? kind);
    this.name = "Failure";
  }
}

const REMEDIES: Record<number, string> = {
  401: "This service wants a token. Paste one under Settings.",
  403: "Your role does not allow this. Ask the person who runs the service.",
  404: "It is not here, or it is private to someone else.",
  413: "The file is larger than this service takes. Its limit is shown under Settings.",
  429: "Too many questions in a short time. Wait a minute, then ask again.",
};

/** Reads the error out of a body; a body of another shape still gives a sentence. */
export function failureFrom(status: number, body: unknown): Failure {
  const error = (body as { error?: { kind?: unknown; problems?: unknown } } | null)?.error;
  if (error && Array.isArray(error.problems) && error.problems.length > 0) {
    return new Failure(String(error.kind ?? "Error"), error.problems.map(String), status);
  }
  const detail = (body as { detail?: unknown } | null)?.detail;
  const said = typeof detail === "string" ? [detail] : [];
  const remedy = REMEDIES[status];
  const rest = remedy ? [remedy] : said.length ? [] : [`The service answered with status ${status}. Its log says more.`];
  return new Failure("Error", [...said, ...rest], status);
}

/** Any thrown thing as a failure with sentences for a person. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof TypeError && /fetch|network/i.test(error.message)) {
    return new Failure("Unreachable", ["The service does not answer. Check that `aivc serve` still runs, then try again."], 0);
  }
  return new Failure("Error", [error instanceof Error ? error.message : String(error)], 0);
}

/** Whether the same question may be answered the next time: a refusal stays one. */
export function mayPass(error: unknown): boolean {
  const { status } = asFailure(error);
  return status === 0 || status === 429 || status >= 500;
}
