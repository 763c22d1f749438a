/** One way to ask the service: JSON, Arrow and uploads, always with the token from Settings. */
import { asFailure, Failure, failureFrom } from "./failure";

export const BASE = "/api/v1";
const TOKEN_KEY = "aivc.token";

export function token(): string {
  try {
    return localStorage.getItem(TOKEN_KEY) ?? "";
  } catch {
    return "";
  }
}

export function keepToken(value: string): void {
  if (value) localStorage.setItem(TOKEN_KEY, value);
  else localStorage.removeItem(TOKEN_KEY);
}

export function authHeaders(): Record<string, string> {
  const own = token();
  return own ? { Authorization: `Bearer ${own}` } : {};
}

/** A path with its query: parts that are empty or undefined are left out. */
export function pathWith(path: string, query: Record<string, string | number | boolean | undefined> = {}): string {
  const kept = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(kept.map(([key, value]) => [key, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(BASE + path, { ...init, headers: { ...authHeaders(), ...init.headers } });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure("Unreachable", ["The service does not answer. Check that `aivc serve` still runs, then try again."], 0);
  }
  if (!response.ok) {
    throw failureFrom(response.status, await response.json().catch(() => null));
  }
  return response;
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
    for (const [key, value] of Object.entries(authHeaders())) request.setRequestHeader(key, value);
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
