/** A figure that the service drew, with what it shows in words under it. */
import { useEffect, useState } from "react";
import { fileName } from "../lib/csv";
import { download } from "../lib/download";
import { Button } from "../ui";

export interface DrawnFigure {
  svg: string;
  caption: string;
  notes: string[];
  rows: Record<string, unknown>[];
}

export function FigureView({ figure, name }: { figure: DrawnFigure; name: string }) {
  const [address, setAddress] = useState("");
  // As a picture, not as part of the page: whatever it holds, it cannot act.
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([figure.svg], { type: "image/svg+xml" }));
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [figure.svg]);
  return (
    <figure className="card stack-tight" style={{ margin: 0 }}>
      <div style={{ background: "#fff", borderRadius: "6px", padding: "0.5rem", overflowX: "auto" }}>
        {address && <img src={address} alt={figure.caption} style={{ maxWidth: "100%", height: "auto" }} />}
      </div>
      <figcaption className="small">{figure.caption}</figcaption>
      {figure.notes.length > 0 && (
        <ul className="small quiet">
          {figure.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
      <div className="row no-print">
        <Button compact onClick={() => download(fileName(name, "svg"), figure.svg, "image/svg+xml")}>
          Save the picture (SVG)
        </Button>
      </div>
    </figure>
  );
}
