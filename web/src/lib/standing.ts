/** How far an answer may be trusted, and so how it is shown. */
import type { Answer } from "../api/types";

export interface Standing {
  tone: "good" | "info" | "warn" | "bad";
  title: string;
  text: string;
  /** Whether its numbers are drawn at once. A default is no knowledge of this perturbation, and is shown only on request. */
  known: boolean;
}

type Asked = Pick<Answer, "applicability" | "applicability_text" | "abstained" | "measured">;

export function standing(answer: Asked): Standing {
  const { applicability, applicability_text: text, abstained, measured } = answer;
  if (applicability === "outside") {
    return { tone: "bad", title: "Outside what this cell knows", text, known: false };
  }
  if (abstained) {
    const said = "On perturbations like this one, held out from the fit, the model was no better than the mean effect of all perturbations. So it gives no answer of its own.";
    return { tone: "warn", title: "The model gives no answer of its own", text: said, known: false };
  }
  if (applicability === "inside") {
    const title = measured ? "Inside what this cell knows: it was measured" : "Inside what this cell knows";
    return { tone: "good", title, text, known: true };
  }
  if (applicability === "edge") {
    return { tone: "warn", title: "At the edge of what this cell knows", text, known: true };
  }
  return { tone: "warn", title: `How far this cell knows it: ${applicability}`, text, known: true };
}
