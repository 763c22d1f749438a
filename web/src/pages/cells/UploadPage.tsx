/** Brings a file of one's own: chosen or dropped, sent with progress, refused with reasons. */
import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState, type DragEvent, type FormEvent } from "react";
import { Link, useNavigate } from "react-router";
import { upload } from "../../api/client";
import type { Dataset } from "../../api/types";
import { useSession } from "../../hooks/queries";
import { bytes, percent } from "../../lib/format";
import { Banner, Button, ErrorState, PageHead, TextField } from "../../ui";

/** What can be said of a file before it is sent; empty where nothing is wrong. */
export function wrongWith(file: { name: string; size: number }, limit: number | undefined): string {
  if (file.size === 0) return `${file.name} is empty. Choose another file.`;
  if (limit !== undefined && file.size > limit) return `${file.name} has ${bytes(file.size)}, and this service takes up to ${bytes(limit)}. Write fewer cells or genes into it, or ask the person who runs the service.`;
  return "";
}

export function UploadPage() {
  const session = useSession();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [file, setFile] = useState<File | null>(null);
  const [name, setName] = useState("");
  const [over, setOver] = useState(false);
  const [share, setShare] = useState<number | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const stop = useRef<AbortController | null>(null);
  const limit = session.data?.upload_limit_bytes;
  const wrong = file ? wrongWith(file, limit) : "";

  function take(next: File | undefined | null) {
    if (!next) return;
    setFile(next);
    setFailed(null);
    setName(next.name.replace(/\.(h5ad|h5mu|h5|zip|csv|tsv|parquet|gz)+$/gi, "") || next.name);
  }

  function onDrop(event: DragEvent) {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files[0]);
  }

  async function send(event: FormEvent) {
    event.preventDefault();
    if (!file || wrong) return;
    setFailed(null);
    setShare(0);
    stop.current = new AbortController();
    const form = new FormData();
    form.append("name", name || file.name);
    form.append("file", file);
    try {
      const dataset = await upload<Dataset>("/datasets", form, setShare, stop.current.signal);
      client.setQueryData(["dataset", dataset.id], dataset);
      void client.invalidateQueries({ queryKey: ["datasets"] });
      void navigate(`/cells/data/${encodeURIComponent(dataset.id)}`);
    } catch (error) {
      setFailed(error);
      setShare(null);
    }
  }

  return (
    <>
      <PageHead title="Use your own data">
        Step 1 of 3: bring the file. Then confirm what its columns mean, and fit a virtual cell.
      </PageHead>
      <form className="card stack upload" onSubmit={(event) => void send(event)}>
        <div
          className={`drop ${over ? "over" : ""}`}
          onDragOver={(event) => {
            event.preventDefault();
            setOver(true);
          }}
          onDragLeave={() => setOver(false)}
          onDrop={onDrop}
        >
          <label htmlFor="file">
            <strong>Choose a file</strong> or drop it here
          </label>
          <input id="file" type="file" disabled={share !== null} aria-describedby="file-hint" onChange={(event) => take(event.target.files?.[0])} />
          <p id="file-hint" className="small quiet">
            An .h5ad file with raw counts, a column that says which perturbation each cell got, and control cells.
            {limit !== undefined && ` Up to ${bytes(limit)}.`} The file stays with this service.
          </p>
        </div>
        {file && (
          <>
            <p>
              <strong>{file.name}</strong> <span className="quiet">{bytes(file.size)}</span>
            </p>
            {wrong && <Banner tone="bad" title="This file cannot be sent" live><p>{wrong}</p></Banner>}
            <TextField label="Name" hint="How the data is called here." value={name} maxLength={80} onChange={(event) => setName(event.target.value)} />
          </>
        )}
        {share !== null && (
          <div className="stack-tight" role="status">
            <progress className="progress" value={share} max={1} aria-label="Sent" />
            <span className="small quiet">{share < 1 ? `${percent(share)} sent` : "Sent. Reading the file and looking at its columns…"}</span>
          </div>
        )}
        {failed !== null && <ErrorState title="This file was not taken" error={failed} />}
        <div className="row">
          <Button look="primary" type="submit" disabled={!file || Boolean(wrong)} busy={share !== null}>
            Send
          </Button>
          {share !== null && <Button onClick={() => stop.current?.abort()}>Stop</Button>}
          <Link className="button" to="/cells">
            Back
          </Link>
        </div>
      </form>
    </>
  );
}
