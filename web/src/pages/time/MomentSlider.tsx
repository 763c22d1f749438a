/** Goes through the moments of a schedule: by dragging, by arrow keys, or by itself. */
import { useEffect, useId, useState } from "react";
import type { TimeAnswer } from "../../api/types";
import { Button } from "../../ui";
import { spokenHours } from "./moments";

const PACE = 900;

/** What was done up to a moment. */
export function momentText(answer: Pick<TimeAnswer, "times" | "steps">, moment: number): string {
  const at = spokenHours(answer.times[moment] ?? 0);
  const step = answer.steps[moment - 1];
  return step ? `${at}, after ${step.done === "wait" ? `waiting ${Number((step.end - step.begin).toFixed(2))} h` : step.done}` : `${at}, the start`;
}

export function MomentSlider({ answer, moment, onMoment }: { answer: TimeAnswer; moment: number; onMoment: (moment: number) => void }) {
  const id = useId();
  const [playing, setPlaying] = useState(false);
  const last = answer.times.length - 1;
  useEffect(() => {
    if (!playing) return;
    if (moment >= last) {
      setPlaying(false);
      return;
    }
    const timer = setTimeout(() => onMoment(moment + 1), PACE);
    return () => clearTimeout(timer);
  }, [playing, moment, last, onMoment]);

  function play() {
    if (!playing && moment >= last) onMoment(0);
    setPlaying(!playing);
  }

  return (
    <div className="moment">
      <Button compact className="no-print" onClick={play} aria-pressed={playing}>
        {playing ? "Pause" : "Play"}
      </Button>
      <div className="stack-tight moment-slide">
        <label htmlFor={id}>
          <span className="sr-only">Moment: </span>
          <strong aria-hidden="true">{momentText(answer, moment)}</strong>
        </label>
        <input
          id={id}
          type="range"
          className="no-print"
          min={0}
          max={last}
          step={1}
          value={moment}
          aria-valuetext={momentText(answer, moment)}
          onChange={(event) => {
            setPlaying(false);
            onMoment(Number(event.target.value));
          }}
        />
        <div className="moment-ends small quiet number" aria-hidden="true">
          <span>{spokenHours(answer.times[0] ?? 0)}</span>
          <span>{spokenHours(answer.times[last] ?? 0)}</span>
        </div>
      </div>
    </div>
  );
}
