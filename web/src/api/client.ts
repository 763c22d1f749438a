/**
 * One way to ask the service: JSON, Arrow and uploads.
 *
 * Who asks is said by a cookie that scripts cannot read; Settings lets the service set it.
 */
import createClient from "openapi-fetch";
import { asFailure, Failure, failureFrom } from "./failure";
import type { paths } from "./schema";

export const BASE = "/api/v1";
/** A path with its query: parts that are empty or undefined are left out. */
export function pathWith(path: string, query: Record<string, string | number | boolean | undefined> = {}): string {
  const kept = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(kept.map(([key, value]) => [key, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(BASE + path, { ...init, credentials: "same-origin" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure("Unreachable", ["The service does not answer. Check that `aivc serve` still runs, then try again."], 0);
  }
  if (!response.ok) {
    throw failureFrom(response.status, await response.json().catch(() => null));
  }
  return response;
}

/** Typed by the API's own description: a path that does not exist does not compile. */
export const api = createClient<paths>({ credentials: "same-origin" });

/** The body of an answer of `api`; a refusal is thrown as a `Failure`. */
export async function said<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await asked.catch((error: unknown) => {
    throw error instanceof DOMException && error.name === "AbortError" ? error : asFailure(error);
  });
  if (!response.ok) throw failureFrom(response.status, error);
  return data as T;
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await ask(path, { signal, headers: { Accept: "application/json" } })).json() as Promise<T>;
}

export async function sendJson<T>(path: string, body: unknown, method = "POST", signal?: AbortSignal): Promise<T> {
  const response = await ask(path, {
    method,
    signal,
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", Accept: "application/json" },
  });
  return (response.status === 204 ? null : await response.json()) as T;
}

export async function removeAt(path: string): Promise<void> {
  await ask(path, { method: "DELETE" });
}

/** Arrow bytes, for `lib/arrow.ts` to read; `body` makes it a question by POST. */
export async function getArrow(path: string, signal?: AbortSignal, body?: unknown): Promise<Uint8Array> {
  const arrow = { Accept: "application/vnd.apache.arrow.stream" };
  const init: RequestInit =
    body === undefined
      ? { signal, headers: arrow }
      : { signal, method: "POST", body: JSON.stringify(body), headers: { ...arrow, "Content-Type": "application/json" } };
  return new Uint8Array(await (await ask(path, init)).arrayBuffer());
}

/** Bytes of a file behind the API, for a download or a picture that needs the token. */
export async function getBlob(path: string, signal?: AbortSignal): Promise<Blob> {
  return (await ask(path, { signal })).blob();
}

/** Sends a file, with progress; `fetch` cannot tell how much was sent, so this is an XMLHttpRequest. */
export function upload<T>(path: string, form: FormData, onProgress: (share: number) => void, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", BASE + path);
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () =>
      request.status < 300 ? resolve(request.response as T) : reject(failureFrom(request.status, request.response));
    request.onerror = () => reject(asFailure(new TypeError("network")));
    request.onabort = () => reject(new Failure("Stopped", ["The upload was stopped. Nothing was kept."], 0));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
