/** A figure that the service drew, with what it shows in words under it. */
import { useEffect, useId, useMemo, useState } from "react";
import type { DrawnFigure } from "../api/types";
import { fileName } from "../lib/csv";
import { download } from "../lib/download";
import { Button } from "../ui";

/** What a drawing calls itself: a short name, since its caption says the rest. */
export function drawingName(svg: string): string {
  const root = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  return root.getAttribute("aria-label") || "A drawing";
}

export function FigureView({ figure, name }: { figure: Pick<DrawnFigure, "svg" | "caption" | "notes">; name: string }) {
  const [address, setAddress] = useState("");
  const caption = useId();
  const called = useMemo(() => drawingName(figure.svg), [figure.svg]);
  // As a picture, not as part of the page: whatever it holds, it cannot act.
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([figure.svg], { type: "image/svg+xml" }));
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [figure.svg]);
  return (
    <figure className="card stack-tight" style={{ margin: 0 }} aria-labelledby={caption}>
      <div style={{ background: "#fff", borderRadius: "6px", padding: "0.5rem", overflowX: "auto" }}>
        {/* A screen reader hears the name here and the caption once, as that of the figure. */}
        {address && <img src={address} alt={called} style={{ maxWidth: "100%", height: "auto", display: "block", margin: "0 auto" }} />}
      </div>
      <figcaption id={caption} className="small">
        {figure.caption}
      </figcaption>
      {(figure.notes ?? []).length > 0 && (
        <ul className="small quiet">
          {(figure.notes ?? []).map((note) => (
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
